package command

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

type logs struct {
	*pipeline.Pipeline
}

// Logs returns the commands that show what happened: an app's own output, and
// the audit trail.
func Logs(p *pipeline.Pipeline) []Command {
	l := logs{p}
	return []Command{
		{Name: "logs", Args: "<app>", Short: "show what an app's processes print, or with --router its requests", For: Viewer, Reads: true, Run: l.logs, Flags: func(fs *pflag.FlagSet) {
			fs.BoolP("tail", "t", false, "go on showing it")
			fs.IntP("num", "n", 100, "the last so many lines of each process")
			fs.StringP("ps", "p", "", "of one process type, or one process: web, web.2")
			fs.BoolP("quiet", "q", false, "without the name of the process")
			fs.BoolP("router", "r", false, "the requests that the router has answered, or had answered")
			fs.String("format", "stdout", "stdout or json: with --router, a JSON object in each line")
		}},
		{Name: "events", Args: "[<app>]", Short: "show who did what", For: Viewer, Reads: true, Past: true, Run: l.events, Flags: func(fs *pflag.FlagSet) {
			listing(fs)
			fs.IntP("num", "n", 50, "the last so many")
		}},
	}
}

func (l logs) logs(ctx context.Context, c *Call) error {
	num, _ := c.Flags.GetInt("num")
	if num < 0 {
		return fmt.Errorf("%w: --num is how many lines: 0 for all there are", ErrUsage)
	}
	only, _ := c.Flags.GetString("ps")
	if c.Bool("router") {
		if only != "" {
			return fmt.Errorf("%w: the router has no processes: --router goes without --ps", ErrUsage)
		}
		return l.router(ctx, c, num)
	}
	if asJSON, err := wantsJSON(c); err != nil || asJSON {
		return cmp.Or(err, fmt.Errorf("%w: what processes print is text: --format json goes with --router", ErrUsage))
	}
	if err := ps(l).deployed(ctx, c.App); err != nil {
		return err
	}
	processes, err := l.Engine.Processes(ctx, c.App)
	if err != nil {
		return err
	}
	var mu sync.Mutex // lines of several processes come one at a time
	g, ctx := errgroup.WithContext(ctx)
	for _, p := range processes {
		name := fmt.Sprintf("%s.%d", p.Type, p.Index)
		if only != "" && only != p.Type && only != name {
			continue
		}
		w := &lineWriter{mu: &mu, w: c.Stdout, name: name}
		if c.Bool("quiet") {
			w.name = ""
		}
		g.Go(func() error {
			err := l.Engine.Logs(ctx, p.ID, appliance.LogOptions{Follow: c.Bool("tail"), Tail: num, Timestamps: !c.Bool("quiet")}, w)
			if errors.Is(err, appliance.ErrNotFound) {
				err = nil // it has just been replaced
			}
			return errors.Join(err, w.end())
		})
	}
	return g.Wait()
}

// A lineWriter puts the name of a process before each of its lines: the
// timestamp, if the line begins with one, goes first.
type lineWriter struct {
	mu   *sync.Mutex
	w    io.Writer
	name string
	part []byte // of a line that has not ended yet
}

// maxLine is how much of a line is kept until its end comes.
const maxLine = 64 << 10

func (l *lineWriter) Write(b []byte) (int, error) {
	l.part = append(l.part, b...)
	for {
		line, rest, ok := bytes.Cut(l.part, []byte("\n"))
		if !ok && len(l.part) < maxLine {
			return len(b), nil
		}
		if err := l.print(line); err != nil {
			return 0, err
		}
		l.part = rest
	}
}

// end prints what is left of a line that has no end.
func (l *lineWriter) end() error {
	if len(l.part) == 0 {
		return nil
	}
	return l.print(l.part)
}

func (l *lineWriter) print(line []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.name == "" {
		_, err := fmt.Fprintf(l.w, "%s\n", line)
		return err
	}
	at, text, _ := bytes.Cut(line, []byte(" "))
	if _, err := time.Parse(time.RFC3339Nano, string(at)); err != nil {
		at, text = nil, line
	}
	_, err := fmt.Fprintf(l.w, "%s app[%s]: %s\n", at, l.name, text)
	return err
}

// An eventRow is an event as scripts are shown it.
type eventRow struct {
	At     time.Time `json:"at"`
	Actor  string    `json:"actor"`
	Door   string    `json:"door"`
	From   string    `json:"from,omitempty"`
	App    string    `json:"app,omitempty"`
	Action string    `json:"action"`
	Detail string    `json:"detail,omitempty"`
	Error  string    `json:"error,omitempty"`
}

func (l logs) events(ctx context.Context, c *Call) error {
	num, _ := c.Flags.GetInt("num")
	events, err := l.Store.Events(ctx, c.App, num)
	if err != nil {
		return err
	}
	list, rows := []eventRow{}, []string{}
	for _, e := range events {
		list = append(list, eventRow{e.At, e.Actor, string(e.Door), e.From, string(e.App), e.Action, e.Detail, e.Error})
		result := "ok"
		if e.Error != "" {
			result = e.Error
		}
		rows = append(rows, fmt.Sprintf("%s %-16s %-6s %-16s %-20s %s: %s", e.At.Format(time.RFC3339), e.Actor, e.Door, e.App, e.Action, e.Detail, result))
	}
	return c.List("", list, rows)
}
