package command

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

type networks struct {
	*pipeline.Pipeline
}

// Networks returns the commands about networks that apps share. Each app has
// one of its own besides, which no other is on.
func Networks(p *pipeline.Pipeline) []Command {
	n := networks{p}
	return []Command{
		{Name: "network:attach", Args: "<app> <network>...", Short: "have an app's containers join networks, besides those they are on", Run: n.attach},
		{Name: "network:create", Args: "<network>", Short: "make a network that apps can share", Run: n.create},
		{Name: "network:destroy", Args: "<network>", Short: "remove a network", Run: n.destroy, Flags: force},
		{Name: "network:detach", Args: "<app> <network>...", Short: "take that back", Run: n.detach},
		{Name: "network:exists", Args: "<network>", Short: "exit with 0 if there is such a network", Reads: true, Run: n.exists},
		{Name: "network:info", Args: "<network>", Short: "show a network", Reads: true, Run: n.info, Flags: listing},
		{Name: "network:list", Short: "list the networks that apps can share", Reads: true, Run: n.list, Flags: listing},
		{Name: "network:report", Args: "<app>", Short: "show which networks an app is on", For: Viewer, Reads: true, Run: n.report, Flags: listing},
		{Name: "network:set", Args: "<app> <property> [<network>...]", Short: "set attach-post-create, attach-post-deploy or initial-network", Run: n.set},
		{Name: "network:rebuildall", Short: "do nothing: networks are joined when containers are made", For: Anyone, Reads: true, Run: n.rebuildAll},
		{Name: "network:rebuild", Args: "<app>", Short: "do nothing: networks are joined when containers are made", For: Deployer, Reads: true, Run: n.rebuild, Flags: func(*pflag.FlagSet) {}},
	}
}

