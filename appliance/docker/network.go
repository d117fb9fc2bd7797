package docker

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"github.com/berthhq/berth/appliance"
)

// pools is where the networks of apps come from, a /26 for each. Docker's own
// pools are used up after some thirty networks.
var pools = []netip.Prefix{
	netip.MustParsePrefix("10.213.0.0/16"),
	netip.MustParsePrefix("10.214.0.0/16"),
	netip.MustParsePrefix("10.215.0.0/16"),
	netip.MustParsePrefix("172.30.0.0/16"),
}

const subnetBits = 26

// networkName returns the name of app's network, or of the one where the
// appliance does work of its own. An app's name has no underscore.
func (e *Engine) networkName(app appliance.AppName) string {
	if app == "" {
		return e.instance + "._work"
	}
	return e.instance + "." + string(app)
}

// network returns the id of app's own bridge network and makes it when it is
// missing. What is on one bridge cannot reach what is on another.
func (e *Engine) network(ctx context.Context, app appliance.AppName) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()

	name := e.networkName(app)
	n, err := e.docker.NetworkInspect(ctx, name, network.InspectOptions{})
	if err == nil {
		if n.Labels[labelInstance] != e.instance {
			return "", fmt.Errorf("network %s: %w, and was not made by us", name, appliance.ErrExists)
		}
		return n.ID, nil
	}
	if !errdefs.IsNotFound(err) {
		return "", explain("network "+name, err)
	}

	taken, err := e.subnetsTaken(ctx)
	if err != nil {
		return "", err
	}
	for {
		subnet, ok := freeSubnet(taken)
		id, err := e.createNetwork(ctx, app, subnet)
		if err == nil {
			return id, nil
		}
		switch {
		case errdefs.IsConflict(err): // another process made it just now
			n, err := e.docker.NetworkInspect(ctx, name, network.InspectOptions{})
			return n.ID, explain("network "+name, err)
		case ok && strings.Contains(err.Error(), "verlap"):
			// Docker has no code for this. Somebody took the subnet after
			// we had looked, or it is in use where we cannot see it.
			taken = append(taken, subnet)
		default:
			return "", explain("network "+name, err)
		}
	}
}

// createNetwork makes app's network; an invalid subnet lets Docker choose.
func (e *Engine) createNetwork(ctx context.Context, app appliance.AppName, subnet netip.Prefix) (string, error) {
	options := network.CreateOptions{Driver: "bridge", Labels: e.labels(kindNetwork, app)}
	if subnet.IsValid() {
		options.IPAM = &network.IPAM{Config: []network.IPAMConfig{{Subnet: subnet.String()}}}
	}
	n, err := e.docker.NetworkCreate(ctx, e.networkName(app), options)
	return n.ID, err
}

// subnetsTaken returns what a new network must not overlap: Docker's networks,
// and what this machine is connected to or has a route to.
func (e *Engine) subnetsTaken(ctx context.Context) ([]netip.Prefix, error) {
	networks, err := e.docker.NetworkList(ctx, network.ListOptions{})
	if err != nil {
		return nil, explain("list networks", err)
	}
	taken := routes()
	for _, n := range networks {
		for _, c := range n.IPAM.Config {
			if p, err := netip.ParsePrefix(c.Subnet); err == nil {
				taken = append(taken, p)
			}
		}
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	for _, a := range addresses {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			taken = append(taken, p.Masked())
		}
	}
	return taken, nil
}

// freeSubnet returns the first subnet of the pools that overlaps none of
// taken.
func freeSubnet(taken []netip.Prefix) (netip.Prefix, bool) {
	for _, pool := range pools {
		for subnet := netip.PrefixFrom(pool.Addr(), subnetBits); pool.Contains(subnet.Addr()); subnet = after(subnet) {
			if !overlapsAny(subnet, taken) {
				return subnet, true
			}
		}
	}
	return netip.Prefix{}, false
}

func overlapsAny(subnet netip.Prefix, taken []netip.Prefix) bool {
	for _, t := range taken {
		if subnet.Overlaps(t) {
			return true
		}
	}
	return false
}

// after returns the subnet that follows p.
func after(p netip.Prefix) netip.Prefix {
	a := p.Addr().As4()
	n := uint32(a[0])<<24 | uint32(a[1])<<16 | uint32(a[2])<<8 | uint32(a[3])
	n += 1 << (32 - p.Bits())
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}), p.Bits())
}

// address returns where a container is reached on its app's network.
func (e *Engine) address(c container.InspectResponse, port string) string {
	if c.NetworkSettings == nil {
		return ""
	}
	n, ok := c.NetworkSettings.Networks[e.networkName(appliance.AppName(c.Config.Labels[labelApp]))]
	if !ok || n.IPAddress == "" {
		return ""
	}
	return net.JoinHostPort(n.IPAddress, port)
}
