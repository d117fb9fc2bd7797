package router

import (
	"context"

	"github.com/berthhq/berth/router/shelf"
)

// Read calls each with the last so many lines of a service, or, for 0, with all
// there are, the oldest first. With follow it goes on with what comes, until
// ctx is done. A line is one JSON object; it is valid until each returns.
func (l *AccessLog) Read(ctx context.Context, service string, last int, follow bool, each func(line []byte) error) error {
	return l.Those(isWhole).Read(ctx, service, last, follow, each)
}

// AccessLines are those lines of a log that are wanted, as if there were no
// others.
type AccessLines struct {
	*AccessLog
	wanted func(line []byte) bool
}

// Those returns the lines that are wanted, of whole ones.
func (l *AccessLog) Those(wanted func(line []byte) bool) AccessLines {
	return AccessLines{l, func(line []byte) bool { return isWhole(line) && wanted(line) }}
}

// Read is the log's Read of these lines.
func (l AccessLines) Read(ctx context.Context, service string, last int, follow bool, each func(line []byte) error) error {
	l.init()
	l.flush()
	var from shelf.Place
	if last > 0 {
		var err error
		if from, err = l.shelf.Last(ctx, service, last, from, l.wanted); err != nil {
			return err
		}
	}
	return l.shelf.Read(ctx, service, from, follow, func(line []byte) error {
		if !l.wanted(line) {
			return nil
		}
		return each(line)
	}, nil)
}

// isWhole reports whether a line is a whole object. Others are leftovers of a
// crash.
func isWhole(line []byte) bool {
	return len(line) >= 2 && line[0] == '{' && line[len(line)-1] == '}'
}
