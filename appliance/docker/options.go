package docker

import (
	"maps"
	"slices"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-units"

	"github.com/berthhq/berth/appliance"
)

// set has a container that is hardened be as options say.
func set(host *container.HostConfig, o appliance.Options) {
	if o.MemorySwap > host.Memory && host.Memory > 0 {
		host.MemorySwap = o.MemorySwap
	}
	host.MemoryReservation = o.ReservedMemory
	host.ShmSize = o.SharedMemory
	for _, u := range o.Ulimits {
		host.Ulimits = append(host.Ulimits, &units.Ulimit{Name: u.Name, Soft: u.Soft, Hard: u.Hard})
	}
	host.Tmpfs = maps.Clone(o.Tmpfs)
	all := slices.Contains(o.Dropped, "ALL")
	host.CapAdd = slices.DeleteFunc(slices.Clone(host.CapAdd), func(name string) bool { return all || slices.Contains(o.Dropped, name) })
	for _, name := range o.Added {
		if !slices.Contains(host.CapAdd, name) {
			host.CapAdd = append(host.CapAdd, name)
		}
	}
	host.ExtraHosts, host.DNS, host.ReadonlyRootfs = o.Hosts, o.DNS, o.ReadOnly
	if o.NoInit {
		init := false
		host.Init = &init
	}
}

// configure sets what is not of the host's side.
func configure(config *container.Config, o appliance.Options) {
	config.Hostname = o.Hostname
	if o.User != "" {
		config.User = o.User
	}
}

// with returns labels, and ours, which win.
func with(labels, ours map[string]string) map[string]string {
	all := map[string]string{}
	maps.Copy(all, labels)
	maps.Copy(all, ours)
	return all
}
