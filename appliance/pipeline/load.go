package pipeline

import (
	"context"
	"sync"
	"time"

	"github.com/berthhq/berth/appliance"
)

// A Load is what an app takes of the machine, and what it is asked.
type Load struct {
	CPU      float64 // of one CPU: 2 is two of them, busy all the time
	Memory   int64   // bytes
	Requests float64 // per second
}

// A sample is what was counted at one moment.
type sample struct {
	at       time.Time
	usage    map[string]appliance.Usage // by process
	requests map[appliance.AppName]uint64
}

// sampling keeps the last two samples that are a shortestSpan apart, with which
// the next one is compared.
type sampling struct {
	mu            sync.Mutex // guards the fields below, and lets one take a sample at a time
	earlier, last sample
}

const (
	// A rate is of at least shortestSpan, and of no more than longestSpan:
	// longer ago is not now.
	shortestSpan = 200 * time.Millisecond
	longestSpan  = time.Minute
	// sampleEvery is how often a sample is taken when nobody asks, so that who
	// does need not wait for a shortestSpan to go by.
	sampleEvery = 15 * time.Second
)

// before returns the newest sample that one of now can be compared with.
func (s *sampling) before(now time.Time) (sample, bool) {
	for _, kept := range []sample{s.last, s.earlier} {
		if span := now.Sub(kept.at); span >= shortestSpan && span <= longestSpan {
			return kept, true
		}
	}
	return sample{}, false
}

// keep keeps a sample, unless the last one is hardly older: that one is of use
// sooner.
func (s *sampling) keep(now sample) {
	if now.at.Sub(s.last.at) >= shortestSpan {
		s.earlier, s.last = s.last, now
	}
}

// Sample counts what the apps take now and then, until ctx is done, so that
// Loads has something to compare with.
func (p *Pipeline) Sample(ctx context.Context) error {
	for {
		if err := p.SampleAt(ctx, time.Now()); err != nil && ctx.Err() == nil {
			// Who asks for it is told.
			p.Log.DebugContext(ctx, "sample", "err", err)
		}
		if !pause(ctx, sampleEvery) {
			return nil
		}
	}
}

// SampleAt counts what the apps take, and keeps it as what it was at a moment.
func (p *Pipeline) SampleAt(ctx context.Context, now time.Time) error {
	p.sampling.mu.Lock()
	defer p.sampling.mu.Unlock()
	s, err := p.sample(ctx, now)
	if err != nil {
		return err
	}
	p.sampling.keep(s)
	return nil
}

// Loads returns the load of every app of which something runs or is asked. What
// it says is about the time since the last sample, be that taken by itself or
// for who asked last. It waits only if there is none, or none of the last
// minute.
func (p *Pipeline) Loads(ctx context.Context) (map[appliance.AppName]Load, error) {
	p.sampling.mu.Lock()
	defer p.sampling.mu.Unlock()
	before, ok := p.sampling.before(time.Now())
	if !ok {
		if last := p.sampling.last; time.Since(last.at) < shortestSpan {
			before = last
		} else {
			var err error
			if before, err = p.sample(ctx, time.Now()); err != nil {
				return nil, err
			}
			p.sampling.keep(before)
		}
		if err := wait(ctx, time.Until(before.at.Add(shortestSpan))); err != nil {
			return nil, err
		}
	}
	now, err := p.sample(ctx, time.Now())
	if err != nil {
		return nil, err
	}
	p.sampling.keep(now)
	return now.since(before), nil
}

func (p *Pipeline) sample(ctx context.Context, at time.Time) (s sample, err error) {
	s = sample{at: at, usage: map[string]appliance.Usage{}, requests: map[appliance.AppName]uint64{}}
	list, err := p.Engine.Usage(ctx, "")
	if err != nil {
		return s, err
	}
	for _, u := range list {
		s.usage[u.ID] = u
	}
	apps, err := p.Store.Apps(ctx)
	for _, app := range apps {
		s.requests[app.Name] = p.Router.Stats(p.Service(app.Name)).Requests
	}
	return s, err
}

// since returns what there was from one sample to another.
func (s sample) since(before sample) map[appliance.AppName]Load {
	loads := map[appliance.AppName]Load{}
	for id, u := range s.usage {
		load := loads[u.App]
		load.Memory += u.Memory
		if was, ok := before.usage[id]; ok && u.At.After(was.At) && u.CPU >= was.CPU {
			load.CPU += float64(u.CPU-was.CPU) / float64(u.At.Sub(was.At))
		}
		loads[u.App] = load
	}
	for app, n := range s.requests {
		was, ok := before.requests[app]
		if span := s.at.Sub(before.at).Seconds(); ok && n > was && span > 0 {
			load := loads[app]
			load.Requests = float64(n-was) / span
			loads[app] = load
		}
	}
	return loads
}
