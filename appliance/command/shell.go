package command

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/anmitsu/go-shlex"
	"golang.org/x/term"

	"github.com/berthhq/berth/appliance"
)

func (s *Set) shellCommand() Command {
	return Command{Name: "shell", Short: "take one command after another, each on a line", For: Anyone, Reads: true, Run: s.shell}
}

// A shell takes command lines until there are no more. Each goes through the
// gate as if it had come alone.
type shell struct {
	set    *Set
	call   *Call
	status int // of the last command

	mu   sync.Mutex // guards what follows
	size appliance.Size
	seat chan appliance.Size // of the command that runs
}

func (s *Set) shell(ctx context.Context, c *Call) error {
	if c.inShell {
		return appliance.WithHint(fmt.Errorf("%w: this is the shell already", ErrUsage), "type a command, such as apps:list; exit ends it")
	}
	sh := &shell{set: s, call: c}
	read := sh.piped
	if typed, ok := c.Stdin.(*lines); ok && c.Screen != nil {
		read = func(ctx context.Context) error { return sh.typed(ctx, typed) }
	}
	if err := read(ctx); err != nil {
		return err
	}
	if sh.status != 0 {
		return ExitError(sh.status)
	}
	return nil
}

// piped takes the lines of stdin.
func (sh *shell) piped(ctx context.Context) error {
	if sh.call.Stdin == nil {
		return nil
	}
	in := bufio.NewScanner(sh.call.Stdin)
	in.Buffer(nil, maxInput)
	session := *sh.call.Session
	session.Stdin = strings.NewReader("") // which has the lines
	for in.Scan() && ctx.Err() == nil {
		if !sh.run(ctx, &session, in.Text()) {
			return nil
		}
	}
	if errors.Is(in.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("%w line: more than %d bytes", appliance.ErrInvalid, maxInput)
	}
	return errors.Join(in.Err(), ctx.Err())
}

// run runs a line, and reports whether there are to be more.
func (sh *shell) run(ctx context.Context, session *Session, line string) (more bool) {
	words, err := shlex.Split(line, true)
	switch {
	case err != nil:
		err = fmt.Errorf("%w: %w", ErrUsage, err)
	case !utf8.ValidString(line): // splitting has changed it
		err = fmt.Errorf("%w: the line is not UTF-8", ErrUsage)
	}
	flags, words := leading(words)
	if len(words) > 0 && slices.Contains([]string{"exit", "quit", "logout"}, words[0]) {
		return false
	}
	if err == nil && len(words) == 0 {
		return true
	}
	session.inShell, session.Line = true, line
	if err == nil {
		err = sh.set.executeLine(ctx, session, flags, words)
	}
	ShowError(session.Stderr, err)
	sh.status = ExitStatus(err)
	return true
}

// typed takes the lines that somebody types, who edits them and sees the
// earlier ones again, until Ctrl-D.
func (sh *shell) typed(ctx context.Context, in *lines) error {
	at := in.keyboard
	at.onInterrupt(nil) // while nothing runs, it gives up the line
	prompt := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{&lineKeys{in: in.keystrokes}, sh.call.Screen}, sh.call.program()+"> ")
	prompt.AutoCompleteCallback = func(line string, pos int, key rune) (string, int, bool) {
		if key != '\t' {
			return "", 0, false
		}
		return sh.complete(ctx, prompt, line, pos)
	}
	ctx, cancel := context.WithCancel(ctx)
	resized := make(chan struct{})
	go func() {
		defer close(resized)
		sh.resize(ctx, prompt)
	}()
	defer func() {
		cancel()
		<-resized
	}()
	for {
		line, err := prompt.ReadLine()
		if errors.Is(err, io.EOF) {
			_, err = io.WriteString(sh.call.Screen, "\r\n")
			return err
		}
		if err != nil {
			return err
		}
		// More is dropped without a word.
		if utf8.RuneCountInString(line) >= maxTypedLine {
			ShowError(sh.call.Stderr, appliance.WithHint(fmt.Errorf("%w line: more than can be typed in one", appliance.ErrInvalid), "a long value is best piped in: ssh berth@host config:set <app> <key> < file"))
			sh.status = ExitFailed
			continue
		}
		if !sh.once(ctx, at, line) {
			return nil
		}
	}
}

