package command

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

// cronJobs are the commands about what runs by the clock.
func cronJobs(o oneOffs) []Command {
	return []Command{
		{Name: "cron:list", Args: "<app>", Short: "list the cron jobs of an app, with their next and last runs", For: Viewer, Reads: true, Run: o.cronList, Flags: listing},
		{Name: "cron:logs", Args: "<app> [<job>]", Short: "list the runs of a cron job, and what the last one printed", For: Deployer, Reads: true, Run: o.cronLogs, Flags: listing},
		{Name: "cron:report", Args: "<app>", Short: "show how the cron jobs of an app stand", For: Viewer, Reads: true, Run: o.cronReport, Flags: listing},
		{Name: "cron:resume", Args: "<app> [<job>]", Short: "let a cron job run by the clock again, or all of them", For: Deployer, Run: o.cronResume},
		{Name: "cron:run", Args: "<app> <job>", Short: "run a cron job now", For: Deployer, Run: o.cronRun, Flags: func(fs *pflag.FlagSet) {
			fs.Bool("detach", false, "do not wait for its end")
			fs.Int("ttl-seconds", defaultTTL, "how long it may run")
		}},
		{Name: "cron:set", Args: "<app> <cron-property> [<value>]", Short: "set maintenance or retention; no value takes it back", For: Deployer, Run: o.cronSet},
		{Name: "cron:suspend", Args: "<app> [<job>]", Short: "keep a cron job from running by the clock, or all of them", For: Deployer, Run: o.cronSuspend},
	}
}

// A jobRow is a cron job as people and scripts are shown it.
type jobRow struct {
	ID          string     `json:"id"`
	Schedule    string     `json:"schedule"`
	Timezone    string     `json:"timezone"`
	Command     string     `json:"command"`
	Concurrency string     `json:"concurrency_policy"`
	Suspended   string     `json:"suspended,omitempty"` // why
	Next        *time.Time `json:"next,omitempty"`
	Last        *runRow    `json:"last,omitempty"`
}

func (o oneOffs) cronList(ctx context.Context, c *Call) error {
	jobs, err := o.CronJobs(ctx, c.App)
	if err != nil {
		return err
	}
	runs, err := o.CronRuns(ctx, c.App, "")
	if err != nil {
		return err
	}
	source, err := seesSecrets(ctx, o.Store, c)
	if err != nil {
		return err
	}
	list, rows := []jobRow{}, []string{}
	for _, j := range jobs {
		if !source { // of which app.json is a part
			j.Command = firstWord(j.Command)
		}
		row := jobRow{ID: j.ID, Schedule: j.Schedule, Timezone: cmp.Or(j.Timezone, "UTC"), Command: j.Command, Concurrency: cmp.Or(j.Concurrency, "allow"), Suspended: j.Suspended}
		next, last := cmp.Or(j.Suspended, "never"), "has not run"
		if at := j.Next(time.Now()); !at.IsZero() {
			at = at.UTC()
			row.Next, next = &at, at.Format(time.RFC3339)
		}
		for _, run := range runs {
			if run.Cron == j.ID {
				shown := newRunRow(run)
				if !source {
					shown.Command = firstWord(run.Command[0])
				}
				row.Last = &shown
				last = fmt.Sprintf("%s at %s", run.Result(), run.Started.UTC().Format(time.RFC3339))
			}
		}
		list = append(list, row)
		rows = append(rows, fmt.Sprintf("%-10s %-16s %-22s %-36s %.80s", row.ID, row.Schedule, next, last, printable(row.Command)))
	}
	return c.List(string(c.App)+" cron jobs", list, rows)
}

// job returns the id that the second argument is, if it is that of a job.
func (o oneOffs) job(ctx context.Context, c *Call) (string, error) {
	if len(c.Args) < 2 {
		return "", nil
	}
	jobs, err := o.CronJobs(ctx, c.App)
	if err != nil {
		return "", err
	}
	if !slices.ContainsFunc(jobs, func(j pipeline.Job) bool { return j.ID == c.Args[1] }) {
		return "", pipeline.NoJob(c.App, c.Args[1])
	}
	return c.Args[1], nil
}

func (o oneOffs) cronLogs(ctx context.Context, c *Call) error {
	id := ""
	if len(c.Args) > 1 {
		id = c.Args[1] // it may be of a job that is there no more
	}
	runs, err := o.CronRuns(ctx, c.App, id)
	if err != nil {
		return err
	}
	list, rows := []runRow{}, []string{}
	for _, run := range runs {
		row := newRunRow(run)
		list = append(list, row)
		took := time.Since(run.Started)
		if !run.Ended.IsZero() {
			took = run.Ended.Sub(run.Started)
		}
		rows = append(rows, fmt.Sprintf("%-10s %-24s %s %8s  %s", row.Job, row.Name, row.Started.UTC().Format(time.RFC3339), took.Round(100*time.Millisecond), row.State))
	}
	if err := c.List(string(c.App)+" cron runs", list, rows); err != nil || len(runs) == 0 {
		return err
	}
	if format, _ := c.Flags.GetString("format"); format != "stdout" || id == "" {
		return nil
	}
	last := runs[len(runs)-1]
	if !c.Bool("quiet") {
		fmt.Fprintf(c.Stdout, "=====> output of %s\n", last.FullName())
	}
	return o.OneOffOutput(ctx, last, appliance.LogOptions{}, c.Stdout)
}

