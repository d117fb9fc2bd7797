package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/berthhq/berth/appliance"
)

// What a build may take that does not depend on the machine.
const (
	buildWeight = 100 // of an app's 1000
	buildPids   = 2048
	buildTime   = 30 * time.Minute
)

// A Limit is one of the settings that make a build's fence: an app's, or the
// machine's, or what the machine can spare.
type Limit struct {
	Name    string // as people write it: "disk-free"
	Setting string // as the store keeps it, of an app and of the machine
	set     func(*appliance.Fence, string) error
	Show    func(appliance.Fence) string // as people read and write it
}

// Limits are all there are.
var Limits = []Limit{
	{"memory", "build-memory", func(f *appliance.Fence, s string) (err error) { f.Memory, err = parseSize(s, 64*mb); return err },
		func(f appliance.Fence) string { return short(f.Memory) }},
	{"cpu", "build-cpu", func(f *appliance.Fence, s string) (err error) { f.CPUs, err = parseCPUs(s); return err },
		func(f appliance.Fence) string { return strconv.FormatFloat(f.CPUs, 'g', 3, 64) }},
	{"pids", "build-pids", func(f *appliance.Fence, s string) (err error) { f.Pids, err = parseCount(s, 32, 1<<20); return err },
		func(f appliance.Fence) string { return strconv.FormatInt(f.Pids, 10) }},
	{"disk-free", "build-disk-free", func(f *appliance.Fence, s string) (err error) { f.Free, err = parseSize(s, 0); return err },
		func(f appliance.Fence) string { return short(f.Free) }},
	{"time", "build-time", func(f *appliance.Fence, s string) (err error) { f.Time, err = parseTime(s); return err },
		func(f appliance.Fence) string { return shortTime(f.Time) }},
}

// Check reports whether value is one for the limit.
func (l Limit) Check(value string) error {
	if err := l.set(new(appliance.Fence), value); err != nil {
		return appliance.WithHint(fmt.Errorf("%w %s %.40q", appliance.ErrInvalid, l.Name, value), err.Error())
	}
	return nil
}

// Fence returns what the next build of an app may take: what was set for the
// app, else for the machine, else what the machine can spare.
func (p *Pipeline) Fence(ctx context.Context, app appliance.AppName) (appliance.Fence, error) {
	f, _, err := p.fence(ctx, app)
	return f, err
}

func (p *Pipeline) fence(ctx context.Context, app appliance.AppName) (f appliance.Fence, machine appliance.Capacity, err error) {
	if machine, err = p.Engine.Capacity(ctx); err != nil {
		return f, machine, err
	}
	parallel, err := p.Parallel(ctx)
	if err != nil {
		return f, machine, err
	}
	f = spare(machine, parallel)
	for _, limit := range Limits {
		value, err := p.Store.AppSetting(ctx, app, limit.Setting)
		if err == nil && value == "" {
			value, err = p.Store.Setting(ctx, limit.Setting)
		}
		if err == nil && value != "" {
			err = limit.set(&f, value)
		}
		if err != nil {
			return f, machine, fmt.Errorf("limit %s: %w", limit.Name, err)
		}
	}
	return f, machine, nil
}

// spare returns what one of several builds may take of a machine so that its
// apps go on: three quarters of the memory at most, and no more than is
// available now, but for a tenth of the machine that the apps may yet want.
// However full the machine is, a build gets a quarter, or 256 MB: if that is
// not there, it is the build that ends.
func spare(m appliance.Capacity, parallel int) appliance.Fence {
	memory := min(m.Memory*3/4/int64(parallel), m.Available-m.Memory/10)
	return appliance.Fence{
		Memory: min(max(memory, m.Memory/4/int64(parallel), 256*mb), m.Memory*3/4) / mb * mb,
		CPUs:   max(0.5, math.Floor(float64(m.CPUs)*9)/10),
		Weight: buildWeight,
		Pids:   buildPids,
		Free:   min(max(m.Disk/20, gb), 5*gb, m.Disk/10) / mb * mb,
		Time:   buildTime,
	}
}

// A fenced is the fence of one build, and the machine it was made for.
type fenced struct {
	appliance.Fence
	app     appliance.AppName
	machine appliance.Capacity
}

// fenced returns the fence of the build that is about to begin, and refuses
// one that could not write anything.
func (r *run) fenced(ctx context.Context) (fenced, error) {
	fence, machine, err := r.fence(ctx, r.app)
	if err != nil {
		return fenced{}, err
	}
	if machine.Free > fence.Free {
		return fenced{fence, r.app, machine}, nil
	}
	return fenced{}, appliance.WithHint(
		fmt.Errorf("the disk is too full to build: %s are free, and %s must stay free", size(machine.Free), size(fence.Free)),
		fmt.Sprintf("make room (apps:destroy removes an app with its images; sudo docker system df shows what else there is),\nor let builds fill it further: resource:limit %s --process-type build --disk-free %s",
			r.app, short(max(machine.Free/2, mb))))
}

// raise adds to the error of a build that has left its fence the command that
// moves it.
func (f fenced) raise(ctx context.Context, err error) error {
	left, ok := errors.AsType[*appliance.ExceededError](err)
	if !ok {
		return err
	}
	wider, note := f.Fence, ""
	var name string
	switch left.Resource {
	case appliance.Memory:
		name = "memory"
		wider.Memory = f.Memory * 2
		if wider.Memory > f.machine.Memory {
			note = fmt.Sprintf("this machine has only %s of memory: make the build need less, give the machine more or swap, and then\n", size(f.machine.Memory))
		}
	case appliance.Processes:
		name = "pids"
		wider.Pids = f.Pids * 2
	case appliance.Disk:
		name = "disk-free"
		wider.Free = f.Free / 2
		note = "make room (apps:destroy removes an app with its images), or let builds fill the disk further:\n"
	case appliance.Time:
		name = "time"
		wider.Time = f.Time * 2
	default:
		return err
	}
	if !appliance.ActorFrom(ctx).Admin {
		note += "an admin can let it have more:\n"
	}
	for _, limit := range Limits {
		if limit.Name == name {
			note += fmt.Sprintf("resource:limit %s --process-type build --%s %s", f.app, name, limit.Show(wider))
		}
	}
	return appliance.WithHint(err, note)
}
