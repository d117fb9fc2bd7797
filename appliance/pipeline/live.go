package pipeline

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/berthhq/berth/appliance"
)

// livenessCheck is the type of the checks that decide whether a process of any
// type is started anew while it runs.
const livenessCheck = "liveness"

// beginning is how long a process may take until it passes what it is asked of
// its liveness: failures count from the first time that it has passed on, or
// from then on.
const beginning = defaultCheckTimeout

// The waits between two restarts of a process that fails what it is asked, each
// twice as long as the one before. Those further apart than forgiven are in no
// row.
const (
	firstRevival = 10 * time.Second
	lastRevival  = 5 * time.Minute
	forgiven     = 2 * lastRevival
)

// live asks one thing of one run of a process again and again, and starts the
// process anew when it fails, until asking is done. That the restart ends the
// run does not end the restart: only ctx does.
func (a *attendance) live(ctx, asking context.Context, c appliance.Check) {
	question := a.question(a.process, c, a.port, a.host)
	if question == nil || c.Warn || !pause(asking, time.Until(a.process.Started.Add(c.InitialDelay))) {
		return
	}
	failures, passed := 0, false
	for pause(asking, max(c.Wait, shortestWait)) {
		attempt, cancel := context.WithTimeoutCause(asking, c.Timeout, fmt.Errorf("no answer within %s", c.Timeout))
		err := question(attempt)
		cancel()
		switch {
		case asking.Err() != nil:
			return
		case err == nil:
			failures, passed = 0, true
			continue
		case !passed && time.Since(a.process.Started) < c.InitialDelay+beginning:
			continue
		}
		if failures++; failures < c.Attempts {
			continue
		}
		if err := a.revive(ctx, c, err); err != nil && ctx.Err() == nil {
			a.Log.WarnContext(ctx, "liveness", "app", a.process.App, "process", a.process.Name(), "err", err)
		}
	}
}

// revive starts the process anew, as it has failed what it was asked, unless
// that was done only lately, or somebody is at work on the app, who may be
// about to end it. What was not done is done after the next failure.
func (a *attendance) revive(ctx context.Context, c appliance.Check, failed error) error {
	s := a.state(a.process.App)
	if !s.mayRevive(a.process.ID) || !s.work.tryAcquire() {
		return nil
	}
	defer a.endWork(ctx, s, a.process.App)
	app, err := a.Store.App(ctx, a.process.App)
	if err != nil {
		return err
	}
	processes, err := a.Engine.Processes(ctx, a.process.App)
	if err != nil {
		return err
	}
	now := find(a.process, of(app.Live, processes))
	if !now.Running || !now.Started.Equal(a.process.Started) || s.isRetiring(now.ID) {
		return nil // somebody else was faster
	}
	why := strings.Join(strings.Fields(failed.Error()), " ")
	o := s.noteFailed(now, fmt.Sprintf("failed its liveness check %s: %s", describe(c), why))
	if now.Addr != "" {
		a.Router.SetReady(a.Service(now.App), now.Addr, false)
		defer a.Router.SetReady(a.Service(now.App), now.Addr, true)
	}
	then := "it is started again"
	if o.Row > 1 {
		then = fmt.Sprintf("%d times in a row: it is started again at most once in %s", o.Row, o.patience())
	}
	a.tell(ctx, now, o, "liveness", then)
	a.Logs.Died(ctx, a.inArchive(now), "Process "+o.Ending+", and is started again")
	return a.Engine.Restart(ctx, a.graceOf(ctx, now.App), now.ID)
}

// inArchive is a process as the archive of logs knows it.
func (p *Pipeline) inArchive(q appliance.Process) appliance.Process {
	q.App = p.handle(q.App)
	return q
}

// mayRevive tells whether a process has been left alone for long enough.
func (s *state) mayRevive(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.crashes[id]
	return o == nil || o.revived.IsZero() || time.Since(o.revived) >= o.patience()
}

// patience is how soon a process that was started anew may be so again.
func (o *obituary) patience() time.Duration {
	wait := firstRevival
	for n := 1; n < o.revivals && wait < lastRevival; n++ {
		wait *= 2
	}
	return min(wait, lastRevival)
}

// noteFailed notes that a process is about to be started anew, and why.
func (s *state) noteFailed(q appliance.Process, ending string) obituary {
	s.noteEnd(q) // so that there is something to note it in
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.crashes[q.ID]
	now := time.Now()
	if o.revivals++; now.Sub(o.revived) > forgiven {
		o.revivals = 1
	}
	// The engine counts from nothing again.
	o.Ending, o.OOM, o.Row, o.At, o.revived, o.ends = ending, false, o.revivals, now, now, 0
	return *o
}
