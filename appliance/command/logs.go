package command

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/berthhq/berth/appliance"
	record "github.com/berthhq/berth/appliance/logs"
	"github.com/berthhq/berth/appliance/pipeline"
)

type logs struct {
	*pipeline.Pipeline
}

// Logs returns the commands that show what happened: an app's own output, and
// the audit trail.
func Logs(p *pipeline.Pipeline) []Command {
	l := logs{p}
	return slices.Concat(l.eventCommands(), l.drainCommands(), []Command{
		{Name: "logs", Args: "<app>", Short: "show what an app's processes print, or with --router its requests", For: Viewer, Reads: true, Run: l.logs, Flags: func(fs *pflag.FlagSet) {
			fs.BoolP("tail", "t", false, "go on showing it")
			fs.IntP("num", "n", 100, "the last so many lines; 0 for all there are")
			fs.StringP("ps", "p", "", "of one process type, or one process: web, web.2")
			fs.String("release", "", "of one release: v12")
			fs.String("since", "", "since then: 10m, 2d, 2026-11-27T10:00:00Z")
			fs.String("grep", "", "only lines with a match of a regular expression")
			fs.Bool("crash", false, "the last lines of processes that ended by themselves")
			fs.BoolP("quiet", "q", false, "without the time and the name of the process")
			fs.BoolP("router", "r", false, "the requests that the router has answered, or had answered")
			fs.String("format", "stdout", "stdout or json: a JSON object in each line")
		}},
		{Name: "logs:failed", Args: "<app>", Short: "show what the last deploy that failed has printed", For: Viewer, Reads: true, Run: l.failed},
		{Name: "logs:set", Args: "<app> <log-property> [<value>]", Short: "set how much is kept: max-size, retention, or --global max-total; no value takes it back", For: Deployer, Global: true, Run: l.set},
		{Name: "logs:report", Args: "<app>", Short: "show how much is kept", For: Viewer, Global: true, Reads: true, Run: l.report, Flags: listing},
	})
}

func (l logs) logs(ctx context.Context, c *Call) error {
	num, _ := c.Flags.GetInt("num")
	if num < 0 {
		return fmt.Errorf("%w: --num is how many lines: 0 for all there are", ErrUsage)
	}
	if c.Bool("router") {
		for _, flag := range []string{"ps", "release", "since", "grep", "crash"} {
			if c.Flags.Changed(flag) {
				return fmt.Errorf("%w: --router shows requests, not what processes print: it goes without --%s", ErrUsage, flag)
			}
		}
		return l.router(ctx, c, num)
	}
	q, err := l.query(c, num)
	if err != nil {
		return err
	}
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	if err := l.printed(ctx, c); err != nil {
		return err
	}
	// By SSH, a write for each line takes many times as long as the reading.
	out := bufio.NewWriterSize(c.Stdout, 32<<10)
	show := shown(c, asJSON)
	err = l.Logs.Read(ctx, q, func(line appliance.LogLine) error {
		if _, err := out.WriteString(show(line)); err != nil || !q.Follow {
			return err
		}
		return out.Flush() // who follows sees each line when it comes
	})
	if flushed := out.Flush(); err == nil {
		err = flushed
	}
	if failing := l.Logs.Failing(q.App); failing != nil {
		fmt.Fprintf(c.Stderr, " !     what %s prints now cannot be kept: %v\n", c.App, failing)
	}
	return err
}

// printed returns nil if there is something to show, or may be.
func (l logs) printed(ctx context.Context, c *Call) error {
	any, err := l.Logs.Any(ctx, l.kept(c))
	if err != nil || any {
		return err
	}
	return ps(l).deployed(ctx, c.App)
}

// kept is what the archive calls the app.
func (l logs) kept(c *Call) appliance.AppName { return appliance.AppName(l.Service(c.App)) }

// maxGrep is how long a regular expression may be, in bytes.
const maxGrep = 1000

