package pipeline

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/router"
)

// Settings of an app about its cron jobs.
const (
	CronSuspendedSetting   = "cron-suspended"   // ids, as JSON
	CronMaintenanceSetting = "cron-maintenance" // "true": none of them runs by itself
	CronRetentionSetting   = "cron-retention"   // how many runs of each job are remembered
	cronSeenSetting        = "cron-seen"        // of the machine: the last minute that was looked at
)

const (
	// DefaultCronRetention is how many runs of each job are remembered.
	DefaultCronRetention = 20
	// cronTTL is how long a run may take, as in Dokku.
	cronTTL = 24 * time.Hour
	// cronBack is how far back jobs are run that were due while nobody
	// looked: as long as an upgrade or a reboot takes.
	cronBack = 5 * time.Minute
	// cronAtOnce is how many jobs are started side by side.
	cronAtOnce = 4
	// cronOverlap is how many runs of one job may overlap, if they may.
	cronOverlap = 10
)

// A Job is a cron job of an app's live release.
type Job struct {
	ID string
	appliance.CronJob
	Suspended string // why it does not run by itself; "" if it does
	schedule  appliance.Schedule
	place     *time.Location
}

// Next returns when it is due next; zero if it is suspended, or never.
func (j Job) Next(now time.Time) time.Time {
	if j.Suspended != "" {
		return time.Time{}
	}
	return j.schedule.Next(now, j.place)
}

// CronJobs returns the jobs of an app's live release.
func (p *Pipeline) CronJobs(ctx context.Context, app appliance.AppName) ([]Job, error) {
	a, err := p.Store.App(ctx, app)
	if err != nil || a.LiveRelease == 0 {
		return nil, err
	}
	release, err := p.Store.Release(ctx, app, a.LiveRelease)
	if err != nil {
		return nil, err
	}
	return p.cronJobs(ctx, release)
}

func (p *Pipeline) cronJobs(ctx context.Context, release appliance.Release) ([]Job, error) {
	if len(release.AppJSON.Cron) == 0 {
		return nil, nil
	}
	whole, err := p.cronSuspended(ctx, release.App)
	if err != nil {
		return nil, err
	}
	suspended, err := p.List(ctx, release.App, CronSuspendedSetting)
	if err != nil {
		return nil, err
	}
	var jobs []Job
	seen := map[string]int{}
	for _, c := range release.AppJSON.Cron {
		j := Job{ID: jobID(c), CronJob: c, place: time.UTC}
		if seen[j.ID]++; seen[j.ID] > 1 {
			j.ID += fmt.Sprintf("-%d", seen[j.ID])
		}
		if j.schedule, err = appliance.ParseSchedule(c.Schedule); err != nil {
			return nil, fmt.Errorf("schedule of %s: %w", j.ID, err)
		}
		if c.Timezone != "" {
			if j.place, err = time.LoadLocation(c.Timezone); err != nil {
				return nil, fmt.Errorf("schedule of %s: %w", j.ID, err)
			}
		}
		switch {
		case whole != "":
			j.Suspended = whole
		case c.Suspended:
			j.Suspended = "app.json (maintenance)"
		case slices.Contains(suspended, j.ID):
			j.Suspended = "cron:suspend"
		}
		jobs = append(jobs, j)
	}
	return jobs, nil
}

// jobID names a job by what it does and when, so that it keeps its name from
// release to release.
func jobID(c appliance.CronJob) string {
	sum := sha256.Sum256([]byte(c.Command + "\x00" + c.Schedule + "\x00" + c.Timezone))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:5]))
}

// cronSuspended returns why none of an app's jobs runs by itself, or "".
func (p *Pipeline) cronSuspended(ctx context.Context, app appliance.AppName) (string, error) {
	stopped, err := p.Stopped(ctx, app)
	if err != nil || stopped {
		return "the app is stopped", err
	}
	m, err := Kept[router.Maintenance](ctx, p, app, MaintenanceSetting)
	if err != nil || m.On {
		return "the app is in maintenance", err
	}
	value, err := p.Store.AppSetting(ctx, app, CronMaintenanceSetting)
	if err != nil || value == "true" {
		return "cron:set maintenance", err
	}
	return "", nil
}

// Cron runs the jobs of all apps when they are due, until ctx is done.
func (p *Pipeline) Cron(ctx context.Context) error {
	for {
		now := time.Now()
		if err := p.CronDue(ctx, now); err != nil && ctx.Err() == nil {
			p.Log.ErrorContext(ctx, "cron", "err", err)
		}
		if !pause(ctx, time.Until(now.Truncate(time.Minute).Add(time.Minute))) {
			return nil
		}
	}
}

// CronDue starts the jobs that have become due since it was called last, each
// once, and returns when they run. What was due earlier than a few minutes ago
// is left out.
func (p *Pipeline) CronDue(ctx context.Context, now time.Time) error {
	p.cron.Lock()
	defer p.cron.Unlock()
	now = now.Truncate(time.Minute)
	text, err := p.Store.Setting(ctx, cronSeenSetting)
	if err != nil {
		return err
	}
	seen, err := time.Parse(time.RFC3339, text)
	if err != nil || seen.After(now) { // it is the first time, or the clock was put back
		seen = now.Add(-time.Minute)
	}
	if back := now.Add(-cronBack); seen.Before(back) {
		seen = back
	}
	if !seen.Before(now) {
		return nil
	}
	any, err := p.cronBetween(ctx, seen, now)
	if any || text != "" { // who has no jobs needs no memory of them
		err = errors.Join(err, p.Store.Set(ctx, cronSeenSetting, now.UTC().Format(time.RFC3339)))
	}
	return err
}

