package command

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

type ports struct {
	*pipeline.Pipeline
}

// Ports returns the commands about the port on which an app's web processes are
// reached. The router has 80 and 443 of the machine, for all apps: what can be
// chosen is the port inside, which is what PORT says.
func Ports(p *pipeline.Pipeline) []Command {
	o := ports{p}
	return []Command{
		{Name: "ports:list", Args: "<app>", Short: "list the ports of an app", For: Viewer, Reads: true, Run: o.list, Flags: listing},
		{Name: "ports:report", Args: "<app>", Short: "show the ports of an app", For: Viewer, Reads: true, Run: o.report, Flags: listing},
		{Name: "ports:set", Args: "<app> <mapping>...", Short: "say which port web listens on, as http:80:5000", For: Deployer, Run: o.set, Flags: noRestart},
		{Name: "ports:add", Args: "<app> <mapping>...", Short: "the same as ports:set", For: Deployer, Run: o.set, Flags: noRestart},
		{Name: "ports:remove", Args: "<app> <mapping>...", Short: "take the port back that was set", For: Deployer, Run: o.remove, Flags: noRestart},
		{Name: "ports:clear", Args: "<app>", Short: "take the port back that was set", For: Deployer, Run: o.clear, Flags: noRestart},
	}
}

// A portMapping is one way in.
type portMapping struct {
	Scheme    string `json:"scheme"`
	Host      int    `json:"host_port"`
	Container int    `json:"container_port"`
}

func (m portMapping) String() string { return fmt.Sprintf("%s:%d:%d", m.Scheme, m.Host, m.Container) }

// parseMapping reads "http:80:5000". What the router does not listen on is
// refused, rather than kept without effect.
func parseMapping(s string) (m portMapping, err error) {
	scheme, rest, _ := strings.Cut(s, ":")
	host, container, ok := strings.Cut(rest, ":")
	to, toErr := appliance.ParsePort(container)
	from, fromErr := appliance.ParsePort(host)
	usual := map[string]int{"http": 80, "https": 443}
	switch {
	case !ok || toErr != nil || fromErr != nil:
		return m, appliance.WithHint(fmt.Errorf("%w port mapping %.60q", appliance.ErrInvalid, s), "write it as scheme:host-port:container-port, as in http:80:5000")
	case usual[scheme] == 0:
		return m, appliance.WithHint(fmt.Errorf("%w port mapping %s: the router speaks HTTP only", appliance.ErrInvalid, s),
			"use http or https; gRPC and WebSockets come by https too")
	case usual[scheme] != from:
		return m, appliance.WithHint(fmt.Errorf("%w port mapping %s: all apps are on port 80 for http and 443 for https, told apart by their domains", appliance.ErrInvalid, s),
			fmt.Sprintf("give the app a domain instead (domains:add), and the port that it listens on as %s:%d:%d", scheme, usual[scheme], to))
	}
	return portMapping{scheme, from, to}, nil
}

// parseMappings returns the one port inside that mappings lead to.
func parseMappings(args []string) (port int, err error) {
	for _, arg := range args {
		m, err := parseMapping(arg)
		if err != nil {
			return 0, err
		}
		if port != 0 && m.Container != port {
			return 0, appliance.WithHint(fmt.Errorf("%w port mappings: they lead to two ports, %d and %d", appliance.ErrInvalid, port, m.Container),
				"web is reached on one port; another process type can have its own by a check in app.json")
		}
		port = m.Container
	}
	return port, nil
}

// now returns the ports as they hold, and whether somebody has set them.
func (o ports) now(ctx context.Context, c *Call) (list []portMapping, set bool, err error) {
	port, set, err := o.WebPort(ctx, c.App)
	if err != nil {
		return nil, false, err
	}
	return []portMapping{{"http", 80, port}, {"https", 443, port}}, set, nil
}

func (o ports) list(ctx context.Context, c *Call) error {
	list, _, err := o.now(ctx, c)
	if err != nil {
		return err
	}
	rows := []string{"-----> scheme  host port  container port"}
	for _, m := range list {
		rows = append(rows, fmt.Sprintf("%-14s %-10d %d", m.Scheme, m.Host, m.Container))
	}
	if c.Bool("quiet") {
		rows = rows[1:]
	}
	return c.List("Port mappings for "+string(c.App), list, rows)
}

func (o ports) report(ctx context.Context, c *Call) error {
	list, set, err := o.now(ctx, c)
	if err != nil {
		return err
	}
	var own, detected string
	for _, m := range list {
		if set {
			own += m.String() + " "
		} else {
			detected += m.String() + " "
		}
	}
	return c.Report(string(c.App)+" ports information", properties{{"ports-map", strings.TrimSpace(own)}, {"ports-map-detected", strings.TrimSpace(detected)}})
}

func (o ports) set(ctx context.Context, c *Call) error {
	port, err := parseMappings(c.Args[1:])
	if err != nil {
		return err
	}
	return o.change(ctx, c, map[string]string{"PORT": strconv.Itoa(port)}, nil)
}

func (o ports) remove(ctx context.Context, c *Call) error {
	port, err := parseMappings(c.Args[1:])
	if err != nil {
		return err
	}
	now, set, err := o.WebPort(ctx, c.App)
	if err != nil {
		return err
	}
	if !set || now != port {
		return appliance.WithHint(fmt.Errorf("port mapping to %d of %s %w among those that were set", port, c.App, appliance.ErrNotFound), "ports:report "+string(c.App)+" shows them")
	}
	return o.clear(ctx, c)
}

func (o ports) clear(ctx context.Context, c *Call) error {
	return o.change(ctx, c, nil, []string{"PORT"})
}

func (o ports) change(ctx context.Context, c *Call, set map[string]string, unset []string) error {
	if err := o.Store.ChangeConfig(ctx, c.App, set, unset); err != nil {
		return err
	}
	if len(set) == 0 {
		fmt.Fprintf(c.Stdout, "-----> Clearing the port of %s: it is what its image says, or 5000\n", c.App)
	} else {
		fmt.Fprintf(c.Stdout, "-----> Setting PORT of %s to %s\n", c.App, set["PORT"])
	}
	if c.Bool("no-restart") {
		return nil
	}
	return o.Reconfigure(ctx, c.App, "ports:set", c.Stdout)
}
