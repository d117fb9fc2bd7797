package docker

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/network"

	"github.com/berthhq/berth/appliance"
)

// labelName is what people call a network that apps share.
const labelName = "berth.name"

func (e *Engine) sharedName(name string) string { return e.instance + "._net." + name }

// shared returns the networks that apps share: those of a name, or all.
func (e *Engine) shared(ctx context.Context, name string) ([]network.Summary, error) {
	f := e.find(kindShared, "")
	if name != "" {
		f.Add("label", labelName+"="+name)
	}
	found, err := e.api(ctx).NetworkList(ctx, network.ListOptions{Filters: f})
	return found, explain("list networks", err)
}

// CreateNetwork makes a network that apps can share.
func (e *Engine) CreateNetwork(ctx context.Context, name string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	found, err := e.shared(ctx, name)
	if err != nil {
		return err
	}
	if len(found) > 0 {
		return fmt.Errorf("network %s %w", name, appliance.ErrExists)
	}
	taken, err := e.subnetsTaken(ctx)
	if err != nil {
		return err
	}
	options := network.CreateOptions{Driver: "bridge", Labels: e.labels(kindShared, "")}
	options.Labels[labelName] = name
	if subnet, ok := freeSubnet(taken); ok {
		options.IPAM = &network.IPAM{Config: []network.IPAMConfig{{Subnet: subnet.String()}}}
	}
	_, err = e.api(ctx).NetworkCreate(ctx, e.sharedName(name), options)
	return explain("network "+name, err)
}

// RemoveNetwork removes a network that apps share.
func (e *Engine) RemoveNetwork(ctx context.Context, name string) error {
	found, err := e.shared(ctx, name)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return fmt.Errorf("network %s %w", name, appliance.ErrNotFound)
	}
	for _, n := range found {
		err := e.api(ctx).NetworkRemove(ctx, n.ID)
		if err != nil && !errdefs.IsNotFound(err) {
			return explain("network "+name, err)
		}
	}
	return nil
}

// Networks lists the networks that apps share, by name.
func (e *Engine) Networks(ctx context.Context) ([]appliance.Network, error) {
	found, err := e.shared(ctx, "")
	if err != nil {
		return nil, err
	}
	list := []appliance.Network{}
	for _, n := range found {
		one := appliance.Network{Name: n.Labels[labelName], ID: n.ID, Created: n.Created.UTC().Truncate(time.Second)}
		for _, c := range n.IPAM.Config {
			one.Subnet = c.Subnet
		}
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b appliance.Network) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

// sharedIDs returns attachments with the ids of their networks, which are
// never anything but networks of ours.
func (e *Engine) sharedIDs(ctx context.Context, attachments []appliance.Attachment) ([]appliance.Attachment, error) {
	list := slices.Clone(attachments)
	for i, a := range list {
		found, err := e.shared(ctx, a.Network)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, appliance.WithHint(fmt.Errorf("network %s %w", a.Network, appliance.ErrNotFound), "make it: network:create "+a.Network)
		}
		list[i].Network = found[0].ID
	}
	return list, nil
}

// attach has a container that is not started yet be on networks too.
func (e *Engine) attach(ctx context.Context, id string, attachments []appliance.Attachment) error {
	for _, a := range attachments {
		if err := e.api(ctx).NetworkConnect(ctx, a.Network, id, &network.EndpointSettings{Aliases: a.Aliases}); err != nil {
			return err
		}
	}
	return nil
}
