package command

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
	"github.com/berthhq/berth/router"
)

func redirects(d door) []Command {
	return []Command{
		{Name: "redirects", Args: "<app>", Short: "list where an app's visitors are sent elsewhere", For: Viewer, Reads: true, Run: d.redirects, Flags: listing},
		{Name: "redirects:report", Args: "<app>", Short: "list where an app's visitors are sent elsewhere", For: Viewer, Reads: true, Run: d.redirects, Flags: listing},
		{Name: "redirects:set", Args: "<app> <source> <destination> [<status>]", Short: "send visitors of a host or path elsewhere: www.example.org example.org, /old/* /new/*", For: Manager, Run: d.setRedirect},
		{Name: "redirects:unset", Args: "<app> <source>", Short: "stop sending them elsewhere", For: Manager, Run: d.unsetRedirect},
	}
}

// maxRedirects is how many an app may have: each request is compared with
// them.
const maxRedirects = 500

// permanent is the status of a redirect that is given none, as in Dokku.
const permanent = 301

func (d door) setRedirect(ctx context.Context, c *Call) error {
	redirect := router.Redirect{From: c.Args[1], To: c.Args[2]}
	if len(c.Args) > 3 {
		status, err := strconv.Atoi(c.Args[3])
		if err != nil || status < 301 { // the router knows which of the others are none
			return fmt.Errorf("%w status %.20q: give 301, 302, 303, 307 or 308", appliance.ErrInvalid, c.Args[3])
		}
		redirect.Status = status
	}
	err := pipeline.ChangeDoor(ctx, d.Pipeline, c.App, pipeline.RedirectsSetting, func(list *[]router.Redirect) error {
		i := slices.IndexFunc(*list, func(r router.Redirect) bool { return r.From == redirect.From })
		if i < 0 {
			i = len(*list)
			*list = append(*list, redirect)
		}
		(*list)[i] = redirect
		if len(*list) > maxRedirects {
			return fmt.Errorf("%w number of redirects: more than %d", appliance.ErrInvalid, maxRedirects)
		}
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(c.Stdout, "=====> Redirecting %s to %s (%d)\n", redirect.From, redirect.To, cmp.Or(redirect.Status, permanent))
	return d.warnOfHost(ctx, c, redirect)
}

// warnOfHost tells about a redirect for a host that does not lead to the app:
// nobody will ever meet it.
func (d door) warnOfHost(ctx context.Context, c *Call, r router.Redirect) error {
	host, _, _ := strings.Cut(r.From, "/")
	hosts, err := d.Hosts(ctx, c.App)
	if err != nil || host == "" {
		return err
	}
	host, _, _ = strings.Cut(strings.ToLower(host), ":")
	if slices.Contains(hosts, host) {
		return nil
	}
	if _, parent, ok := strings.Cut(host, "."); ok && slices.Contains(hosts, "*."+parent) {
		return nil
	}
	fmt.Fprintf(c.Stderr, " !     %s does not lead to %s yet: domains:add %s %s\n", host, c.App, c.App, host)
	return nil
}

func (d door) unsetRedirect(ctx context.Context, c *Call) error {
	err := pipeline.ChangeDoor(ctx, d.Pipeline, c.App, pipeline.RedirectsSetting, func(list *[]router.Redirect) error {
		i := slices.IndexFunc(*list, func(r router.Redirect) bool { return r.From == c.Args[1] })
		if i < 0 {
			return appliance.WithHint(fmt.Errorf("redirect of %.200q %w", c.Args[1], appliance.ErrNotFound), fmt.Sprintf("redirects %s lists them", c.App))
		}
		*list = slices.Delete(*list, i, i+1)
		return nil
	})
	if err == nil {
		fmt.Fprintf(c.Stdout, "=====> No longer redirecting %s\n", c.Args[1])
	}
	return err
}

// A redirectRow is a redirect as scripts are shown it.
type redirectRow struct {
	Source      string `json:"source"`
	Destination string `json:"destination"`
	Status      int    `json:"status"`
}

func (d door) redirects(ctx context.Context, c *Call) error {
	all, err := pipeline.Kept[[]router.Redirect](ctx, d.Pipeline, c.App, pipeline.RedirectsSetting)
	if err != nil {
		return err
	}
	list, rows := []redirectRow{}, []string{}
	for _, r := range all {
		row := redirectRow{r.From, r.To, cmp.Or(r.Status, permanent)}
		list = append(list, row)
		rows = append(rows, fmt.Sprintf("%-31s %-31s %d", row.Source, row.Destination, row.Status))
	}
	return c.List(string(c.App)+" redirects", list, rows)
}
