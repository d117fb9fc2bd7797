package command

import (
	"bufio"
	"context"
	"fmt"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/router"
)

// accessTime is how lines of requests begin.
const accessTime = "2006-01-02T15:04:05.000000Z"

// router shows what the router did for an app: a line of each request, in
// Heroku's form, or as it is kept.
func (l logs) router(ctx context.Context, c *Call, last int) error {
	return l.requests(ctx, c, last, func([]byte) bool { return true })
}

// requests is router of the requests whose lines are wanted.
func (l logs) requests(ctx context.Context, c *Call, last int, wanted func(line []byte) bool) error {
	if l.Router.AccessLog == nil {
		return fmt.Errorf("the access log %w", appliance.ErrNotFound)
	}
	log := l.Router.AccessLog.Those(wanted)
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	// By SSH, a write for each line takes many times as long as the reading.
	// Who follows sees each line when it comes.
	out := bufio.NewWriterSize(c.Stdout, 32<<10)
	show := func(text string) error {
		_, err := fmt.Fprintln(out, text)
		if err == nil && c.Bool("tail") {
			err = out.Flush()
		}
		return err
	}
	names, text := l.Names(c.App), []byte(nil)
	err = log.Read(ctx, l.Service(c.App), last, c.Bool("tail"), func(line []byte) error {
		if asJSON {
			return show(string(line))
		}
		entry, ok := router.ParseAccess(line)
		if !ok {
			return nil // what a crash has left of a line
		}
		text = text[:0]
		if !c.Bool("quiet") {
			text = append(entry.At.UTC().AppendFormat(text, accessTime), " berth[router]: "...)
		}
		text = entry.AppendText(text, names.Of(ctx, entry.Target, entry.At))
		return show(string(text))
	})
	if flushed := out.Flush(); err == nil {
		err = flushed
	}
	if n := log.Dropped(); n > 0 {
		fmt.Fprintf(c.Stderr, " !     since its start, berth has not written the lines of %d requests, of all apps: there were more than it could, or the disk is full\n", n)
	}
	return err
}

func wantsJSON(c *Call) (bool, error) {
	switch format, _ := c.Flags.GetString("format"); format {
	case "json":
		return true, nil
	case "stdout":
		return false, nil
	default:
		return false, fmt.Errorf("%w: --format is stdout or json, not %q", ErrUsage, format)
	}
}
