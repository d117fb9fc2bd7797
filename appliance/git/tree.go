package git

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// A Tree is a set of files that git makes objects of as they come. None of
// them is ever a file of this machine.
type Tree struct {
	w   *bufio.Writer
	err error // of writing to git
}

// Import lets fill put files into a tree, for Commit.
func (in *Incoming) Import(ctx context.Context, fill func(*Tree) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var stderr bytes.Buffer
	cmd := in.repos.command(ctx, nil, "--git-dir", in.dir,
		"fast-import", "--quiet", "--done", "--date-format=raw")
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	t := &Tree{w: bufio.NewWriterSize(stdin, 64<<10)}
	t.print("commit %s\ncommitter berth <> 0 +0000\ndata 0\n", incomingRef)
	err = fill(t)
	if err != nil {
		cancel() // it must not wait for more, nor make something of what there is
	} else {
		t.print("\ndone\n")
		t.flush()
	}
	stdin.Close()
	ended := explain(cmd.Wait(), &stderr)
	if err != nil && t.err == nil {
		return err
	}
	return errors.Join(ended, t.err)
}

// File adds a file of size bytes. A name is relative, with slashes; what had
// that name before is replaced.
func (t *Tree) File(name string, executable bool, size int64, content io.Reader) error {
	mode := "100644"
	if executable {
		mode = "100755"
	}
	t.print("M %s inline %s\ndata %d\n", mode, unixQuote(name), size)
	if t.err != nil {
		return t.err
	}
	n, err := io.Copy(writerOnly{t}, io.LimitReader(content, size))
	if t.err != nil {
		return t.err
	}
	if err == nil && n < size {
		err = io.ErrUnexpectedEOF
	}
	t.print("\n")
	return err
}

// Link adds a symbolic link, which nobody follows.
func (t *Tree) Link(name, target string) error {
	t.print("M 120000 inline %s\ndata %d\n%s\n", unixQuote(name), len(target), target)
	return t.err
}

// Copy adds a file with the content of another that was added before.
func (t *Tree) Copy(name, of string) error {
	t.print("C %s %s\n", unixQuote(of), unixQuote(name))
	return t.err
}

func (t *Tree) print(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, format, args...)
	}
}

func (t *Tree) flush() {
	if t.err == nil {
		t.err = t.w.Flush()
	}
}

// Write notes which side an error of io.Copy is of.
func (t *Tree) Write(p []byte) (n int, err error) {
	n, t.err = t.w.Write(p)
	return n, t.err
}

// writerOnly hides that a Tree can do more than write.
type writerOnly struct{ io.Writer }

// unixQuote writes a path as fast-import reads it whatever is in it.
func unixQuote(path string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range []byte(path) {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, `\%03o`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
