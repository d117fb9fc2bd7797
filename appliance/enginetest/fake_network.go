package enginetest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/berthhq/berth/appliance"
)

// CreateNetwork makes a network that apps can share.
func (f *Fake) CreateNetwork(ctx context.Context, name string) error {
	if err := f.call("CreateNetwork", name); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.network(name) >= 0 {
		return fmt.Errorf("network %s %w", name, appliance.ErrExists)
	}
	f.networks = append(f.networks, appliance.Network{Name: name, ID: newID(), Subnet: "10.213.0.0/26", Created: time.Now().UTC().Truncate(time.Second)})
	slices.SortFunc(f.networks, func(a, b appliance.Network) int { return cmp.Compare(a.Name, b.Name) })
	return nil
}

// RemoveNetwork removes a network that nothing is on.
func (f *Fake) RemoveNetwork(ctx context.Context, name string) error {
	if err := f.call("RemoveNetwork", name); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	i := f.network(name)
	if i < 0 {
		return fmt.Errorf("network %s %w", name, appliance.ErrNotFound)
	}
	for _, p := range f.processes {
		if slices.ContainsFunc(p.spec.Options.Networks, func(a appliance.Attachment) bool { return a.Network == name }) {
			return fmt.Errorf("network %s has active endpoints", name)
		}
	}
	f.networks = slices.Delete(f.networks, i, i+1)
	return nil
}

// Networks lists the networks that apps share.
func (f *Fake) Networks(context.Context) ([]appliance.Network, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]appliance.Network{}, f.networks...), nil
}

// network returns the place of a network, or -1. The caller holds mu.
func (f *Fake) network(name string) int {
	return slices.IndexFunc(f.networks, func(n appliance.Network) bool { return n.Name == name })
}
