package docker

import (
	"context"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"

	"github.com/berthhq/berth/appliance"
)

const (
	// processPids is how many processes and threads a container of Start
	// may have, and runPids one of Run: compilers want more.
	processPids = 512
	runPids     = 4096

	// tidyTime is how long tidying up may take when nobody waits any more.
	tidyTime = 30 * time.Second
)

// capabilities is what common images need to change their user and to own
// their files. Everything else is dropped.
var capabilities = []string{
	"CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID",
}

// hardened returns what holds for every container: no way to more rights, and
// no way to take the whole machine. Nothing restarts it.
func (e *Engine) hardened(pids int64) *container.HostConfig {
	init := true // reaps orphans, and passes signals on to a shell's child
	return &container.HostConfig{
		SecurityOpt: []string{"no-new-privileges"},
		CapDrop:     []string{"ALL"},
		CapAdd:      capabilities,
		Init:        &init,
		Resources: container.Resources{
			PidsLimit: &pids,
			Memory:    e.Memory,
			// Without swap, a limit is a limit.
			MemorySwap: e.Memory,
		},
	}
}

// create makes a container. It waits for Docker's answer whatever becomes of
// ctx, because Docker makes the container whether or not somebody listens, and
// who does not know its id cannot remove it.
func (e *Engine) create(ctx context.Context, name string, config *container.Config, host *container.HostConfig) (id string, err error) {
	return e.createKnownAs(ctx, name, nil, config, host)
}

// createKnownAs makes a container that others on its network also find under
// other names.
func (e *Engine) createKnownAs(ctx context.Context, name string, aliases []string, config *container.Config, host *container.HostConfig) (id string, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyTime)
	defer cancel()
	own := *host // the client writes to it, and replicas share it
	var networking *network.NetworkingConfig
	if len(aliases) > 0 {
		networking = &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{
			string(host.NetworkMode): {Aliases: aliases},
		}}
	}
	c, err := e.api(ctx).ContainerCreate(ctx, config, &own, networking, nil, name)
	return c.ID, err
}

// mounts returns the mounts of volumes of app and makes the volumes that are
// missing.
func (e *Engine) mounts(ctx context.Context, app appliance.AppName, mounts []appliance.Mount) ([]mount.Mount, error) {
	var found []mount.Mount
	for _, m := range mounts {
		if m.Dir != "" {
			found = append(found, mount.Mount{Type: mount.TypeBind, Source: m.Dir, Target: m.Path, ReadOnly: m.ReadOnly})
			continue
		}
		name := e.networkName(app) + "." + m.Volume
		// Creating a volume that exists is no error, and changes nothing.
		v, err := e.api(ctx).VolumeCreate(ctx, volume.CreateOptions{Name: name, Labels: e.labels(kindVolume, app)})
		if err != nil {
			return nil, explain("volume "+name, err)
		}
		if v.Labels[labelInstance] != e.instance {
			// Some engines that have been restarted have forgotten the labels,
			// but for who asks by the name.
			if v, err = e.api(ctx).VolumeInspect(ctx, name); err != nil {
				return nil, explain("volume "+name, err)
			}
		}
		if v.Labels[labelInstance] != e.instance {
			return nil, explain("volume "+name, errdefs.ErrAlreadyExists)
		}
		found = append(found, mount.Mount{Type: mount.TypeVolume, Source: name, Target: m.Path, ReadOnly: m.ReadOnly})
	}
	return found, nil
}

// remove removes a container, running or not. One that is gone, or that is
// going, is no error; remove returns when it is gone.
func (e *Engine) remove(ctx context.Context, id string) error {
	defer e.peaks.forget(id)
	defer e.ends.forget(id)
	err := e.api(ctx).ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if errdefs.IsConflict(err) { // its removal is already in progress
		gone, failed := e.api(ctx).ContainerWait(ctx, id, container.WaitConditionRemoved)
		select {
		case <-gone:
			return nil
		case err = <-failed:
		}
	}
	if errdefs.IsNotFound(err) {
		return nil
	}
	return explain("remove container "+short(id), err)
}

// tidy removes a container whatever has become of ctx.
func (e *Engine) tidy(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyTime)
	defer cancel()
	return e.remove(ctx, id)
}

// inspect returns a container of ours, or ErrNotFound.
func (e *Engine) inspect(ctx context.Context, id string) (container.InspectResponse, error) {
	c, err := e.api(ctx).ContainerInspect(ctx, id)
	if err == nil && (c.Config == nil || !e.ours(c.Config.Labels)) {
		err = errdefs.ErrNotFound
	}
	return c, explain("container "+short(id), err)
}

// short is as much of an id as Docker shows.
func short(id string) string { return id[:min(12, len(id))] }

// moment reads a time as Docker prints it, which is the year 1 for never.
func moment(s string) time.Time {
	t, _ := time.Parse(time.RFC3339Nano, s)
	return t
}
