package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Keys as a terminal sends them.
const (
	ctrlC     = 3
	ctrlD     = 4
	ctrlE     = 5
	backspace = 8
	enter     = '\r'
	ctrlU     = 21
	escape    = 27
	del       = 127
)

// A terminal that is asked to says where something that is pasted begins and
// ends, so that a line end in it is not taken for Enter.
const (
	markPastes   = "\x1b[?2004h"
	markNoPastes = "\x1b[?2004l"
	pasteBegins  = "200~"
	pasteEnds    = "201~"
)

// typeLine reads a line that somebody types, and shows it on screen if that is
// not nil. It has any length and what is pasted as it is, for which a library's
// password prompt is not made. What ends it is Enter or Ctrl-D.
func typeLine(in io.Reader, screen io.Writer) (line []byte, end byte, err error) {
	if screen == nil {
		screen = io.Discard
	}
	pasting := false
	for last, key := byte(0), byte(0); len(line) < maxInput; last = key {
		if key, err = readKey(in); err != nil {
			return nil, 0, err
		}
		switch {
		case key == escape:
			switch sequence, err := readSequence(in); {
			case err != nil:
				return nil, 0, err
			case sequence == pasteBegins, sequence == pasteEnds:
				pasting = sequence == pasteBegins
			}
		case pasting && key == '\n' && last == enter:
			// the rest of a line end
		case pasting && key == enter:
			line = append(line, '\n')
		case pasting:
			line = append(line, key)
		case key == enter, key == '\n':
			_, _ = io.WriteString(screen, "\r\n") // what was typed counts, seen or not
			return line, enter, nil
		case key == ctrlC:
			return nil, 0, ErrInterrupted
		case key == ctrlD:
			return line, ctrlD, nil
		case key == backspace, key == del, key == ctrlU:
			for len(line) > 0 {
				_, n := utf8.DecodeLastRune(line)
				line = line[:len(line)-n]
				_, _ = io.WriteString(screen, "\b \b")
				if key != ctrlU {
					break
				}
			}
		case key < ' ' && key != '\t':
			// no key that says anything
		default:
			line = append(line, key)
			_, _ = screen.Write([]byte{key})
		}
	}
	return nil, 0, io.ErrShortBuffer
}

func readKey(in io.Reader) (byte, error) {
	var b [1]byte
	_, err := io.ReadFull(in, b[:])
	return b[0], err
}

// readSequence reads what follows Escape, such as that of an arrow key, and
// returns what a terminal says with it: "200~" of ESC [ 200 ~.
func readSequence(in io.Reader) (string, error) {
	key, err := readKey(in)
	if err != nil {
		return "", err
	}
	var sequence []byte
	switch key {
	case '[':
		for ended := false; !ended; ended = key >= '@' && key <= '~' {
			if key, err = readKey(in); err != nil {
				return "", err
			}
			if len(sequence) < 10 {
				sequence = append(sequence, key)
			}
		}
	case 'O':
		_, err = readKey(in)
	}
	return string(sequence), err
}

// ask has the person at the terminal type a secret, which shows nowhere. The
// error is io.EOF if they would rather not.
func (c *Call) ask(ctx context.Context, what string) (string, error) {
	in := c.Stdin
	if typed, ok := in.(*lines); ok {
		in = typed.keystrokes // and Ctrl-C ends the command, as before
	}
	if c.Screen != nil {
		_, _ = io.WriteString(c.Screen, markPastes) // who is gone need not see it
		defer io.WriteString(c.Screen, markNoPastes)
	}
	fmt.Fprintf(c.Stderr, "%s: ", what)
	line, end, err := typeLine(in, nil)
	fmt.Fprintln(c.Stderr)
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err == nil && end == ctrlD && len(line) == 0:
		return "", io.EOF
	}
	return strings.TrimSuffix(string(line), "\n"), err
}

// password reads one line, which nobody sees at a terminal; "" if there is none.
func (c *Call) password(ctx context.Context) (string, error) {
	if c.TTY {
		line, err := c.ask(ctx, "Password")
		return line, unless(err, io.EOF)
	}
	text, err := io.ReadAll(io.LimitReader(c.Stdin, 16<<10))
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSuffix(line, "\r"), err
}

// unless returns an error that is not the one that is fine.
func unless(err, fine error) error {
	if errors.Is(err, fine) {
		return nil
	}
	return err
}
