package command

import (
	"context"
	"fmt"
	"strconv"

	"github.com/berthhq/berth/appliance/pipeline"
)

type api struct {
	*pipeline.Pipeline
}

// API returns the commands about the HTTP door.
func API(p *pipeline.Pipeline) []Command {
	a := api{p}
	return []Command{
		{Name: "api:enable", Args: "[<host>]", Short: "answer commands over HTTPS, at a host of their own", Run: a.enable},
		{Name: "api:disable", Short: "answer commands over SSH only", Run: a.disable},
		{Name: "api:report", Short: "say where commands are answered over HTTPS", For: Anyone, Reads: true, Run: a.report, Flags: listing},
	}
}

func (a api) enable(ctx context.Context, c *Call) error {
	var host string
	if len(c.Args) > 0 {
		host = c.Args[0]
	}
	host, err := a.EnableAPI(ctx, host)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.Stdout, "-----> Commands are answered at %s\n", a.Addresses.URL(host))
	fmt.Fprintln(c.Stdout, "       tokens:create makes a token to ask with")
	return nil
}

func (a api) disable(ctx context.Context, c *Call) error {
	if err := a.DisableAPI(ctx); err != nil {
		return err
	}
	fmt.Fprintln(c.Stdout, "-----> Commands are answered over SSH only")
	return nil
}

func (a api) report(ctx context.Context, c *Call) error {
	host, err := a.Store.Setting(ctx, pipeline.APIHostSetting)
	if err != nil {
		return err
	}
	url := ""
	if host != "" {
		url = a.Addresses.URL(host)
	}
	return c.Report("api information", properties{{"enabled", strconv.FormatBool(host != "")}, {"url", url}})
}
