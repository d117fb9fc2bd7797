package pipeline

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/berthhq/berth/appliance"
)

// Settings of an app about its containers. A process type has its own by the
// same name with a dot and the type.
const (
	DeployOptionsSetting  = "docker-options-deploy" // a list
	RunOptionsSetting     = "docker-options-run"    // a list
	StorageSetting        = "storage"               // a list of Storage
	InitialNetworkSetting = "network-initial"
	NetworksSetting       = "networks" // a list
)

// OfType is the setting of a process type, or that of all types for "".
func OfType(setting, typ string) string {
	if typ == "" {
		return setting
	}
	return setting + "." + typ
}

// contain adds to a process what people have set for its container: limits,
// options, mounts and networks. What is of the type wins.
func (p *Pipeline) contain(ctx context.Context, spec appliance.ProcessSpec) (appliance.ProcessSpec, error) {
	c, err := p.container(ctx, spec.App, spec.Type, DeployOptionsSetting)
	if err != nil {
		return spec, err
	}
	spec.Fence, spec.Options = c.Fence, c.Options
	spec.Mounts, err = p.withStorage(ctx, spec.App, spec.Mounts)
	return spec, err
}

// Contain is contain for what runs beside an app's processes, as one of a type.
func (p *Pipeline) Contain(ctx context.Context, spec appliance.RunSpec, typ string) (appliance.RunSpec, error) {
	c, err := p.container(ctx, spec.App, typ, RunOptionsSetting)
	if err != nil {
		return spec, err
	}
	spec.Fence, spec.Options = c.Fence, c.Options
	spec.Mounts, err = p.withStorage(ctx, spec.App, spec.Mounts)
	return spec, err
}

// A contained is what somebody has set for a container.
type contained struct {
	appliance.Fence
	appliance.Options
}

func (p *Pipeline) container(ctx context.Context, app appliance.AppName, typ, phase string) (c contained, err error) {
	if err := p.setLimits(ctx, &c, app, typ); err != nil {
		return c, err
	}
	init, err := p.Property(ctx, app, InitProcessSetting)
	if err != nil {
		return c, err
	}
	// Options are of this app, or this type, and win.
	c.NoInit = init == "false" && phase == DeployOptionsSetting
	most := c.Fence // options can lower what an admin allows, and not raise it
	for _, setting := range slices.Compact([]string{phase, OfType(phase, typ)}) {
		list, err := p.List(ctx, app, setting)
		if err != nil {
			return c, err
		}
		for _, kept := range list {
			name, value, _ := strings.Cut(kept, " ")
			if err := setOption(&c, name, value); err != nil {
				return c, fmt.Errorf("docker option %s: %w", kept, err)
			}
		}
	}
	c.Memory, c.CPUs, c.Pids = lower(c.Memory, most.Memory), lower(c.CPUs, most.CPUs), lower(c.Pids, most.Pids)
	c.Networks, err = p.attachments(ctx, app, typ)
	return c, err
}

// attachments are to the networks that the app's processes are on besides the
// app's own.
func (p *Pipeline) attachments(ctx context.Context, app appliance.AppName, typ string) (list []appliance.Attachment, err error) {
	names, err := p.List(ctx, app, NetworksSetting)
	if err != nil {
		return nil, err
	}
	initial, err := p.Store.AppSetting(ctx, app, InitialNetworkSetting)
	if err != nil {
		return nil, err
	}
	if initial != "" && !slices.Contains(names, initial) {
		names = append([]string{initial}, names...)
	}
	for _, name := range names {
		a := appliance.Attachment{Network: name}
		if typ != "" {
			a.Aliases = []string{string(app) + "." + typ}
			if typ == Web {
				a.Aliases = append(a.Aliases, string(app))
			}
		}
		list = append(list, a)
	}
	return list, nil
}

// lower returns a limit that is no higher than another, which is none if 0.
func lower[N int64 | float64](n, most N) N {
	if most > 0 {
		return min(n, most)
	}
	return n
}
