package builder

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/tailscale/hujson"

	"github.com/berthhq/berth/appliance"
)

// A document is a file of JSON that a person has written. Whoever reads it
// says what each key means; what nobody reads is noted.
type document struct {
	name    string
	text    []byte
	ignored []string // the paths of keys that nobody reads
}

// A value is a part of a document, and where it is there.
type value struct {
	doc  *document
	path string // "formation.web"
	at   int    // offset
	json hujson.ValueTrimmed
}

// fields say what to do with the values of an object, by key.
type fields map[string]func(value) error

var (
	plainKey   = regexp.MustCompile(`^[A-Za-z0-9_$-]{1,60}$`)
	headerName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")
)

func parseDocument(name string, text []byte) (*document, value, error) {
	text = bytes.TrimPrefix(text, []byte("\uFEFF"))
	doc := &document{name: name, text: text}
	root, err := hujson.Parse(text)
	if err != nil {
		_, what, _ := strings.Cut(err.Error(), "hujson: ")
		return nil, value{}, appliance.WithHint(fmt.Errorf("%w %s: %s", appliance.ErrInvalid, name, what),
			"it is JSON; comments are allowed, and commas after the last of a list")
	}
	return doc, value{doc, "", root.StartOffset, root.Value}, nil
}

// maxIgnored is how many keys that nobody reads are worth telling of.
const maxIgnored = 20

func (d *document) ignore(path string) {
	switch len(d.ignored) {
	case maxIgnored:
		d.ignored = append(d.ignored, "…")
	case maxIgnored + 1:
	default:
		d.ignored = append(d.ignored, path)
	}
}

// place tells a person where the value is.
func (v value) place() string {
	line := 1 + bytes.Count(v.doc.text[:v.at], []byte("\n"))
	place := fmt.Sprintf("%s, line %d", v.doc.name, line)
	if v.path != "" {
		place += ": " + v.path
	}
	return place
}

// wrong is the error of a value that makes no sense.
func (v value) wrong(advice string) error {
	return appliance.WithHint(fmt.Errorf("%w %s", appliance.ErrInvalid, v.place()), advice)
}

// mustBe is the error of a value that is of another kind.
func (v value) mustBe(what string) error {
	is := map[hujson.Kind]string{
		'n': "null", 't': "true", 'f': "false", '"': "a string", '0': "a number", '{': "an object", '[': "a list",
	}[v.json.Kind()]
	return appliance.WithHint(fmt.Errorf("%w %s: it is %s", appliance.ErrInvalid, v.place(), is), "it must be "+what)
}

func (v value) isObject() bool { return v.json.Kind() == '{' }

// isNull says that the value might as well not be there.
func (v value) isNull() bool { return v.json.Kind() == 'n' }

// object reads an object of which the keys are known.
func (v value) object(known fields) error {
	return v.entries(func(key string, v value) error {
		read := known[key]
		if read == nil {
			v.doc.ignore(v.path)
			return nil
		}
		return read(v)
	})
}

// entries reads an object of which the keys are somebody's own.
func (v value) entries(each func(key string, v value) error) error {
	if v.isNull() {
		return nil
	}
	object, ok := v.json.(*hujson.Object)
	if !ok {
		return v.mustBe("an object: { … }")
	}
	seen := map[string]bool{}
	for _, m := range object.Members {
		literal, _ := m.Name.Value.(hujson.Literal)
		key := literal.String()
		inner := value{v.doc, join(v.path, key), m.Value.StartOffset, m.Value.Value}
		if seen[key] {
			return inner.wrong("it is there twice: remove one")
		}
		seen[key] = true
		if inner.isNull() {
			continue
		}
		if err := each(key, inner); err != nil {
			return err
		}
	}
	return nil
}

// join names a key of what is at path. What is shown to people has only
// characters that do nothing.
func join(path, key string) string {
	if !plainKey.MatchString(key) {
		if r := []rune(key); len(r) > 60 {
			key = string(r[:60]) + "…"
		}
		key = strconv.QuoteToASCII(key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// array reads a list.
func (v value) array(each func(value) error) error {
	array, ok := v.json.(*hujson.Array)
	if !ok {
		return v.mustBe("a list: [ … ]")
	}
	for i, e := range array.Elements {
		if err := each(value{v.doc, fmt.Sprintf("%s[%d]", v.path, i), e.StartOffset, e.Value}); err != nil {
			return err
		}
	}
	return nil
}

func (v value) string(s *string) error {
	literal, _ := v.json.(hujson.Literal)
	if v.json.Kind() != '"' {
		return v.mustBe(`a string, in "quotes"`)
	}
	if *s = literal.String(); strings.ContainsRune(*s, 0) {
		return v.wrong("no value can have a NUL byte in it")
	}
	return nil
}

func (v value) oneOf(s *string, choices ...string) error {
	if err := v.string(s); err != nil {
		return err
	}
	for _, choice := range choices {
		if *s == choice {
			return nil
		}
	}
	return v.wrong("it must be " + strings.Join(choices, " or "))
}

// strings reads a list of strings that is not empty.
func (v value) strings(list *[]string) error {
	err := v.array(func(v value) error {
		var s string
		err := v.string(&s)
		*list = append(*list, s)
		return err
	})
	if err == nil && len(*list) == 0 {
		err = v.wrong("there must be something in it")
	}
	return err
}

func (v value) bool(b *bool) error {
	literal, _ := v.json.(hujson.Literal)
	if k := v.json.Kind(); k != 't' && k != 'f' {
		return v.mustBe("true or false")
	}
	*b = literal.Bool()
	return nil
}

func (v value) number(n *int, least, most int) error {
	literal, _ := v.json.(hujson.Literal)
	if v.json.Kind() != '0' {
		return v.mustBe("a number")
	}
	i, err := strconv.Atoi(string(literal))
	if err != nil || i < least || i > most {
		return v.wrong(fmt.Sprintf("it must be a whole number from %d to %d", least, most))
	}
	*n = i
	return nil
}

// seconds reads a duration of at most an hour.
func (v value) seconds(d *time.Duration) error {
	var n int
	err := v.number(&n, 0, 3600)
	*d = time.Duration(n) * time.Second
	return err
}

func (v value) processType(typ string) error {
	if processType.MatchString(typ) {
		return nil
	}
	return v.wrong("a process type has up to 63 letters, digits, - and _, as in web")
}