// cronBetween starts what is due in the minutes after from, to to, and reports
// whether there are any jobs.
func (p *Pipeline) cronBetween(ctx context.Context, from, to time.Time) (any bool, err error) {
	apps, err := p.Store.Apps(ctx)
	if err != nil {
		return false, err
	}
	var errs []error
	var group errgroup.Group
	group.SetLimit(cronAtOnce)
	for _, app := range apps {
		if app.LiveRelease == 0 {
			continue
		}
		release, err := p.Store.Release(ctx, app.Name, app.LiveRelease)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		jobs, err := p.cronJobs(ctx, release)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", app.Name, err))
			continue
		}
		for _, j := range jobs {
			any = true
			due := time.Time{}
			for m := from.Add(time.Minute); !m.After(to) && j.Suspended == ""; m = m.Add(time.Minute) {
				if j.schedule.Due(m, j.place) {
					due = m // the last of them: it runs once
				}
			}
			if due.IsZero() {
				continue
			}
			group.Go(func() error {
				p.cronRun(ctx, release, j, due)
				return nil
			})
		}
	}
	_ = group.Wait() // each has told of its own failure
	return any, errors.Join(errs...)
}

// cronRun runs a job that is due, and leaves a word in the audit trail if that
// cannot be.
func (p *Pipeline) cronRun(ctx context.Context, release appliance.Release, j Job, due time.Time) {
	ctx = appliance.WithActor(ctx, appliance.Actor{Name: "berth", Door: appliance.System})
	_, err := p.startJob(ctx, release, j, due, cronTTL)
	if err == nil || errors.Is(err, errDone) || ctx.Err() != nil {
		return
	}
	failed := p.cronFailed(ctx, appliance.OneOff{App: release.App, Cron: j.ID, Name: "not started"}, err.Error())
	if failed != nil {
		p.Log.ErrorContext(ctx, "cron", "app", release.App, "job", j.ID, "err", errors.Join(err, failed))
	}
}

// cronFailed records a run that has failed.
func (p *Pipeline) cronFailed(ctx context.Context, o appliance.OneOff, why string) error {
	return p.Store.Record(context.WithoutCancel(ctx), appliance.Event{
		Actor: "berth", Door: appliance.System, App: o.App, Action: "cron:failed", Detail: o.Cron + " " + o.Name, Error: why,
	})
}

// CronRun runs a job now, whether or not it is suspended.
func (p *Pipeline) CronRun(ctx context.Context, app appliance.AppName, id string, ttl time.Duration) (appliance.OneOff, error) {
	release, err := p.live(ctx, app)
	if err != nil {
		return appliance.OneOff{}, err
	}
	jobs, err := p.cronJobs(ctx, release)
	if err != nil {
		return appliance.OneOff{}, err
	}
	i := slices.IndexFunc(jobs, func(j Job) bool { return j.ID == id })
	if i < 0 {
		return appliance.OneOff{}, NoJob(app, id)
	}
	return p.startJob(ctx, release, jobs[i], time.Time{}, ttl)
}

// NoJob is about a job that there is not.
func NoJob(app appliance.AppName, id string) error {
	return appliance.WithHint(fmt.Errorf("cron job %.40q of %s %w", id, app, appliance.ErrNotFound), fmt.Sprintf("cron:list %s shows what there is", app))
}

// startJob starts a run of a job, as far as its policy lets it.
func (p *Pipeline) startJob(ctx context.Context, release appliance.Release, j Job, due time.Time, ttl time.Duration) (o appliance.OneOff, err error) {
	s := p.state(release.App)
	if err := s.jobs.acquire(ctx); err != nil {
		return o, err
	}
	defer s.jobs.release()
	running, err := p.OneOffs(ctx, release.App, false)
	if err != nil {
		return o, err
	}
	running = slices.DeleteFunc(running, func(o appliance.OneOff) bool { return o.Cron != j.ID })
	switch {
	case len(running) == 0:
	case j.Concurrency == "forbid":
		return o, fmt.Errorf("%s %w: it runs still, as %s, and its policy is forbid", j.ID, appliance.ErrBusy, running[0].FullName())
	case j.Concurrency == "replace":
		for _, old := range running {
			if err := p.StopOneOff(ctx, old); err != nil {
				return o, err
			}
		}
	case len(running) >= cronOverlap:
		return o, fmt.Errorf("%s %w: %d of its runs have not ended", j.ID, appliance.ErrBusy, len(running))
	}
	w := Wish{App: release.App, Command: []string{j.Command}, TTL: ttl, Line: true}
	return p.detach(ctx, release, w, appliance.OneOff{
		App: release.App, Cron: j.ID, Command: w.Command, Release: release.Version, Actor: appliance.ActorFrom(ctx).Name, Due: due,
	})
}

// CronRuns returns the runs of an app's job that are remembered, or of all its
// jobs when id is "".
func (p *Pipeline) CronRuns(ctx context.Context, app appliance.AppName, id string) ([]appliance.OneOff, error) {
	all, err := p.Store.OneOffs(ctx, app)
	return slices.DeleteFunc(all, func(o appliance.OneOff) bool { return o.Cron == "" || id != "" && o.Cron != id }), err
}

// cronRetention returns how many runs of each job are remembered.
func (p *Pipeline) cronRetention(ctx context.Context, app appliance.AppName) int {
	n, err := Kept[int](ctx, p, app, CronRetentionSetting)
	if err != nil {
		p.Log.ErrorContext(ctx, "cron retention", "app", app, "err", err)
	}
	return cmp.Or(n, DefaultCronRetention)
}
