package command

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
	"github.com/berthhq/berth/router"
)

func maintenance(d door) []Command {
	return []Command{
		{Name: "maintenance:on", Args: "<app>", Short: "answer every visitor of an app with a page that says to come again", For: Deployer, Run: d.maintenanceOn},
		{Name: "maintenance:off", Args: "<app>", Short: "let visitors in again", For: Deployer, Run: d.maintenanceOff},
		{Name: "maintenance:enable", Args: "<app>", Short: "maintenance:on, as Dokku calls it", For: Deployer, Run: d.maintenanceOn},
		{Name: "maintenance:disable", Args: "<app>", Short: "maintenance:off, as Dokku calls it", For: Deployer, Run: d.maintenanceOff},
		{Name: "maintenance:report", Args: "<app>", Short: "show whether an app is in maintenance", For: Viewer, Reads: true, Run: d.maintenanceReport, Flags: listing},
		{Name: "maintenance:custom-page", Args: "<app>", Short: "read the page for visitors from stdin", For: Manager, Run: d.maintenancePage},
		{Name: "maintenance:custom-page-export", Args: "<app>", Short: "print the page that was set for visitors", For: Viewer, Reads: true, Run: d.maintenancePageExport},
		{Name: "maintenance:custom-page-remove", Args: "<app>", Short: "show the router's own page again", For: Manager, Run: d.maintenancePageRemove},
		{Name: "maintenance:set", Args: "<app> <maintenance-property> [<value>]", Short: "set retry-after, when visitors are to come again; no value takes it back", For: Manager, Run: d.maintenanceSet},
		{Name: "maintenance:add-allowed-ip", Args: "<app> <ip>...", Short: "let an address or network in all the same", For: Manager, Run: d.maintenanceAllow},
		{Name: "maintenance:remove-allowed-ip", Args: "<app> <ip>...", Short: "take that back", For: Manager, Run: d.maintenanceDisallow},
	}
}

// maintain changes what holds for an app in maintenance, and says so.
func (d door) maintain(ctx context.Context, c *Call, done string, change func(*router.Maintenance) error) error {
	if err := pipeline.ChangeDoor(ctx, d.Pipeline, c.App, pipeline.MaintenanceSetting, change); err != nil {
		return err
	}
	fmt.Fprintf(c.Stdout, "=====> %s\n", done)
	return nil
}

func (d door) maintenanceOn(ctx context.Context, c *Call) error {
	return d.maintain(ctx, c, fmt.Sprintf("%s is in maintenance", c.App), func(m *router.Maintenance) error {
		m.On = true
		return nil
	})
}

func (d door) maintenanceOff(ctx context.Context, c *Call) error {
	return d.maintain(ctx, c, fmt.Sprintf("%s is open again", c.App), func(m *router.Maintenance) error {
		m.On = false
		return nil
	})
}

func (d door) maintenancePage(ctx context.Context, c *Call) error {
	page, err := readPage(c)
	if err != nil {
		return err
	}
	return d.maintain(ctx, c, fmt.Sprintf("Setting the maintenance page of %s (%d bytes)", c.App, len(page)), func(m *router.Maintenance) error {
		m.HTML = page
		return nil
	})
}

func (d door) maintenancePageExport(ctx context.Context, c *Call) error {
	m, err := pipeline.Kept[router.Maintenance](ctx, d.Pipeline, c.App, pipeline.MaintenanceSetting)
	if err != nil {
		return err
	}
	if m.HTML == "" {
		return appliance.WithHint(fmt.Errorf("maintenance page of %s %w", c.App, appliance.ErrNotFound), "visitors are shown the router's own: maintenance:custom-page "+string(c.App)+" < page.html sets another")
	}
	_, err = io.WriteString(c.Stdout, m.HTML)
	return err
}

func (d door) maintenancePageRemove(ctx context.Context, c *Call) error {
	return d.maintain(ctx, c, fmt.Sprintf("Unsetting the maintenance page of %s", c.App), func(m *router.Maintenance) error {
		m.HTML = ""
		return nil
	})
}

// maxRetryAfter is the longest that a visitor may be told to stay away: search
// engines forget a page that is away for longer.
const maxRetryAfter = 7 * 24 * time.Hour

func (d door) maintenanceSet(ctx context.Context, c *Call) error {
	name, value := c.Args[1], strings.Join(c.Args[2:], "")
	if name != "retry-after" {
		return unknownProperty(name, "retry-after")
	}
	var wait time.Duration
	done := fmt.Sprintf("Unsetting retry-after of %s", c.App)
	if value != "" {
		var err error
		if n, notNumber := strconv.Atoi(value); notNumber == nil && n < 1e6 {
			wait = time.Duration(n) * time.Second
		} else if wait, err = time.ParseDuration(value); err != nil {
			wait = 0
		}
		if wait < time.Second || wait > maxRetryAfter {
			return fmt.Errorf("%w time %.40q: write it as 90s, 30m or 2h, from 1s to 168h", appliance.ErrInvalid, value)
		}
		done = fmt.Sprintf("Setting retry-after of %s to %s", c.App, value)
	}
	return d.maintain(ctx, c, done, func(m *router.Maintenance) error {
		m.RetryAfter = wait
		return nil
	})
}

func (d door) maintenanceAllow(ctx context.Context, c *Call) error {
	return d.maintain(ctx, c, fmt.Sprintf("Letting %s in during maintenance of %s", strings.Join(c.Args[1:], ", "), c.App), func(m *router.Maintenance) error {
		return allow(&m.Allow, c.Args[1:])
	})
}

func (d door) maintenanceDisallow(ctx context.Context, c *Call) error {
	return d.maintain(ctx, c, fmt.Sprintf("No longer letting %s in during maintenance of %s", strings.Join(c.Args[1:], ", "), c.App), func(m *router.Maintenance) error {
		return disallow(&m.Allow, c.Args[1:])
	})
}

func (d door) maintenanceReport(ctx context.Context, c *Call) error {
	m, err := pipeline.Kept[router.Maintenance](ctx, d.Pipeline, c.App, pipeline.MaintenanceSetting)
	if err != nil {
		return err
	}
	page := ""
	if m.HTML != "" {
		page = fmt.Sprintf("%d bytes", len(m.HTML))
	}
	again := ""
	if m.RetryAfter > 0 {
		again = fmt.Sprintf("%ds", int(m.RetryAfter.Seconds()))
	}
	return c.Report(string(c.App)+" maintenance information", properties{
		{"maintenance-enabled", strconv.FormatBool(m.On)}, {"maintenance-custom-page", page}, {"maintenance-allowed-ips", strings.Join(m.Allow, " ")},
		{"maintenance-retry-after", again},
	})
}

// maxAllowed is how many addresses and networks a list may have.
const maxAllowed = 500

// allow adds addresses and networks to a list. Whether they are any is
// checked with the rest of the policy.
func allow(list *[]string, more []string) error {
	for _, ip := range more {
		if !slices.Contains(*list, ip) {
			*list = append(*list, ip)
		}
	}
	if len(*list) > maxAllowed {
		return fmt.Errorf("%w number of addresses: more than %d", appliance.ErrInvalid, maxAllowed)
	}
	return nil
}

func disallow(list *[]string, less []string) error {
	for _, ip := range less {
		i := slices.Index(*list, ip)
		if i < 0 {
			return fmt.Errorf("allowed address %.60q %w; there are: %s", ip, appliance.ErrNotFound, strings.Join(*list, " "))
		}
		*list = slices.Delete(*list, i, i+1)
	}
	return nil
}
