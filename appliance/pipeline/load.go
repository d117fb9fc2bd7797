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

// sampling keeps the last sample, with which the next one is compared.
type sampling struct {
	mu   sync.Mutex // guards last, and lets one take a sample at a time
	last sample
}

const (
	// A rate is of at least shortestSpan, and of no more than longestSpan:
	// longer ago is not now.
	shortestSpan = 200 * time.Millisecond
	longestSpan  = 10 * time.Second
)

// Loads returns the load of every app of which something runs or is asked. What
// it says is about the time since it was asked last, if that is not long ago.
func (p *Pipeline) Loads(ctx context.Context) (map[appliance.AppName]Load, error) {
	p.sampling.mu.Lock()
	defer p.sampling.mu.Unlock()
	before := p.sampling.last
	if since := time.Since(before.at); since > longestSpan {
		var err error
		if before, err = p.sample(ctx); err != nil {
			return nil, err
		}
	}
	if err := wait(ctx, time.Until(before.at.Add(shortestSpan))); err != nil {
		return nil, err
	}
	now, err := p.sample(ctx)
	if err != nil {
		return nil, err
	}
	p.sampling.last = now
	return now.since(before), nil
}

func (p *Pipeline) sample(ctx context.Context) (s sample, err error) {
	s = sample{at: time.Now(), usage: map[string]appliance.Usage{}, requests: map[appliance.AppName]uint64{}}
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
