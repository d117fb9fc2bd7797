package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/berthhq/berth/appliance"
)

// A buildRow is a build as people and scripts are shown it.
type buildRow struct {
	Number   int        `json:"id"`
	App      string     `json:"app"`
	Kind     string     `json:"kind"`
	Status   string     `json:"status"`
	Source   string     `json:"source"`
	Commit   string     `json:"commit,omitempty"`
	Branch   string     `json:"branch,omitempty"`
	Builder  string     `json:"builder,omitempty"`
	Actor    string     `json:"actor"`
	Started  time.Time  `json:"started_at"`
	Ended    *time.Time `json:"finished_at,omitempty"`
	Duration string     `json:"duration"`
	Release  int        `json:"release,omitempty"`
	Image    string     `json:"image,omitempty"`
	Error    string     `json:"error,omitempty"`
}

func newBuildRow(b appliance.Build) buildRow {
	row := buildRow{
		Number: b.Number, App: string(b.App), Kind: string(b.Kind), Status: string(b.Status), Source: b.Source, Commit: b.Commit,
		Branch: b.Branch, Builder: b.Builder, Actor: b.Actor, Started: b.Started, Duration: took(b), Release: b.Release,
		Image: string(b.Image), Error: b.Error,
	}
	if !b.Ended.IsZero() {
		row.Ended = &b.Ended
	}
	return row
}

// took prints how long a build took: 0.8s, 12s, 2m5s.
func took(b appliance.Build) string {
	d := b.Took(time.Now())
	if d < 10*time.Second {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// statuses and kinds are what lists are filtered by.
var (
	statuses = []string{"running", "succeeded", "failed", "canceled", "abandoned"}
	kinds    = []string{"build", "deploy"}
)

func (b builds) list(ctx context.Context, c *Call) error {
	status, _ := c.Flags.GetString("status")
	kind, _ := c.Flags.GetString("kind")
	if status != "" && !slices.Contains(statuses, status) {
		return fmt.Errorf("%w: --status is one of %s", ErrUsage, strings.Join(statuses, ", "))
	}
	if kind != "" && !slices.Contains(kinds, kind) {
		return fmt.Errorf("%w: --kind is one of %s", ErrUsage, strings.Join(kinds, ", "))
	}
	heading, found, err := string(c.App)+" builds", []appliance.Build(nil), error(nil)
	if c.Global {
		heading = "Currently running builds"
		found, err = b.Store.RunningBuilds(ctx)
	} else {
		found, err = b.Store.Builds(ctx, c.App)
	}
	if err != nil {
		return err
	}
	list := []buildRow{}
	for _, build := range found {
		if (status == "" || status == string(build.Status)) && (kind == "" || kind == string(build.Kind)) {
			list = append(list, newBuildRow(build))
		}
	}
	if len(list) == 0 && c.text() {
		fmt.Fprintln(c.Stdout, noBuilds[c.Global])
		return nil
	}
	return c.List(heading, list, columns(list, c.Global))
}

// noBuilds is what is said instead of an empty list: of the machine, or not.
var noBuilds = map[bool]string{true: "No builds currently running", false: "No builds recorded for this app"}

// text reports whether the answer is for people.
func (c *Call) text() bool {
	format, _ := c.Flags.GetString("format")
	return format == "stdout"
}

// columns aligns builds below each other.
func columns(list []buildRow, withApp bool) []string {
	var text bytes.Buffer
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	app := func(name string) string {
		if withApp {
			return name + "\t"
		}
		return ""
	}
	fmt.Fprintf(w, "%sBuild ID\tKind\tStatus\tSource\tCommit\tActor\tStarted\tDuration\n", app("App"))
	for _, row := range list {
		fmt.Fprintf(w, "%s%d\t%s\t%s\t%s\t%.7s\t%s\t%s\t%s\n", app(row.App), row.Number, row.Kind, row.Status, row.Source, row.Commit, row.Actor,
			row.Started.Format(time.RFC3339), row.Duration)
	}
	w.Flush() // to memory
	return strings.Split(strings.TrimRight(text.String(), "\n"), "\n")
}

func (b builds) info(ctx context.Context, c *Call) error {
	build, err := b.find(ctx, c)
	if errors.Is(err, appliance.ErrNotFound) && len(c.Args) == 1 {
		return c.List("", struct{}{}, []string{noBuilds[false]})
	}
	if err != nil {
		return err
	}
	row := newBuildRow(build)
	return c.List(fmt.Sprintf("Build %d of %s", build.Number, build.App), row, row.lines())
}

// lines are a build in Dokku's form: one property below the other.
func (r buildRow) lines() (rows []string) {
	ended, release := "", ""
	if r.Ended != nil {
		ended = r.Ended.Format(time.RFC3339)
	}
	if r.Release != 0 {
		release = fmt.Sprintf("v%d", r.Release)
	}
	for _, p := range [][2]string{
		{"Build ID", strconv.Itoa(r.Number)}, {"App", r.App}, {"Kind", r.Kind}, {"Status", r.Status}, {"Source", r.Source}, {"Commit", r.Commit},
		{"Branch", r.Branch}, {"Builder", r.Builder}, {"Actor", r.Actor}, {"Started", r.Started.Format(time.RFC3339)}, {"Finished", ended},
		{"Duration", r.Duration}, {"Release", release}, {"Image", r.Image}, {"Error", strings.ReplaceAll(r.Error, "\n", " ")},
	} {
		if p[1] != "" {
			rows = append(rows, fmt.Sprintf("       %-12s%s", p[0]+":", p[1]))
		}
	}
	return rows
}
