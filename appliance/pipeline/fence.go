package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/berthhq/berth/appliance"
)

const (
	kb = 1 << 10
	mb = 1 << 20
	gb = 1 << 30
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

var sizeText = regexp.MustCompile(`^([0-9]{1,15})(?:\.([0-9]))?([bkmgt]?)b?$`)

// parseSize reads a size as Docker's users write it: 512m, 2g, 1.5g, 1048576.
func parseSize(s string, least int64) (int64, error) {
	m := sizeText.FindStringSubmatch(strings.ToLower(s))
	if m == nil {
		return 0, errors.New("write it as 512m or 2g")
	}
	unit := map[string]int64{"": 1, "b": 1, "k": kb, "m": mb, "g": gb, "t": 1 << 40}[m[3]]
	whole, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil || whole > math.MaxInt64/2/unit {
		return 0, errors.New("that is more than any machine has")
	}
	tenths, _ := strconv.ParseInt(m[2], 10, 64) // "" is 0
	n := whole*unit + tenths*unit/10
	if n < least {
		return 0, fmt.Errorf("give at least %s; without a letter it is in bytes", short(least))
	}
	return n, nil
}

func parseCPUs(s string) (float64, error) {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || !(n >= 0.1 && n <= 1024) {
		return 0, errors.New("give how many CPUs, from 0.1 on, as in 1.5")
	}
	return n, nil
}

func parseCount(s string, least, most int64) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("give a number from %d to %d", least, most)
	}
	return n, nil
}

func parseTime(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < 10*time.Second || d > 24*time.Hour {
		return 0, errors.New("write it as 45m or 1h30m, from 10s to 24h")
	}
	return d, nil
}

// shortTime prints a time without its zeros: 30m, 1h.
func shortTime(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// short prints a size as parseSize reads it, in the largest unit that it has
// at least two of, or is a whole number of.
func short(n int64) string {
	for _, u := range []struct {
		bytes int64
		name  string
	}{{gb, "g"}, {mb, "m"}, {kb, "k"}} {
		if n >= 2*u.bytes || n >= u.bytes && n%u.bytes == 0 {
			tenths := (n*10 + u.bytes/2) / u.bytes
			if tenths%10 == 0 || n >= 10*u.bytes {
				return fmt.Sprintf("%d%s", tenths/10, u.name)
			}
			return fmt.Sprintf("%d.%d%s", tenths/10, tenths%10, u.name)
		}
	}
	return strconv.FormatInt(n, 10)
}

// size prints a size as people read it: 768 MB, 1.5 GB.
func size(n int64) string {
	text := strings.ToUpper(short(n))
	unit := strings.TrimLeft(text, "0123456789.")
	return strings.TrimSuffix(text, unit) + " " + unit + "B"
}
