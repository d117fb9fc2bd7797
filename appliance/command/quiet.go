package command

import (
	"bytes"
	"io"
)

// A quietWriter leaves away the lines that say how it is going.
type quietWriter struct {
	w    io.Writer
	part []byte // of a line that has not ended yet
}

func (q *quietWriter) Write(b []byte) (int, error) {
	q.part = append(q.part, b...)
	for {
		line, rest, ok := bytes.Cut(q.part, []byte("\n"))
		if !ok {
			return len(b), nil
		}
		if !heading(line) {
			if _, err := q.w.Write(q.part[:len(line)+1]); err != nil {
				return 0, err
			}
		}
		q.part = rest
	}
}

// end writes what is left of a line that has no end.
func (q *quietWriter) end() error {
	if heading(q.part) {
		return nil
	}
	_, err := q.w.Write(q.part)
	return err
}

func heading(line []byte) bool {
	return bytes.HasPrefix(line, []byte("-----> ")) || bytes.HasPrefix(line, []byte("=====> "))
}
