package logs

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/berthhq/berth/appliance"
)

// A Collector follows what every process prints, and gives it to an archive.
// Its exported fields are set before its first use.
type Collector struct {
	Archive *Archive
	Engine  appliance.Engine
	Log     *slog.Logger

	// MaxRate is how many lines a process may print in a second; 0 for a
	// default. Those beyond are counted and left out.
	MaxRate int

	mu        sync.Mutex // guards the fields below
	asked     map[appliance.AppName]bool
	wake      chan struct{}        // has a value when somebody has asked
	followers map[string]*follower // by the id of the process
	stopping  map[string]bool      // Stop is ending them, by id
	ended     map[string]bool      // all of them has been taken, by id
}

// Changed tells the collector that a process of app has started, ended or
// moved; "" that any may have. It returns at once.
func (c *Collector) Changed(app appliance.AppName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.init()
	c.asked[app] = true
	select {
	case c.wake <- struct{}{}:
	default: // it has been given already
	}
}

// init makes what there must be. The caller holds mu.
func (c *Collector) init() {
	if c.wake == nil {
		c.wake, c.asked = make(chan struct{}, 1), map[appliance.AppName]bool{}
		c.followers, c.stopping, c.ended = map[string]*follower{}, map[string]bool{}, map[string]bool{}
	}
}

// Run follows what there is until ctx is done.
func (c *Collector) Run(ctx context.Context) error {
	c.mu.Lock()
	c.init()
	c.mu.Unlock()
	var running sync.WaitGroup
	defer running.Wait()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.wake:
		}
		c.mu.Lock()
		asked := c.asked
		c.asked = map[appliance.AppName]bool{}
		c.mu.Unlock()
		if asked[""] {
			asked = map[appliance.AppName]bool{"": true}
		}
		for app := range asked {
			if err := c.look(ctx, app, &running); err != nil && ctx.Err() == nil {
				c.Log.WarnContext(ctx, "collect logs", "app", app, "err", err)
				running.Go(func() { c.again(ctx, app) })
			}
		}
	}
}

// again asks for another look a little later.
func (c *Collector) again(ctx context.Context, app appliance.AppName) {
	select {
	case <-ctx.Done():
	case <-time.After(retryEvery):
		c.Changed(app)
	}
}

// look has every process of an app, or of all, be followed.
func (c *Collector) look(ctx context.Context, app appliance.AppName, running *sync.WaitGroup) error {
	processes, err := c.Engine.Processes(ctx, app)
	if err != nil {
		return err
	}
	there := map[string]bool{}
	apps := map[appliance.AppName]bool{}
	c.mu.Lock()
	for _, p := range processes {
		there[p.ID], apps[p.App] = true, true
		switch f := c.followers[p.ID]; {
		case c.ended[p.ID], c.stopping[p.ID]:
		case f != nil:
			f.poke()
			if before := f.seen; p.Restarts > before.Restarts {
				running.Go(func() { f.restarted(ctx, p, before) })
			}
			f.seen = p
		default:
			f := c.follow(p)
			inner, cancel := context.WithCancel(ctx)
			f.cancel, f.done = cancel, make(chan struct{})
			running.Go(func() {
				defer close(f.done)
				f.run(inner)
			})
		}
	}
	for id, f := range c.followers {
		if (app == "" || f.process.App == app) && !there[id] {
			f.cancel()
			delete(c.followers, id)
		}
	}
	if app == "" {
		for id := range c.ended {
			if !there[id] {
				delete(c.ended, id)
			}
		}
	}
	c.mu.Unlock()
	for app := range apps {
		c.Archive.unmark(app, func(id string) bool {
			return slices.ContainsFunc(processes, func(p appliance.Process) bool { return short(p.ID) == id })
		})
	}
	return nil
}

// follow makes a follower of a process. The caller holds mu.
func (c *Collector) follow(p appliance.Process) *follower {
	f := newFollower(c, p)
	c.followers[p.ID] = f
	return f
}

// drainTime is how long the end of a process may be held up by what it has
// printed.
const drainTime = 10 * time.Second

// Stopping is for the engine's field of that name: what a process prints up to
// its end is taken before Docker forgets it.
func (c *Collector) Stopping(ctx context.Context, p appliance.Process) (ended func()) {
	c.mu.Lock()
	c.init()
	c.stopping[p.ID] = true
	c.mu.Unlock()
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
		defer cancel()
		c.mu.Lock()
		f := c.followers[p.ID]
		if f == nil {
			f = c.follow(p)
		}
		delete(c.followers, p.ID)
		delete(c.stopping, p.ID)
		c.ended[p.ID] = true
		c.mu.Unlock()
		if f.cancel != nil {
			f.cancel()
			<-f.done
		}
		if err := f.read(ctx, false); err != nil {
			c.Log.WarnContext(ctx, "take the last that a process has printed", "app", p.App, "process", f.name, "err", err)
		}
		if !p.Running { // it had ended before
			f.crashed(ctx, p, f.span)
		}
		if err := c.Archive.flushNow(p.App); err != nil {
			c.Log.WarnContext(ctx, "keep the last that a process has printed", "app", p.App, "process", f.name, "err", err)
		}
	}
}

// isStopping reports whether it is Stop that ends a process.
func (c *Collector) isStopping(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stopping[id]
}

// short is as much of an id as records have.
func short(id string) string { return id[:min(len(id), idLength)] }
