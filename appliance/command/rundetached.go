package command

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/berthhq/berth/appliance"
)

func detachedRuns(o oneOffs) []Command {
	return []Command{
		{Name: "run:detached", Args: "<app> <program>...", Short: "run a command that goes on when you leave", For: Deployer, Verbatim: true, Runs: true, Run: o.detached, Flags: runFlags},
		{Name: "run:list", Args: "<app>", Short: "list the commands that run beside the processes", For: Viewer, Reads: true, Run: o.list, Flags: func(fs *pflag.FlagSet) {
			listing(fs)
			fs.Bool("all", false, "also those detached ones that have ended")
		}},
		{Name: "run:logs", Args: "<app> [<one-off>]", Short: "show what a detached command prints, or the last one", For: Deployer, Reads: true, Run: o.logs, Flags: func(fs *pflag.FlagSet) {
			fs.BoolP("tail", "t", false, "go on showing it until it has ended")
			fs.IntP("num", "n", 0, "the last so many lines; all if 0")
		}},
		{Name: "run:stop", Args: "<app> [<one-off>]", Short: "end a command that runs beside the processes, or all of them", For: Deployer, Run: o.stop},
	}
}

func (o oneOffs) detached(ctx context.Context, c *Call) error {
	w, err := c.wish()
	if err != nil {
		return err
	}
	if c.Bool("force-tty") {
		w.Terminal = &appliance.Terminal{Name: "xterm"}
	}
	run, err := o.Detach(ctx, w)
	if err != nil {
		return err
	}
	fmt.Fprintln(c.Stdout, run.FullName())
	return nil
}

// A runRow is a one-off as people and scripts are shown it.
type runRow struct {
	Name     string     `json:"name"`
	State    string     `json:"state"`
	Command  string     `json:"command"`
	Release  int        `json:"release"`
	Actor    string     `json:"actor"`
	Attached bool       `json:"attached"`
	Job      string     `json:"job,omitempty"`
	Started  time.Time  `json:"started"`
	Deadline time.Time  `json:"deadline"`
	Ended    *time.Time `json:"ended,omitempty"`
	Status   *int       `json:"status,omitempty"`
}

func newRunRow(o appliance.OneOff) runRow {
	row := runRow{
		Name: o.FullName(), State: o.Result(), Command: strings.Join(o.Command, " "), Release: o.Release, Actor: o.Actor, Attached: o.Attached,
		Job: o.Cron, Started: o.Started, Deadline: o.Deadline,
	}
	if !o.Ended.IsZero() {
		row.Ended, row.Status = &o.Ended, &o.Status
	}
	return row
}

// firstWord is what of a command line is no secret.
func firstWord(line string) string {
	word, _, _ := strings.Cut(line, " ")
	return word
}

func (o oneOffs) list(ctx context.Context, c *Call) error {
	found, err := o.OneOffs(ctx, c.App, c.Bool("all"))
	if err != nil {
		return err
	}
	secrets, err := seesSecrets(ctx, o.Store, c)
	if err != nil {
		return err
	}
	list, rows := []runRow{}, []string{}
	for _, run := range found {
		row := newRunRow(run)
		if run.Attached || !secrets {
			row.Command = firstWord(run.Command[0]) // the rest may be a secret that somebody has typed just now
		}
		list = append(list, row)
		rows = append(rows, fmt.Sprintf("%-26s %-20s v%-4d %-12s %s  %.80s", row.Name, row.State, row.Release, row.Actor, row.Started.UTC().Format(time.RFC3339), printable(row.Command)))
	}
	return c.List(string(c.App)+" run containers", list, rows)
}

// printable is a text in one line, whatever is in it.
func printable(s string) string { return strings.Trim(fmt.Sprintf("%q", s), `"`) }

// find returns the one-off that the second argument names: "blog.run.1234",
// "run.1234" or "1234".
func (o oneOffs) find(ctx context.Context, c *Call, all bool) (appliance.OneOff, error) {
	found, err := o.OneOffs(ctx, c.App, all)
	if err != nil {
		return appliance.OneOff{}, err
	}
	for _, run := range found {
		_, number, _ := strings.Cut(run.Name, ".")
		if c.Args[1] == run.Name || c.Args[1] == run.FullName() || c.Args[1] == number {
			return run, nil
		}
	}
	return appliance.OneOff{}, appliance.WithHint(fmt.Errorf("%.60q of %s %w", c.Args[1], c.App, appliance.ErrNotFound), fmt.Sprintf("run:list %s --all shows what there is", c.App))
}

func (o oneOffs) logs(ctx context.Context, c *Call) error {
	var run appliance.OneOff
	if len(c.Args) > 1 {
		var err error
		if run, err = o.find(ctx, c, true); err != nil {
			return err
		}
	} else {
		found, err := o.OneOffs(ctx, c.App, true)
		if err != nil {
			return err
		}
		for _, one := range found {
			if !one.Attached && one.Cron == "" {
				run = one
			}
		}
		if run.ID == 0 {
			return appliance.WithHint(fmt.Errorf("detached command of %s %w", c.App, appliance.ErrNotFound), fmt.Sprintf("run:detached %s starts one", c.App))
		}
	}
	if run.Attached {
		return fmt.Errorf("what %s prints goes to %s alone", run.FullName(), run.Actor)
	}
	num, _ := c.Flags.GetInt("num")
	if num < 0 {
		return fmt.Errorf("%w: --num is how many lines: 0 for all there are", ErrUsage)
	}
	return o.OneOffOutput(ctx, run, appliance.LogOptions{Follow: c.Bool("tail"), Tail: num, Err: c.Stderr}, c.Stdout)
}

func (o oneOffs) stop(ctx context.Context, c *Call) error {
	var runs []appliance.OneOff
	if len(c.Args) > 1 {
		run, err := o.find(ctx, c, false)
		if err != nil {
			return err
		}
		runs = append(runs, run)
	} else {
		var err error
		if runs, err = o.OneOffs(ctx, c.App, false); err != nil {
			return err
		}
	}
	for _, run := range runs {
		if err := o.StopOneOff(ctx, run); err != nil {
			return err
		}
		fmt.Fprintf(c.Stdout, "-----> Stopped %s\n", run.FullName())
	}
	return nil
}