// cronRun runs a job now, and shows what it prints. Who hangs up does not end
// it.
func (o oneOffs) cronRun(ctx context.Context, c *Call) error {
	ttl, err := timeToLive(c)
	if err != nil {
		return err
	}
	run, err := o.CronRun(ctx, c.App, c.Args[1], ttl)
	if err != nil {
		return err
	}
	if c.Bool("detach") {
		fmt.Fprintln(c.Stdout, run.FullName())
		return nil
	}
	if err := o.OneOffOutput(ctx, run, appliance.LogOptions{Follow: true, Err: c.Stderr}, c.Stdout); err != nil {
		return err
	}
	if run, err = o.AwaitOneOff(ctx, run); err != nil {
		return err
	}
	if run.Error != "" {
		return fmt.Errorf("%s: %s", run.FullName(), run.Error)
	}
	return ended(c, appliance.RunResult{Status: run.Status})
}

func (o oneOffs) cronSuspend(ctx context.Context, c *Call) error { return o.suspend(ctx, c, true) }
func (o oneOffs) cronResume(ctx context.Context, c *Call) error  { return o.suspend(ctx, c, false) }

func (o oneOffs) suspend(ctx context.Context, c *Call, on bool) error {
	id, err := o.job(ctx, c)
	if err != nil {
		return err
	}
	verb := map[bool]string{true: "Suspending", false: "Resuming"}[on]
	if id == "" {
		if err := o.Store.SetApp(ctx, c.App, pipeline.CronMaintenanceSetting, map[bool]string{true: "true", false: ""}[on]); err != nil {
			return err
		}
		fmt.Fprintf(c.Stdout, "-----> %s every cron job of %s\n", verb, c.App)
		return nil
	}
	list, err := o.List(ctx, c.App, pipeline.CronSuspendedSetting)
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(old string) bool { return old == id })
	if on {
		list = append(list, id)
	}
	if err := o.KeepList(ctx, c.App, pipeline.CronSuspendedSetting, list); err != nil {
		return err
	}
	fmt.Fprintf(c.Stdout, "-----> %s cron job %s of %s\n", verb, id, c.App)
	return nil
}

// maxCronRetention is how many runs of a job may be kept.
const maxCronRetention = 200

func (o oneOffs) cronSet(ctx context.Context, c *Call) error {
	property, value, setting := c.Args[1], "", ""
	if len(c.Args) > 2 {
		value = c.Args[2]
	}
	switch property {
	case "maintenance":
		setting = pipeline.CronMaintenanceSetting
		if value == "false" {
			value = ""
		}
		if value != "" && value != "true" {
			return fmt.Errorf("%w maintenance %.40q: give true or false", appliance.ErrInvalid, value)
		}
	case "retention":
		setting = pipeline.CronRetentionSetting
		if n, err := strconv.Atoi(value); value != "" && (err != nil || n < 1 || n > maxCronRetention) {
			return fmt.Errorf("%w retention %.40q: give how many runs of each job are kept, from 1 to %d", appliance.ErrInvalid, value, maxCronRetention)
		}
	default:
		return unknownProperty(property, "maintenance", "retention")
	}
	return settings(o).set(ctx, c, setting, value)
}

func (o oneOffs) cronReport(ctx context.Context, c *Call) error {
	jobs, err := o.CronJobs(ctx, c.App)
	if err != nil {
		return err
	}
	active, failed := 0, 0
	var next time.Time
	for _, j := range jobs {
		if j.Suspended == "" {
			active++
		}
		if at := j.Next(time.Now()); !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	runs, err := o.CronRuns(ctx, c.App, "")
	if err != nil {
		return err
	}
	for _, run := range runs {
		if run.Failed() {
			failed++
		}
	}
	report := properties{
		{"cron-task-count", strconv.Itoa(len(jobs))},
		{"cron-active-count", strconv.Itoa(active)},
		{"cron-next", ""},
		{"cron-runs-kept", strconv.Itoa(len(runs))},
		{"cron-runs-failed", strconv.Itoa(failed)},
	}
	if !next.IsZero() {
		report[2][1] = next.UTC().Format(time.RFC3339)
	}
	for name, setting := range map[string]string{"cron-maintenance": pipeline.CronMaintenanceSetting, "cron-retention": pipeline.CronRetentionSetting} {
		value, err := o.Store.AppSetting(ctx, c.App, setting)
		if err != nil {
			return err
		}
		report = append(report, [2]string{name, value})
	}
	slices.SortFunc(report, func(a, b [2]string) int { return cmp.Compare(a[0], b[0]) })
	return c.Report(string(c.App)+" cron information", report)
}
