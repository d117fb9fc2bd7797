package enginetest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/berthhq/berth/appliance"
)

// A fakePrepared is a run that waits for what it is given.
type fakePrepared struct {
	id        string
	spec      appliance.RunSpec
	began     time.Time
	container *container
}

// Prepare starts what Run would run, which waits.
func (f *Fake) Prepare(ctx context.Context, spec appliance.RunSpec) (string, error) {
	if err := f.call("Prepare", string(spec.App)); err != nil {
		return "", err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	image, err := f.image(spec.Image)
	if err != nil {
		return "", fmt.Errorf("run: %w", err)
	}
	p := &fakePrepared{newID(), spec, time.Now(), f.container(image, spec.App, spec.Mounts, spec.Tmpfs)}
	f.prepared = append(f.prepared, p)
	return p.id, nil
}

// Waiting returns what was prepared and waits for its Run, in order.
func (f *Fake) Waiting() (specs []appliance.RunSpec) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.prepared {
		specs = append(specs, p.spec)
	}
	return specs
}

// take returns what a run goes on with that was prepared, or nil. The caller
// holds mu.
func (f *Fake) take(id string) *fakePrepared {
	i := slices.IndexFunc(f.prepared, func(p *fakePrepared) bool { return p.id == id })
	if i < 0 {
		return nil
	}
	p := f.prepared[i]
	f.prepared = slices.Delete(f.prepared, i, i+1)
	return p
}

// endPrepared removes those of what waits that which says.
func (f *Fake) endPrepared(which func(*fakePrepared) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.prepared = slices.DeleteFunc(f.prepared, which)
}
