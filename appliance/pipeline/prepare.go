package pipeline

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
)

// preparedTime is how long a container waits for the build it was made for.
// Source that takes longer to arrive has to wait for another.
const preparedTime = 10 * time.Second

// A Preparation is the container of a build, which starts while the source
// still arrives. It is a guess: that the app is built as it was the last time.
// A build for which it is wrong has a container made as if there were none. The
// nil Preparation is none.
type Preparation struct {
	pipeline *Pipeline
	made     chan struct{}   // closed when it is there, or does not come
	id       string          // "" if it does not come; set before made is closed
	as       builder.Request // as what; set before made is closed

	mu    sync.Mutex // guards the fields below
	taken bool       // the build goes on in it
	over  bool       // it is removed
}

// Prepare makes the container of the build that a push of an app is about to
// ask for, in the background, and returns at once. It makes none while another
// build runs or waits, because this one would have to wait for that. Whoever
// calls it calls Discard in the end.
func (p *Pipeline) Prepare(ctx context.Context, app appliance.AppName) *Preparation {
	a := &Preparation{pipeline: p, made: make(chan struct{})}
	p.behind.Go(func() {
		defer close(a.made)
		if err := a.make(ctx, app); err != nil && ctx.Err() == nil {
			p.Log.DebugContext(ctx, "no build is prepared", "app", app, "err", err) // the build says it to the person
		}
	})
	return a
}

func (a *Preparation) make(ctx context.Context, app appliance.AppName) error {
	p := a.pipeline
	s := p.state(app)
	if p.builds.busy() || !s.preparing.tryAcquire() {
		return nil
	}
	defer s.preparing.release()
	as, err := p.expected(ctx, app)
	if err != nil || as.Stack == "" {
		return err
	}
	a.as = as
	if a.id, err = (builder.Buildpacks{}).Prepare(ctx, p.Engine, as); err != nil {
		return err
	}
	time.AfterFunc(preparedTime, func() { a.drop(false) })
	return nil
}

// expected returns as what the next build of an app will be, if it is as the
// last one; with no stack if nobody knows.
func (p *Pipeline) expected(ctx context.Context, name appliance.AppName) (as builder.Request, err error) {
	app, err := p.Store.App(ctx, name)
	if errors.Is(err, appliance.ErrNotFound) || err == nil && app.LiveRelease == 0 {
		return as, nil
	}
	if err != nil {
		return as, err
	}
	live, err := p.Store.Release(ctx, name, app.LiveRelease)
	if err != nil || live.Stack == "" || p.unlocked(ctx, name) != nil {
		return as, err
	}
	if fresh, err := p.Store.AppSetting(ctx, name, freshSetting); err != nil || fresh != "" {
		return as, err // what is prepared would hold on to what is to go
	}
	l, err := Kept[layer](ctx, p, name, layerSetting)
	if err != nil {
		return as, err
	}
	as = builder.Request{App: name, Stack: live.Stack}
	if l.Stack == live.Stack {
		as.Kept = l.Image
	}
	as.Fence, err = p.Fence(ctx, name)
	return as, err
}

// take returns what a build goes on with, if that is as the build is to be, and
// the fence that it has. What fits nothing is removed.
func (a *Preparation) take(stack, kept appliance.Image, fence appliance.Fence) (id string, _ appliance.Fence) {
	if a == nil {
		return "", fence
	}
	<-a.made
	a.mu.Lock()
	fits := a.id != "" && !a.over && cmp.Or(a.as.Kept, a.as.Stack) == cmp.Or(kept, stack) && sameFence(a.as.Fence, fence)
	a.taken = fits
	a.mu.Unlock()
	if !fits {
		a.drop(false)
		return "", fence
	}
	return a.id, a.as.Fence
}

// sameFence tells whether two fences are the same, or differ only in that the
// machine had a little more memory to spare for the one.
func sameFence(a, b appliance.Fence) bool {
	near := max(a.Memory, b.Memory)-min(a.Memory, b.Memory) <= b.Memory/16
	a.Memory = b.Memory
	return near && a == b
}

// Discard removes what is left of it.
func (a *Preparation) Discard() {
	if a != nil {
		a.drop(true)
	}
}

// drop removes it, in the background, unless a build has taken it that may not
// be over.
func (a *Preparation) drop(evenTaken bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over || a.taken && !evenTaken {
		return
	}
	a.over = true
	p := a.pipeline
	p.behind.Go(func() {
		<-a.made
		if a.id == "" {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := p.Engine.Stop(ctx, 0, a.id); err != nil {
			p.Log.WarnContext(ctx, "remove a prepared build", "err", err) // the next start does it
		}
	})
}
