package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/git"
)

// tooMuch is what git says when a push is more than receive.maxInputSize. It
// then ends as if all were well, before our hook is asked.
var tooMuch = []byte("pack exceeds maximum allowed size")

// A listener passes on what git says to whoever pushes, and notes that.
type listener struct {
	io.Writer
	last  []byte // the end of what was said, which may be the beginning of it
	heard bool
}

func (l *listener) Write(p []byte) (int, error) {
	if !l.heard {
		said := append(l.last, p...)
		l.heard = bytes.Contains(said, tooMuch)
		l.last = bytes.Clone(said[max(0, len(said)-len(tooMuch)+1):])
	}
	return l.Writer.Write(p)
}

// explainTooMuch says what git does not: how much a push may be, and what to
// do.
func explainTooMuch(app appliance.AppName, limit int64) error {
	return appliance.WithHint(errors.New("push: it has more than the "+git.Bytes(limit)+" that a push may have, packed"),
		fmt.Sprintf("keep large files out of the repository, also out of its history: git rm --cached <file>, then git commit --amend\nor have an admin allow more, by files of so many bytes together: git:set %s push-max-size %d", app, 2*limit))
}
