package docker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"
	"golang.org/x/sync/errgroup"

	"github.com/berthhq/berth/appliance"
)

// Start starts a new generation of one process type.
func (e *Engine) Start(ctx context.Context, spec appliance.ProcessSpec) ([]appliance.Process, error) {
	net, err := e.network(ctx, spec.App)
	if err != nil {
		return nil, err
	}
	mounts, err := e.mounts(ctx, spec.App, spec.Mounts)
	if err != nil {
		return nil, err
	}
	host := e.hardened(processPids)
	e.fence(host, spec.Fence)
	spec.Options.Networks, err = e.sharedIDs(ctx, spec.Options.Networks)
	if err != nil {
		return nil, err
	}
	set(host, spec.Options)
	host.Mounts = mounts
	host.NetworkMode = container.NetworkMode(net)
	host.LogConfig = container.LogConfig{Type: "local", Config: map[string]string{"max-size": "10m", "max-file": "3"}}

	started := make([]appliance.Process, spec.Replicas)
	made := make([]string, spec.Replicas)
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i := range spec.Replicas {
		group.Go(func() (err error) {
			made[i], started[i], err = e.startOne(groupCtx, spec, max(1, spec.First)+i, host)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		made = slices.DeleteFunc(made, func(id string) bool { return id == "" })
		return nil, errors.Join(err, e.each(made, func(id string) error { return e.tidy(ctx, id) }))
	}
	return started, nil
}

// startOne starts one replica. It returns the id of what it has made also
// when it fails.
func (e *Engine) startOne(ctx context.Context, spec appliance.ProcessSpec, index int, host *container.HostConfig) (string, appliance.Process, error) {
	doing := fmt.Sprintf("start %s.%d", spec.Type, index)
	config := &container.Config{
		Image:  string(spec.Image),
		Cmd:    spec.Command,
		Env:    spec.Env,
		Labels: with(spec.Options.Labels, e.processLabels(spec, index)),
	}
	configure(config, spec.Options)
	if spec.Command != nil {
		// The command is the whole of it, not arguments to the image's
		// own entrypoint.
		config.Entrypoint = []string{""}
	}
	generation := string(spec.Generation)
	if generation == "" {
		generation = strings.ToLower(rand.Text()[:8])
	}
	name := fmt.Sprintf("%s.%s.%s.%d.%s", e.instance, spec.App, spec.Type, index, generation)
	if spec.Turn != "" {
		name += "." + spec.Turn
	}
	id, err := e.createKnownAs(ctx, name, spec.Aliases, config, host)
	if err != nil {
		return "", appliance.Process{}, explain(doing, err)
	}
	if err := e.attach(ctx, id, spec.Options.Networks); err != nil {
		return id, appliance.Process{}, explain(doing, err)
	}
	e.expect(ctx, id)
	if err := e.api(ctx).ContainerStart(ctx, id, container.StartOptions{}); err != nil {
		return id, appliance.Process{}, explain(doing, err)
	}
	state, err := e.inspect(ctx, id)
	if err != nil {
		return id, appliance.Process{}, fmt.Errorf("%s: %w", doing, err)
	}
	return id, e.process(state), nil
}

func (e *Engine) processLabels(spec appliance.ProcessSpec, index int) map[string]string {
	labels := e.labels(kindProcess, spec.App)
	maps.Copy(labels, map[string]string{
		labelType:       spec.Type,
		labelIndex:      strconv.Itoa(index),
		labelRelease:    strconv.Itoa(spec.Release),
		labelGeneration: string(spec.Generation),
		labelPort:       "",
		labelTurn:       spec.Turn,
	})
	if spec.Port != 0 {
		labels[labelPort] = strconv.Itoa(spec.Port)
	}
	return labels
}