// maxTypedLine is how many characters term has of a line.
const maxTypedLine = 4096

// once runs a line that was typed. What is typed meanwhile is the command's, as
// far as that reads it.
func (sh *shell) once(ctx context.Context, at *keyboard, line string) (more bool) {
	ctx, session, leave := at.seat(ctx, sh.call.Session)
	defer leave()
	sizes := make(chan appliance.Size, 1)
	session.Terminal = &appliance.Terminal{Name: sh.call.Terminal.Name, Sizes: sizes}
	sh.mu.Lock()
	sh.seat = sizes
	if sh.size != (appliance.Size{}) {
		sizes <- sh.size
	}
	sh.mu.Unlock()
	return sh.run(ctx, session, line)
}

// resize tells the prompt, and the command that runs, how large the terminal
// is.
func (sh *shell) resize(ctx context.Context, prompt *term.Terminal) {
	for {
		select {
		case <-ctx.Done():
			return
		case size := <-sh.call.Terminal.Sizes:
			_ = prompt.SetSize(int(size.Columns), int(size.Rows)) // it writes, and who is gone need not see it
			sh.mu.Lock()
			sh.size = size
			if sh.seat != nil {
				select {
				case <-sh.seat: // nobody has read it
				default:
				}
				sh.seat <- size
			}
			sh.mu.Unlock()
		}
	}
}

// complete completes the word before the cursor, or shows what it could be.
func (sh *shell) complete(ctx context.Context, prompt io.Writer, line string, pos int) (string, int, bool) {
	before, begin := strings.Fields(line[:pos]), ""
	if len(before) > 0 && !strings.HasSuffix(line[:pos], " ") {
		begin = before[len(before)-1]
		before = before[:len(before)-1]
	}
	list, err := sh.set.candidates(ctx, sh.call.Session, before, begin)
	list = slices.DeleteFunc(list, func(word string) bool { return !strings.HasPrefix(word, begin) })
	if err != nil || len(list) == 0 {
		return "", 0, false
	}
	word := shared(list)
	if len(list) == 1 && !strings.HasPrefix(line[pos:], " ") {
		word += " "
	}
	if word == begin {
		sh.mu.Lock()
		width := int(sh.size.Columns)
		sh.mu.Unlock()
		if width == 0 {
			width = 80
		}
		_, _ = fmt.Fprintln(prompt, wrap(strings.Join(list, " "), width-1)) // the next prompt tells who is gone
		return "", 0, false
	}
	return line[:pos-len(begin)] + word + line[pos:], pos - len(begin) + len(word), true
}

// shared returns what all words begin with.
func shared(words []string) string {
	begin := words[0]
	for _, word := range words[1:] {
		for !strings.HasPrefix(word, begin) {
			begin = begin[:len(begin)-1]
		}
	}
	return begin
}

// lineKeys are keys for a line that is edited. They come one by one, so that
// none is taken that is for a command; of what is no character there are none.
type lineKeys struct {
	in      io.Reader
	pending []byte
}

// clearLine are the keys that remove a line.
var clearLine = []byte{ctrlE, ctrlU}

var errTooLong = errors.New("what was typed is no key")

func (k *lineKeys) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, errTooLong // it has no room for the rest of a key
	}
	for len(k.pending) == 0 {
		key, err := readKey(k.in)
		if err != nil {
			return 0, err
		}
		switch {
		case key == ctrlC:
			k.pending = clearLine
		case key < utf8.RuneSelf:
			k.pending = []byte{key}
		default:
			if k.pending, err = readRune(k.in, key); err != nil {
				return 0, err
			}
		}
	}
	n := copy(b[:1], k.pending)
	k.pending = k.pending[n:]
	return n, nil
}

// readRune reads the rest of a character. Of what is none it returns what may be
// the next.
func readRune(in io.Reader, first byte) ([]byte, error) {
	char := []byte{first}
	for !utf8.FullRune(char) {
		key, err := readKey(in)
		if err != nil {
			return nil, err
		}
		char = append(char, key)
	}
	if utf8.Valid(char) {
		return char, nil
	}
	if last := char[len(char)-1]; last >= ' ' && last < del {
		return []byte{last}, nil
	}
	return nil, nil
}