var networkName = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,62}$`)

func parseNetwork(s string) (string, error) {
	if !networkName.MatchString(s) {
		return "", appliance.WithHint(fmt.Errorf("%w network %.80q", appliance.ErrInvalid, s), "a network's name has lower-case letters, digits and . _ -")
	}
	return s, nil
}

// find returns a network of ours.
func (n networks) find(ctx context.Context, name string) (appliance.Network, error) {
	list, err := n.Engine.Networks(ctx)
	if err != nil {
		return appliance.Network{}, err
	}
	for _, network := range list {
		if network.Name == name {
			return network, nil
		}
	}
	return appliance.Network{}, appliance.WithHint(fmt.Errorf("network %.60q %w", name, appliance.ErrNotFound), "network:list shows those that apps can share; network:create makes one")
}

func (n networks) create(ctx context.Context, c *Call) error {
	name, err := parseNetwork(c.Args[0])
	if err != nil {
		return err
	}
	if err := n.Engine.CreateNetwork(ctx, name); err != nil {
		return err
	}
	fmt.Fprintf(c.Stdout, "-----> Creating network %s\n", name)
	return nil
}

func (n networks) destroy(ctx context.Context, c *Call) error {
	network, err := n.find(ctx, c.Args[0])
	if err != nil {
		return err
	}
	users, err := n.users(ctx, network.Name)
	if err != nil {
		return err
	}
	if len(users) > 0 {
		return appliance.WithHint(fmt.Errorf("network %s %w: %s would not start without it", network.Name, appliance.ErrBusy, strings.Join(users, ", ")),
			fmt.Sprintf("take it from them first, and restart them: network:set %s attach-post-create", users[0]))
	}
	if !c.Bool("force") {
		if err := confirm(c, "network "+network.Name, network.Name, "network:destroy "+network.Name); err != nil {
			return err
		}
	}
	if err := n.Engine.RemoveNetwork(ctx, network.Name); err != nil {
		return appliance.WithHint(err, "something still runs on it: ps:restart the apps that had it")
	}
	fmt.Fprintf(c.Stdout, "-----> Destroying network %s\n", network.Name)
	return nil
}

// users are the apps that a network is set for.
func (n networks) users(ctx context.Context, name string) (users []string, err error) {
	apps, err := n.Store.Apps(ctx)
	if err != nil {
		return nil, err
	}
	for _, app := range apps {
		list, initial, err := n.of(ctx, app.Name)
		if err != nil {
			return nil, err
		}
		if initial == name || slices.Contains(list, name) {
			users = append(users, string(app.Name))
		}
	}
	return users, nil
}

// of returns the networks that are set for an app.
func (n networks) of(ctx context.Context, app appliance.AppName) (list []string, initial string, err error) {
	if list, err = n.List(ctx, app, pipeline.NetworksSetting); err != nil {
		return nil, "", err
	}
	initial, err = n.Store.AppSetting(ctx, app, pipeline.InitialNetworkSetting)
	return list, initial, err
}

func (n networks) exists(ctx context.Context, c *Call) error {
	_, err := n.find(ctx, c.Args[0])
	if err == nil {
		fmt.Fprintln(c.Stdout, "Network exists")
	}
	return err
}

func (n networks) info(ctx context.Context, c *Call) error {
	network, err := n.find(ctx, c.Args[0])
	if err != nil {
		return err
	}
	users, err := n.users(ctx, network.Name)
	if err != nil {
		return err
	}
	return c.Report(network.Name+" network information", properties{
		{"id", network.ID}, {"name", network.Name}, {"driver", "bridge"}, {"scope", "local"}, {"subnet", network.Subnet},
		{"created-at", network.Created.Format(time.RFC3339)}, {"apps", strings.Join(users, " ")},
	})
}

func (n networks) list(ctx context.Context, c *Call) error {
	list, err := n.Engine.Networks(ctx)
	if err != nil {
		return err
	}
	var rows []string
	for _, network := range list {
		rows = append(rows, network.Name)
	}
	return c.List("Networks", append([]appliance.Network{}, list...), rows)
}

func (n networks) report(ctx context.Context, c *Call) error {
	list, initial, err := n.of(ctx, c.App)
	if err != nil {
		return err
	}
	return c.Report(string(c.App)+" network information", properties{
		{"network-attach-post-create", strings.Join(list, ",")}, {"network-initial-network", initial}, {"network-own", n.Service(c.App)},
	})
}

func (n networks) set(ctx context.Context, c *Call) error {
	property, names := c.Args[1], slices.DeleteFunc(c.Args[2:], func(s string) bool { return s == "" })
	known := []string{"attach-post-create", "attach-post-deploy", "initial-network"}
	if !slices.Contains(known, property) {
		return unknownProperty(property, known...)
	}
	for _, name := range names {
		if _, err := n.find(ctx, name); err != nil {
			return err
		}
	}
	if property == "initial-network" {
		if len(names) > 1 {
			return fmt.Errorf("%w: initial-network is one network", appliance.ErrInvalid)
		}
		if err := n.Store.SetApp(ctx, c.App, pipeline.InitialNetworkSetting, strings.Join(names, "")); err != nil {
			return err
		}
	} else if err := n.KeepList(ctx, c.App, pipeline.NetworksSetting, names); err != nil {
		return err
	}
	if len(names) == 0 {
		fmt.Fprintf(c.Stdout, "=====> Unsetting %s of %s\n", property, c.App)
		return nil
	}
	fmt.Fprintf(c.Stdout, "=====> Setting %s of %s to %s\n       it is on it from the next deploy or ps:restart on\n", property, c.App, strings.Join(names, " "))
	return nil
}

// attach adds to what network:set sets as a whole.
func (n networks) attach(ctx context.Context, c *Call) error {
	list, err := n.List(ctx, c.App, pipeline.NetworksSetting)
	if err != nil {
		return err
	}
	for _, name := range c.Args[1:] {
		if _, err := n.find(ctx, name); err != nil {
			return err
		}
		if !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return n.join(ctx, c, list)
}

func (n networks) detach(ctx context.Context, c *Call) error {
	list, err := n.List(ctx, c.App, pipeline.NetworksSetting)
	if err != nil {
		return err
	}
	for _, name := range c.Args[1:] {
		i := slices.Index(list, name)
		if i < 0 {
			return appliance.WithHint(fmt.Errorf("network %.60q of %s %w", name, c.App, appliance.ErrNotFound), "network:report "+string(c.App)+" shows them")
		}
		list = slices.Delete(list, i, i+1)
	}
	return n.join(ctx, c, list)
}

// join keeps which networks an app is on, and says so.
func (n networks) join(ctx context.Context, c *Call, list []string) error {
	if err := n.KeepList(ctx, c.App, pipeline.NetworksSetting, list); err != nil {
		return err
	}
	on := "no network but its own"
	if len(list) > 0 {
		on = strings.Join(list, ", ") + " besides its own"
	}
	fmt.Fprintf(c.Stdout, "-----> %s is on %s from the next deploy or ps:restart on\n", c.App, on)
	return nil
}

func (n networks) rebuild(ctx context.Context, c *Call) error {
	if c.Bool("quiet") {
		return nil
	}
	fmt.Fprintf(c.Stdout, "-----> Nothing to do: ps:restart %s has its containers join its networks anew\n", c.App)
	return nil
}

func (n networks) rebuildAll(ctx context.Context, c *Call) error {
	if c.Bool("quiet") {
		return nil
	}
	fmt.Fprintln(c.Stdout, "-----> Nothing to do: ps:restart --all has all containers join their networks anew")
	return nil
}