// query reads from the flags which lines are wanted.
func (l logs) query(c *Call, num int) (q record.Query, err error) {
	q = record.Query{App: l.kept(c), Last: num, Follow: c.Bool("tail"), Crashes: c.Bool("crash")}
	q.Process, _ = c.Flags.GetString("ps")
	if since, _ := c.Flags.GetString("since"); since != "" {
		if q.Since, err = moment(since, time.Now()); err != nil {
			return q, err
		}
		if !c.Flags.Changed("num") {
			q.Last = 0
		}
	}
	if release, _ := c.Flags.GetString("release"); release != "" {
		n, err := strconv.ParseUint(strings.TrimPrefix(release, "v"), 10, 31)
		if err != nil || n == 0 {
			return q, appliance.WithHint(fmt.Errorf("%w release %.40q", appliance.ErrInvalid, release), "give its number, as v12: releases "+string(c.App)+" has them")
		}
		q.Release = int(n)
	}
	if grep, _ := c.Flags.GetString("grep"); grep != "" {
		if len(grep) > maxGrep {
			return q, fmt.Errorf("%w: --grep is longer than %d bytes", ErrUsage, maxGrep)
		}
		if q.Grep, err = regexp.Compile(grep); err != nil {
			return q, appliance.WithHint(fmt.Errorf("%w regular expression: %v", appliance.ErrInvalid, err),
				"to find it as it stands: --grep '"+regexp.QuoteMeta(grep)+"'")
		}
	}
	return q, nil
}

// moment reads a time, or how long ago that is.
func moment(s string, now time.Time) (time.Time, error) {
	text, unit := s, time.Duration(1)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		text, unit = days+"h", 24
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 && d < 10*365*24*time.Hour {
		return now.Add(-d * unit), nil
	}
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02"} {
		if at, err := time.Parse(form, s); err == nil {
			return at, nil
		}
	}
	return time.Time{}, appliance.WithHint(fmt.Errorf("%w time %.40q", appliance.ErrInvalid, s), "write it as 10m, 2h, 3d or 2026-11-27T10:00:00Z")
}

// A logRow is a line as scripts are shown it.
type logRow struct {
	At      time.Time `json:"at"`
	Process string    `json:"process"`
	Release int       `json:"release,omitempty"`
	Stream  string    `json:"stream"`
	Text    string    `json:"text"`
}

// lineTime is how lines begin, as Dokku's.
const lineTime = "2006-01-02T15:04:05.000Z"

// shown returns what writes a line as it was asked for.
func shown(c *Call, asJSON bool) func(appliance.LogLine) string {
	switch {
	case asJSON:
		return func(l appliance.LogLine) string {
			text, err := json.Marshal(logRow{l.At, l.Process, l.Release, l.Stream.String(), l.Text})
			if err != nil {
				return ""
			}
			return string(text) + "\n"
		}
	case c.Bool("quiet"):
		return func(l appliance.LogLine) string { return l.Text + "\n" }
	}
	return func(l appliance.LogLine) string {
		from := "app"
		if l.Stream == appliance.Remark {
			from = "berth"
		}
		head := fmt.Sprintf("%s %s[%s]:", l.At.UTC().Format(lineTime), from, l.Process)
		if c.TTY {
			head = colour(l.Process) + head + "\x1b[0m"
		}
		return head + " " + l.Text + "\n"
	}
}

// colour returns what begins the colour of a process, the same each time.
func colour(process string) string {
	sum := 0
	for _, c := range []byte(process) {
		sum = sum*31 + int(c)
	}
	colours := [...]int{36, 33, 32, 35, 34, 96, 93, 92, 95, 94}
	return fmt.Sprintf("\x1b[%dm", colours[uint(sum)%uint(len(colours))])
}

// failed shows what the last deploy that failed has printed.
func (l logs) failed(ctx context.Context, c *Call) error {
	list, err := l.Store.Builds(ctx, c.App)
	if err != nil {
		return err
	}
	last := appliance.Build{}
	for _, b := range list {
		if b.Status == appliance.BuildFailed && b.Number > last.Number {
			last = b
		}
	}
	if last.Number == 0 {
		fmt.Fprintf(c.Stderr, "-----> No deploy of %s has failed, of those that are kept\n", c.App)
		return nil
	}
	fmt.Fprintf(c.Stderr, "=====> %s build %d (%s, %s), which failed at %s\n", c.App, last.Number, last.Source, cmp.Or(last.Actor, "berth"), last.Ended.UTC().Format(time.RFC3339))
	return l.Output(ctx, c.App, last.Number, false, c.Stdout)
}
