package command

import (
	"context"
	"errors"
	"io"
	"sync"
)

// ErrInterrupted is the error of a command that somebody has ended with Ctrl-C.
var ErrInterrupted = errors.New("interrupted")

// A keyboard has what somebody types at a terminal until a command reads it. By
// SSH it comes key by key, and shows on no screen by itself.
type keyboard struct {
	screen io.Writer

	mu      sync.Mutex // guards what follows
	changed *sync.Cond
	typed   []byte
	ended   error // why no more comes

	// interrupt is what Ctrl-C does; nil if that is a key like any other.
	interrupt context.CancelCauseFunc
}

// maxTyped is how much is kept that nobody reads, in bytes.
const maxTyped = 64 << 10

// newKeyboard returns the keyboard of a session. What it starts ends with the
// session, whose stdin it reads, and leave.
func newKeyboard(s *Session) (k *keyboard, leave func()) {
	k = &keyboard{screen: s.Screen}
	k.changed = sync.NewCond(&k.mu)
	go k.listen(s.Stdin)
	return k, func() { k.end(io.EOF) }
}

func (k *keyboard) listen(in io.Reader) {
	b := make([]byte, 4<<10)
	for {
		n, err := in.Read(b)
		if !k.hear(b[:n]) {
			return
		}
		if err != nil {
			k.end(err)
			return
		}
	}
}

// hear takes what was typed, and waits while there is too much. It reports
// whether anybody is there to read it.
func (k *keyboard) hear(b []byte) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, key := range b {
		if key == ctrlC && k.interrupt != nil {
			k.interrupt(ErrInterrupted)
			k.typed = nil // as a terminal forgets it
			continue
		}
		k.typed = append(k.typed, key)
	}
	k.changed.Broadcast()
	for len(k.typed) > maxTyped && k.ended == nil {
		k.changed.Wait()
	}
	return k.ended == nil
}

func (k *keyboard) end(why error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ended = why
	k.changed.Broadcast()
}

// onInterrupt sets what Ctrl-C does.
func (k *keyboard) onInterrupt(f context.CancelCauseFunc) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.interrupt = f
}

// seat gives a command the keyboard: a context that Ctrl-C ends, and a session
// whose stdin has the lines that are typed. Who leaves takes no key with them.
func (k *keyboard) seat(ctx context.Context, session *Session) (context.Context, *Session, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	k.onInterrupt(cancel)
	own := *session
	own.Stdin = &lines{keystrokes: keystrokes{k, ctx}}
	return ctx, &own, func() {
		k.onInterrupt(nil)
		cancel(nil)
	}
}

// sit is seat for a session that has a terminal and no keyboard yet.
func (s *Session) sit(ctx context.Context) (context.Context, *Session, func()) {
	if s.Terminal == nil || s.Stdin == nil {
		return ctx, s, func() {}
	}
	k, end := newKeyboard(s)
	ctx, session, leave := k.seat(ctx, s)
	return ctx, session, func() {
		leave()
		end()
	}
}

// interrupted returns ErrInterrupted in place of an error that comes of Ctrl-C.
func interrupted(ctx context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), ErrInterrupted) {
		return ErrInterrupted
	}
	return err
}

// keystrokes returns what somebody types as it is, key by key, and has Ctrl-C be one
// of them. Without a terminal it is stdin.
func (s *Session) keystrokes() io.Reader {
	typed, ok := s.Stdin.(*lines)
	if !ok {
		return s.Stdin
	}
	typed.onInterrupt(nil)
	return typed.keystrokes
}

// keystrokes are what is typed while a command runs.
type keystrokes struct {
	*keyboard
	ctx context.Context // of the command
}

func (k keystrokes) Read(b []byte) (int, error) {
	defer context.AfterFunc(k.ctx, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.changed.Broadcast()
	})()
	k.mu.Lock()
	defer k.mu.Unlock()
	for len(k.typed) == 0 && k.ended == nil && k.ctx.Err() == nil {
		k.changed.Wait()
	}
	if k.ctx.Err() != nil {
		return 0, io.EOF
	}
	if len(k.typed) == 0 {
		return 0, k.ended
	}
	n := copy(b, k.typed)
	k.typed = k.typed[n:]
	k.changed.Broadcast()
	return n, nil
}

// lines are what is typed while a command runs, line by line, and shown. Ctrl-D
// ends them.
type lines struct {
	keystrokes
	left []byte // of a line
	over bool
}

func (l *lines) Read(b []byte) (int, error) {
	if len(l.left) == 0 {
		if l.over {
			return 0, io.EOF
		}
		line, end, err := typeLine(l.keystrokes, l.screen)
		if err != nil {
			return 0, err
		}
		if end == ctrlD {
			l.over = true
		} else {
			line = append(line, '\n')
		}
		if l.left = line; len(line) == 0 {
			return 0, io.EOF
		}
	}
	n := copy(b, l.left)
	l.left = l.left[n:]
	return n, nil
}
