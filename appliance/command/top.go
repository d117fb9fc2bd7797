package command

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

type overview struct {
	*pipeline.Pipeline
}

// Overview returns the commands that show all apps at a glance.
func Overview(p *pipeline.Pipeline) []Command {
	s := overview{p}
	return []Command{
		{Name: "status", Short: "show how the apps and the machine are, what is wrong first", For: Anyone, Reads: true, Run: s.status, Flags: listing},
		{Name: "top", Short: "the same, again and again", For: Anyone, Reads: true, Run: s.top, Flags: func(fs *pflag.FlagSet) {
			listing(fs)
			fs.Int("interval", 2, "seconds between two looks")
			fs.IntP("num", "n", 0, "how many looks; 0 for no end, but for one where there is no terminal")
		}},
	}
}

func (s overview) status(ctx context.Context, c *Call) error {
	r, err := s.survey(ctx, c)
	if err != nil {
		return err
	}
	quiet := c.Bool("quiet")
	rows := r.rows(quiet)
	if c.TTY && !quiet {
		rows = r.fitted(int(c.size(usualSize).Columns))
	}
	return c.List("", r, rows)
}

const (
	red   = "\x1b[31m"
	plain = "\x1b[0m"
	empty = "\x1b[H\x1b[2J" // a screen, with the cursor at its beginning
	home  = "\x1b[H"        // the cursor
	blank = "\x1b[K"        // the rest of the line
	below = "\x1b[J"        // the rest of the screen
)

// rows is what programs are shown, which may read them by their columns: what is
// wrong, the machine, and a line for each app, or of these only what is no heading.
func (r statusReport) rows(quiet bool) (rows []string) {
	for _, line := range r.Trouble {
		rows = append(rows, " !     "+line)
	}
	if r.Machine != nil && !quiet {
		rows = append(rows, "=====> "+r.Machine.String())
	}
	const form = "%-20s %-12s %-9s %-6s %6s %9s %7s %8s  %s"
	if !quiet {
		rows = append(rows, fmt.Sprintf(form, "app", "state", "processes", "live", "cpu", "memory", "req/s", "restarts", "url"))
	}
	for _, a := range r.Apps {
		var cells []any
		for _, cell := range a.cells() {
			cells = append(cells, cell)
		}
		rows = append(rows, fmt.Sprintf(form, cells...))
	}
	return rows
}

func (s overview) top(ctx context.Context, c *Call) error {
	interval, _ := c.Flags.GetInt("interval")
	num, _ := c.Flags.GetInt("num")
	if interval < 1 || interval > 60 || num < 0 {
		return fmt.Errorf("%w: --interval is from 1 to 60 seconds, --num a number", ErrUsage)
	}
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	if num == 0 && !c.TTY && !asJSON {
		num = 1
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if c.TTY && c.Stdin != nil {
		go quit(c.keystrokes(), cancel) // ends with the command, or the session
	}
	live := c.TTY && !asJSON
	var sizes <-chan appliance.Size // which without a terminal does not change
	if live && c.Terminal != nil {
		sizes = c.Terminal.Sizes
	}
	if live {
		defer fmt.Fprintln(c.Stdout) // below the last look
	}
	size, begin := usualSize, empty
	for n := 1; ; n++ {
		r, err := s.survey(ctx, c)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		next := time.After(time.Duration(interval) * time.Second)
		for resized := true; resized; {
			size = c.size(size)
			page, err := r.look(asJSON, c.Bool("quiet"))
			if live {
				page = begin + drawn(r.screen(size))
			}
			if err != nil {
				return err
			}
			if _, err := io.WriteString(c.Stdout, page); err != nil || n == num {
				return err
			}
			select {
			case <-ctx.Done():
				return nil
			case size = <-sizes:
				begin = empty
			case <-next:
				begin, resized = home, false
			}
		}
	}
}

// drawn writes rows over what a terminal shows. Nothing is cleared behind a row:
// one that is as wide as the terminal would lose its end.
func drawn(rows []string) string {
	last := len(rows) - 1
	var b strings.Builder
	for _, row := range rows[:last] {
		b.WriteString(blank + row + "\n")
	}
	return b.String() + below + rows[last]
}

// look is what is printed of a look where there is no terminal.
func (r statusReport) look(asJSON, quiet bool) (string, error) {
	if asJSON {
		text, err := json.Marshal(r)
		return string(text) + "\n", err
	}
	return strings.Join(r.rows(quiet), "\n") + "\n", nil
}

// quit waits for q, Ctrl-C or Ctrl-D of a terminal.
func quit(in io.Reader, end func()) {
	defer end()
	for key := make([]byte, 1); ; {
		if _, err := in.Read(key); err != nil || key[0] == 'q' || key[0] == 3 || key[0] == 4 {
			return
		}
	}
}
