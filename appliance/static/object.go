package static

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// A member is one of a JSON object's, in the order in which they stand: in
// static.json the order counts.
type member struct {
	key   string
	value json.RawMessage
}

// object reads a JSON object.
func object(text []byte) ([]member, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil {
		return nil, place(text, err)
	} else if t != json.Delim('{') {
		return nil, fmt.Errorf("%s is no object", short(text))
	}
	var members []member
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, place(text, err)
		}
		m := member{key: t.(string)} // a decoder gives no other keys
		if err := d.Decode(&m.value); err != nil {
			return nil, place(text, err)
		}
		members = append(members, m)
	}
	if _, err := d.Token(); err != nil {
		return nil, place(text, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("something follows the object")
	}
	return members, nil
}

// place adds the line to what is wrong with the syntax.
func place(text []byte, err error) error {
	syntax, ok := errors.AsType[*json.SyntaxError](err)
	if !ok {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return errors.New("it ends too early")
		}
		return err
	}
	line := 1 + bytes.Count(text[:min(int(syntax.Offset), len(text))], []byte("\n"))
	return fmt.Errorf("line %d: %s", line, strings.TrimPrefix(syntax.Error(), "json: "))
}

// short quotes the beginning of a value, for an error.
func short(value []byte) string {
	text := strings.Join(strings.Fields(string(value)), " ")
	if len(text) > 60 {
		text = text[:60] + "…"
	}
	return text
}

// str, boolean and integer read a value of one kind.
func str(v json.RawMessage) (string, error) {
	var s string
	if json.Unmarshal(v, &s) != nil || string(v) == "null" {
		return "", fmt.Errorf("is %s, want a text in quotes", short(v))
	}
	return s, nil
}

func boolean(v json.RawMessage) (bool, error) {
	var b bool
	if json.Unmarshal(v, &b) != nil {
		return false, fmt.Errorf("is %s, want true or false", short(v))
	}
	return b, nil
}

func integer(v json.RawMessage) (int, error) {
	var n int
	if json.Unmarshal(v, &n) != nil {
		return 0, fmt.Errorf("is %s, want a number", short(v))
	}
	return n, nil
}
