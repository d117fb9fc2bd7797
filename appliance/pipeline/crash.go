package pipeline

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/berthhq/berth/appliance"
)

// A Crash is what became of a process that ended by itself.
type Crash struct {
	Ending string    `json:"ending"` // "exited with status 3"
	Row    int       `json:"row"`    // how often in a row it has ended so
	At     time.Time `json:"at"`
	OOM    bool      `json:"oom,omitempty"`
	Over   bool      `json:"over,omitempty"` // it is not started again
	Well   bool      `json:"well,omitempty"` // it ended with 0, and should not be started again
}

// crashesSetting keeps, by process, those that are not started again.
const crashesSetting = "crashes"

// stable is how long a process runs before its next end begins a new row.
const stable = time.Minute

// loop is how many ends in a row are a crash loop where there is no limit.
const loop = 10

// toldAgain is how soon somebody is told again of a process that ends now and
// then.
const toldAgain = time.Hour

// An obituary is what is known of the ends of a process that may be started
// again. After a restart of the daemon the count begins anew.
type obituary struct {
	Crash
	ends     int // how often it has ended altogether
	told     time.Time
	revived  time.Time // when it was started anew because it had failed what it was asked
	revivals int       // how often in a row
}

// ended returns how often a process has ended.
func ended(q appliance.Process) int {
	if q.Running || q.Restarting {
		return q.Restarts
	}
	return q.Restarts + 1
}

// Crashes returns, by process, what has become of those of an app that ended by
// themselves lately.
func (p *Pipeline) Crashes(ctx context.Context, app appliance.AppName) (map[string]Crash, error) {
	found := p.state(app).obituaries()
	over, err := Kept[map[string]Crash](ctx, p, app, crashesSetting)
	maps.Copy(found, over)
	return found, err
}

func (s *state) obituaries() map[string]Crash {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := map[string]Crash{}
	for id, o := range s.crashes {
		if o.Row > 0 {
			found[id] = o.Crash
		}
	}
	return found
}

// judge looks at which of the live processes have ended by themselves, gives up
// those that do so again and again, and returns which of them are not to be
// started again, and whether that has changed. The engine restarts them, longer and longer after each end,
// also while we are away; that there is a limit is our part. What is found
// ended after we were away, or the engine was, may have been ended with it.
func (p *Pipeline) judge(ctx context.Context, s *state, app appliance.AppName, live []appliance.Process, away bool) (over map[string]Crash, news bool, err error) {
	policy, err := p.restartPolicy(ctx, app)
	if err != nil {
		return nil, false, err
	}
	kept, err := Kept[map[string]Crash](ctx, p, app, crashesSetting)
	if err != nil {
		return nil, false, err
	}
	over = map[string]Crash{}
	var giveUp []string
	for _, q := range live {
		o, fresh := s.noteEnd(q)
		if was, ok := kept[q.ID]; ok && !q.Running {
			over[q.ID] = was
			if q.Restarting { // we did not get to it
				giveUp = append(giveUp, q.ID)
			}
			continue
		}
		left := !q.Running && !q.Restarting && !away && q.Kept == policy.Restart
		switch {
		case left && policy.Restart == appliance.Never, left && policy.Restart == appliance.OnFailure && q.ExitStatus == 0:
			o.Over, o.Well = true, q.ExitStatus == 0
			over[q.ID] = o.Crash
			p.tell(ctx, q, o, "ended", "it is not started again (ps:set restart-policy)")
		case !fresh:
		case policy.Limit > 0 && o.Row > policy.Limit && !q.Running:
			o.Over = true
			over[q.ID] = o.Crash
			giveUp = append(giveUp, q.ID)
			p.tell(ctx, q, o, "crashed", fmt.Sprintf("%d times in a row: it is not started again until ps:restart or a deploy", o.Row))
		case policy.Limit == 0 && o.Row == loop:
			p.tell(ctx, q, o, "crash-loop", fmt.Sprintf("%d times in a row: it is started again at most once a minute", o.Row))
		case o.Row == 1 && time.Since(o.told) > toldAgain:
			s.noteTold(q.ID)
			p.tell(ctx, q, o, "crash", "it is started again")
		}
	}
	s.forgetEnds(live)
	if news = !maps.Equal(over, kept); news {
		if err := p.Keep(ctx, app, crashesSetting, over); err != nil {
			return nil, false, err
		}
	}
	return over, news, p.Engine.GiveUp(ctx, giveUp...)
}

// noteEnd counts the ends of a process, and tells whether there was one since
// it was looked at last.
func (s *state) noteEnd(q appliance.Process) (now obituary, fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.crashes[q.ID]
	if o == nil {
		o = &obituary{ends: q.Restarts}
		if !q.Running && q.Restarting {
			o.ends--
		}
		if s.crashes == nil {
			s.crashes = map[string]*obituary{}
		}
		s.crashes[q.ID] = o
	}
	more := ended(q) - o.ends
	o.ends = ended(q)
	if more <= 0 {
		return *o, false
	}
	ran := q.Ended.Sub(q.Started)
	if q.Running { // again: how long it had run, nobody knows any more
		ran = q.Ended.Sub(o.At) - stable // the longest wait for a restart
	}
	if o.At.Equal(o.revived) {
		o.Row = 0 // that was no end by itself
	}
	if o.Row += more; ran >= stable {
		o.Row = 1
	}
	o.At = q.Ended
	if !q.Running || q.EndKnown {
		o.Ending, o.OOM = q.Ending(), q.OOM
	}
	if o.Ending == "" {
		o.Ending = "ended"
	}
	return *o, true
}

func (s *state) noteTold(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.crashes[id].told = time.Now()
}

// forgetEnds forgets the processes that there are no more.
func (s *state) forgetEnds(live []appliance.Process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	there := map[string]bool{}
	for _, q := range live {
		there[q.ID] = true
	}
	maps.DeleteFunc(s.crashes, func(id string, _ *obituary) bool { return !there[id] })
}

// tell records an end for people: one event for a row of them, not one each.
func (p *Pipeline) tell(ctx context.Context, q appliance.Process, o obituary, action, then string) {
	event := appliance.Event{
		Actor: "berth", Door: appliance.System, App: q.App, Action: action, Detail: q.Name(), Error: o.Ending + "; " + then,
	}
	if o.Row > 1 {
		event.Error = o.Ending + ", " + then
	}
	if o.Well {
		event.Detail, event.Error = q.Name()+" "+o.Ending+"; "+then, ""
	}
	p.Log.WarnContext(ctx, action, "app", q.App, "process", q.Name(), "release", q.Release, "ending", o.Ending, "row", o.Row)
	if err := p.Store.Record(context.WithoutCancel(ctx), event); err != nil {
		p.Log.ErrorContext(ctx, "record event", "err", err)
	}
}
