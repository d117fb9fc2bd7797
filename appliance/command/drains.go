package command

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/pflag"

	"github.com/berthhq/berth/appliance/drains"
)

// drainCommands are those about where lines of logs go too, by the names that
// Heroku has for them and by ours.
func (l logs) drainCommands() (list []Command) {
	for _, prefix := range []string{"logs:drains", "drains"} {
		list = append(list,
			Command{Name: prefix, Args: "<app>", Short: "list where an app's log goes too", For: Viewer, Reads: true, Run: l.drains, Flags: listing},
			Command{Name: prefix + ":add", Args: "<app> <drain-url>", Short: "send an app's log to a service: syslog+tls://…, syslog://…, syslog+udp://… or https://…", For: Deployer, Secret: true, Run: l.addDrain, Flags: func(fs *pflag.FlagSet) {
				fs.Bool("json", false, "by https: JSON, an object in each line, rather than syslog in batches as Logplex sends them")
				fs.String("only", "", "app: only what processes print; router: only the requests; both if it is not given")
			}},
			Command{Name: prefix + ":remove", Args: "<app> <drain-url>", Short: "end that, by its address or its id", For: Deployer, Secret: true, Run: l.removeDrain},
		)
	}
	return list
}

// A drainRow is a drain as scripts are shown it, without what may be secret.
type drainRow struct {
	ID      string `json:"id"`
	URL     string `json:"url"`
	Format  string `json:"format"`
	Only    string `json:"only,omitempty"`
	Sent    int64  `json:"sent"`
	Dropped int64  `json:"dropped"`
	Error   string `json:"error,omitempty"`
}

func (l logs) drains(ctx context.Context, c *Call) error {
	specs, err := l.ListDrains(ctx, c.App)
	if err != nil {
		return err
	}
	status := l.DrainStatus(c.App)
	list, rows := []drainRow{}, []string{}
	for _, s := range specs {
		now := status[s.ID]
		row := drainRow{ID: s.ID, URL: s.Masked(), Format: s.Format, Only: s.Only, Sent: now.Sent, Dropped: now.Dropped}
		if row.Format == "" {
			row.Format = "syslog"
		}
		kind := row.Format
		if s.Only != "" {
			kind += ", only " + s.Only
		}
		text := fmt.Sprintf("%s %s (%s) sent %d", s.ID, row.URL, kind, now.Sent)
		if now.Dropped > 0 {
			text += ", left out " + strconv.FormatInt(now.Dropped, 10)
		}
		if now.Err != nil {
			row.Error = now.Err.Error()
			text += ": " + row.Error
		}
		list, rows = append(list, row), append(rows, text)
	}
	return c.List(string(c.App)+" drains", list, rows)
}

func (l logs) addDrain(ctx context.Context, c *Call) error {
	format := ""
	if c.Bool("json") {
		format = drains.JSON
	}
	only, _ := c.Flags.GetString("only")
	spec, trouble, err := l.AddDrain(ctx, c.App, drains.Spec{URL: c.Args[1], Format: format, Only: only})
	if err != nil {
		return err
	}
	if trouble != nil {
		fmt.Fprintf(c.Stderr, " !     it cannot be reached now, and is tried again: %v\n", trouble)
	}
	fmt.Fprintf(c.Stdout, "-----> Added drain %s of %s to %s\n", spec.ID, c.App, spec.Masked())
	return nil
}

func (l logs) removeDrain(ctx context.Context, c *Call) error {
	spec, err := l.RemoveDrain(ctx, c.App, c.Args[1])
	if err != nil {
		return err
	}
	fmt.Fprintf(c.Stdout, "-----> Removed drain %s of %s to %s\n", spec.ID, c.App, spec.Masked())
	return nil
}
