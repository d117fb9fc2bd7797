package docker

import (
	"context"
	"net"
	"net/netip"
	"slices"
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

	if id, err := e.findNetwork(ctx, app); id != "" || err != nil {
		return id, err
	}
	taken, err := e.subnetsTaken(ctx)
	if err != nil {
		return "", err
	}
	for {
		subnet, ok := freeSubnet(taken)
		err := e.createNetwork(ctx, app, subnet)
		switch {
		case err == nil:
			return e.findNetwork(ctx, app)
		case ok && strings.Contains(err.Error(), "verlap"):
			// Docker has no code for this. Somebody took the subnet after
			// we had looked, or it is in use where we cannot see it.
			taken = append(taken, subnet)
		case errdefs.IsConflict(err):
			// Another process of ours made it just now, or somebody else
			// has made one of that name.
			if id, _ := e.findNetwork(ctx, app); id != "" {
				return id, nil
			}
			fallthrough
		default:
			return "", explain("network "+e.networkName(app), err)
		}
	}
}

// findNetwork returns the id of app's network, or "" if there is none.
//
// Docker makes two of one name when two clients ask for it at the same moment,
// as an old and a new daemon of ours might, and then can start nothing on
// either. The one that is not in use goes, or else the younger.
func (e *Engine) findNetwork(ctx context.Context, app appliance.AppName) (string, error) {
	f := e.find(kindNetwork, app)
	f.Add("name", e.networkName(app)) // finds longer names too
	found, err := e.api(ctx).NetworkList(ctx, network.ListOptions{Filters: f})
	if err != nil {
		return "", explain("list networks", err)
	}
	found = slices.DeleteFunc(found, func(n network.Summary) bool { return n.Name != e.networkName(app) })
	slices.SortFunc(found, func(a, b network.Summary) int { return b.Created.Compare(a.Created) })
	for len(found) > 1 {
		in := slices.IndexFunc(found, func(n network.Summary) bool {
			err = e.api(ctx).NetworkRemove(ctx, n.ID)
			return err == nil || errdefs.IsNotFound(err)
		})
		if in < 0 {
			return "", explain("remove network "+e.networkName(app), err)
		}
		found = slices.Delete(found, in, in+1)
	}
	if len(found) == 0 {
		return "", nil
	}
	return found[0].ID, nil
}

// createNetwork makes app's network; an invalid subnet lets Docker choose.
func (e *Engine) createNetwork(ctx context.Context, app appliance.AppName, subnet netip.Prefix) error {
	options := network.CreateOptions{Driver: "bridge", Labels: e.labels(kindNetwork, app)}
	if subnet.IsValid() {
		options.IPAM = &network.IPAM{Config: []network.IPAMConfig{{Subnet: subnet.String()}}}
	}
	_, err := e.api(ctx).NetworkCreate(ctx, e.networkName(app), options)
	return err
}

// subnetsTaken returns what a new network must not overlap: Docker's networks,
// and what this machine is connected to or has a route to.
func (e *Engine) subnetsTaken(ctx context.Context) ([]netip.Prefix, error) {
	networks, err := e.api(ctx).NetworkList(ctx, network.ListOptions{})
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
