package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
	certs "github.com/berthhq/berth/tls"
)

// A machineStatus is how the machine is.
type machineStatus struct {
	Load       [3]float64 `json:"load"` // of the last 1, 5 and 15 minutes
	CPUs       int        `json:"cpus"`
	Memory     int64      `json:"memory"` // bytes
	MemoryUsed int64      `json:"memory_used"`
	Disk       int64      `json:"disk"`
	DiskUsed   int64      `json:"disk_used"`
}

// An appStatus is how an app is.
type appStatus struct {
	App       string  `json:"app"`
	State     string  `json:"state"` // running, degraded, crashed, stopped, not deployed
	Running   int     `json:"running"`
	Processes int     `json:"processes"`
	Release   int     `json:"release"`
	URL       string  `json:"url"`
	CPU       float64 `json:"cpu"` // percent of one CPU
	Memory    int64   `json:"memory"`
	Requests  float64 `json:"requests"` // per second
	Restarts  int     `json:"restarts"`
}

// A statusReport is all that status shows. What is for admins only is missing
// for others.
type statusReport struct {
	At      time.Time      `json:"at"`
	Trouble []string       `json:"trouble"`
	Apps    []appStatus    `json:"apps"`
	Machine *machineStatus `json:"machine,omitempty"`
}

// survey looks at all that the actor may see.
func (s overview) survey(ctx context.Context, c *Call) (r statusReport, err error) {
	r = statusReport{At: time.Now().UTC(), Trouble: []string{}, Apps: []appStatus{}}
	loads, err := s.Loads(ctx)
	if err != nil {
		return r, err
	}
	all, err := s.Engine.Processes(ctx, "")
	if err != nil {
		return r, err
	}
	processes := map[appliance.AppName][]appliance.Process{}
	for _, p := range all {
		processes[p.App] = append(processes[p.App], p)
	}
	apps, err := s.Store.Apps(ctx)
	if err != nil {
		return r, err
	}
	for _, app := range apps {
		switch err := Permit(ctx, s.Store, c.Actor, Viewer, app.Name); {
		case errors.Is(err, appliance.ErrDenied):
			continue
		case err != nil:
			return r, err
		}
		status, trouble, err := s.look(ctx, app, processes[app.Name], loads[app.Name])
		if err != nil {
			return r, err
		}
		r.Apps = append(r.Apps, status)
		r.Trouble = append(r.Trouble, trouble...)
	}
	if !c.Actor.Admin {
		return r, nil
	}
	capacity, err := s.Engine.Capacity(ctx)
	if err != nil {
		return r, err
	}
	r.Machine = &machineStatus{
		Load: loadAverage(), CPUs: capacity.CPUs, Memory: capacity.Memory, MemoryUsed: capacity.Memory - capacity.Available,
		Disk: capacity.Disk, DiskUsed: capacity.Disk - capacity.Free,
	}
	if capacity.Free < max(capacity.Disk/fullShare, fullBytes) {
		r.Trouble = append(r.Trouble, fmt.Sprintf("the disk is nearly full: %s of %s are free", amount(capacity.Free), amount(capacity.Disk)))
	}
	return r, nil
}

// A disk with less than a twentieth, or less than a gigabyte, is nearly full.
const (
	fullShare = 20
	fullBytes = 1 << 30
)

// recent is how long a crash is trouble when it was not given up.
const recent = 10 * time.Minute

// soon is how long before its end a certificate should have been renewed.
const soon = 7 * 24 * time.Hour

// look looks at one app, and tells what is wrong with it.
func (s overview) look(ctx context.Context, app appliance.App, processes []appliance.Process, load pipeline.Load) (a appStatus, trouble []string, err error) {
	a = appStatus{App: string(app.Name), Release: app.LiveRelease, CPU: 100 * load.CPU, Memory: load.Memory, Requests: load.Requests}
	// Of what has no processes there is nothing to ask.
	var crashes map[string]pipeline.Crash
	if len(processes) > 0 {
		if crashes, err = s.Crashes(ctx, app.Name); err != nil {
			return a, nil, err
		}
	}
	stopped := false
	if app.LiveRelease > 0 {
		if stopped, err = s.Stopped(ctx, app.Name); err != nil {
			return a, nil, err
		}
	}
	hosts, err := s.Hosts(ctx, app.Name)
	if err != nil {
		return a, nil, err
	}
	a.URL = s.Addresses.URL(hosts[0])
	crashed := false
	for _, p := range processes {
		if p.Generation != app.Live {
			continue
		}
		crash := crashes[p.ID]
		a.Restarts += p.Restarts
		a.Processes++
		if p.Running {
			a.Running++
		}
		if crash.Over && !crash.Well {
			crashed = true
			trouble = append(trouble, fmt.Sprintf("%s: %s crashed: %s (ps:restart %s starts it)", app.Name, p.Name(), story(crash), app.Name))
		} else if !crash.Over && crash.Row > 1 && time.Since(crash.At) < recent || crash.OOM && time.Since(crash.At) < recent {
			trouble = append(trouble, fmt.Sprintf("%s: %s %s", app.Name, p.Name(), story(crash)))
		}
	}
	switch {
	case app.LiveRelease == 0:
		a.State = "not deployed"
	case stopped:
		a.State = "stopped"
	case crashed:
		a.State = "crashed"
	case a.Running < a.Processes:
		a.State = "degraded"
	default:
		a.State = "running"
	}
	for _, host := range appliance.HostsOf(hosts) {
		switch status := s.Certificates.Status(host); {
		case status.Err != nil:
			trouble = append(trouble, fmt.Sprintf("%s: certificate for %s: %v", app.Name, host, status.Err))
		case !status.NotAfter.IsZero() && time.Until(status.NotAfter) < soon && status.Kind != certs.KindLocal:
			trouble = append(trouble, fmt.Sprintf("%s: the certificate for %s ends on %s", app.Name, host, status.NotAfter.UTC().Format(time.DateOnly)))
		}
	}
	return a, trouble, nil
}

// loadAverage is what Linux says of how many processes wanted to run, or zeros
// where it does not.
func loadAverage() (load [3]float64) {
	text, err := os.ReadFile("/proc/loadavg")
	if err == nil {
		_, _ = fmt.Sscan(string(text), &load[0], &load[1], &load[2]) // what is missing stays zero
	}
	return load
}

// amount prints bytes as people read them: 512 MB, 1.5 GB.
func amount(n int64) string {
	if n >= 1<<30 {
		return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(n)/(1<<30)), ".0") + " GB"
	}
	return fmt.Sprintf("%d MB", n>>20)
}
