package command

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/pflag"

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
	return c.List("", r, r.rows(c.TTY, c.Bool("quiet")))
}

const (
	red   = "\x1b[31m"
	plain = "\x1b[0m"
	home  = "\x1b[H\x1b[2J" // of the cursor, on an empty screen
)

// rows is how it is shown: what is wrong, the machine, and a line for each app,
// or of these only what is no heading.
func (r statusReport) rows(colours, quiet bool) (rows []string) {
	for _, line := range r.Trouble {
		line = " !     " + line
		if colours {
			line = red + line + plain
		}
		rows = append(rows, line)
	}
	if m := r.Machine; m != nil && !quiet {
		rows = append(rows, fmt.Sprintf("=====> load %.2f of %d CPUs, memory %s of %s, disk %s of %s", m.Load[0], m.CPUs,
			amount(m.MemoryUsed), amount(m.Memory), amount(m.DiskUsed), amount(m.Disk)))
	}
	const form = "%-20s %-12s %-9s %-6s %6s %9s %7s %8s  %s"
	if !quiet {
		rows = append(rows, fmt.Sprintf(form, "app", "state", "processes", "live", "cpu", "memory", "req/s", "restarts", "url"))
	}
	for _, a := range r.Apps {
		release := "-"
		if a.Release > 0 {
			release = fmt.Sprintf("v%d", a.Release)
		}
		rows = append(rows, fmt.Sprintf(form, a.App, a.State, fmt.Sprintf("%d/%d", a.Running, a.Processes), release,
			fmt.Sprintf("%.1f%%", a.CPU), amount(a.Memory), fmt.Sprintf("%.1f", a.Requests), fmt.Sprint(a.Restarts), a.URL))
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
	for n := 1; ; n++ {
		r, err := s.survey(ctx, c)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		var page bytes.Buffer
		if asJSON {
			err = json.NewEncoder(&page).Encode(r)
		} else {
			if c.TTY {
				page.WriteString(home)
			}
			for _, row := range r.rows(c.TTY, c.Bool("quiet")) {
				fmt.Fprintln(&page, row)
			}
		}
		if err != nil {
			return err
		}
		if _, err := c.Stdout.Write(page.Bytes()); err != nil || n == num {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Duration(interval) * time.Second):
		}
	}
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
