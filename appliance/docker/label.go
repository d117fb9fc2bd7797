package docker

import (
	"maps"
	"slices"
	"strconv"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"

	"github.com/berthhq/berth/appliance"
)

// The labels. A container inherits those of its image, so each kind of object
// says what it is: a container that somebody else starts from an image of ours
// is of kind "image", and we leave it alone.
const (
	labelInstance   = "berth.instance"
	labelKind       = "berth.kind"
	labelApp        = "berth.app"
	labelType       = "berth.type"
	labelIndex      = "berth.index"
	labelRelease    = "berth.release"
	labelGeneration = "berth.generation"
	labelPort       = "berth.port"
	labelTurn       = "berth.turn"
	labelImage      = "berth.image" // the name of what a pin keeps, or that is borrowed
	labelOneOff     = "berth.oneoff"
	labelBorrower   = "berth.borrower" // the id of the image that has borrowed a name
	labelOwner      = "berth.owner"    // and of the one that had it before, if one had
)

// The kinds.
const (
	kindProcess  = "process"  // a container of Start
	kindRun      = "run"      // a container of Run
	kindDetached = "detached" // a container of Detach
	kindPin      = "pin"      // a container that keeps an image, and never runs
	kindImage    = "image"
	kindNetwork  = "network"
	kindVolume   = "volume"
	kindBorrowed = "borrowed"       // an empty volume that says what name an image has borrowed
	kindShared   = "shared-network" // that apps share
)

// labels returns the labels of an object of app, or of the appliance itself
// when app is "".
func (e *Engine) labels(kind string, app appliance.AppName) map[string]string {
	return map[string]string{labelInstance: e.instance, labelKind: kind, labelApp: string(app)}
}

// imageLabels returns, as lines of a Dockerfile, the labels of an image.
func (e *Engine) imageLabels(app appliance.AppName) []string {
	var lines []string
	labels := e.labels(kindImage, app)
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		lines = append(lines, "LABEL "+k+"="+strconv.Quote(labels[k]))
	}
	return lines
}

// find returns a filter for the objects of one kind: those of app, or of every
// app when app is "".
func (e *Engine) find(kind string, app appliance.AppName) filters.Args {
	f := filters.NewArgs(
		filters.Arg("label", labelInstance+"="+e.instance),
		filters.Arg("label", labelKind+"="+kind),
	)
	if app != "" {
		f.Add("label", labelApp+"="+string(app))
	}
	return f
}

// ours tells whether labels are those of a container that we made.
func (e *Engine) ours(labels map[string]string) bool {
	return labels[labelInstance] == e.instance &&
		slices.Contains([]string{kindProcess, kindRun, kindDetached}, labels[labelKind])
}

// process reads a process back from what Docker knows of its container.
func (e *Engine) process(c container.InspectResponse) appliance.Process {
	l := c.Config.Labels
	p := appliance.Process{
		ID:         c.ID,
		App:        appliance.AppName(l[labelApp]),
		Type:       l[labelType],
		Index:      number(l[labelIndex]),
		Release:    number(l[labelRelease]),
		Generation: appliance.Generation(l[labelGeneration]),
		Turn:       l[labelTurn],
		Restarts:   c.RestartCount,
	}
	if s := c.State; s != nil {
		p.Restarting = s.Restarting
		// Docker says of one that waits for its restart that it runs.
		p.Running = s.Running && !s.Restarting
		p.Started, p.Ended = moment(s.StartedAt), moment(s.FinishedAt)
		p.Health = health(s)
		if !p.Running {
			p.ExitStatus, p.OOM = s.ExitCode, s.OOMKilled
		}
	}
	if c.HostConfig != nil {
		p.Limit = c.HostConfig.Memory
		for restart, name := range policies {
			if c.HostConfig.RestartPolicy.Name == name {
				p.Kept = restart
			}
		}
	}
	if p.Running && l[labelPort] != "" {
		p.Addr = e.address(c, l[labelPort])
	}
	return p
}

// health is what the check of an image says of a process that runs.
func health(s *container.State) appliance.Health {
	if s.Health == nil || !s.Running {
		return appliance.NoHealth
	}
	switch s.Health.Status {
	case container.Starting:
		return appliance.Starting
	case container.Healthy:
		return appliance.Healthy
	case container.Unhealthy:
		return appliance.Unhealthy
	}
	return appliance.NoHealth
}

// number reads a label that we wrote; there is nothing to say about another.
func number(label string) int {
	n, _ := strconv.Atoi(label)
	return n
}
