package command

import (
	"context"
	"fmt"
	"strconv"
)

// traceCommands are those about how much the daemon's log tells.
func (h host) traceCommands() []Command {
	return []Command{
		{Name: "trace:on", Short: "have the daemon's log tell every step of its work", Run: h.traceOn},
		{Name: "trace:off", Short: "have it tell only what matters", Run: h.traceOff},
		{Name: "trace:report", Short: "show how much the daemon's log tells", Reads: true, Run: h.traceReport, Flags: listing},
	}
}

func (h host) traceOn(ctx context.Context, c *Call) error {
	if err := h.Trace(ctx, true); err != nil {
		return err
	}
	_, err := fmt.Fprintln(c.Stdout, "-----> Enabling trace mode")
	return err
}

func (h host) traceOff(ctx context.Context, c *Call) error {
	if err := h.Trace(ctx, false); err != nil {
		return err
	}
	_, err := fmt.Fprintln(c.Stdout, "-----> Disabling trace mode")
	return err
}

func (h host) traceReport(ctx context.Context, c *Call) error {
	on, err := h.Traced(ctx)
	if err != nil {
		return err
	}
	return c.Report("trace information", properties{{"trace-enabled", strconv.FormatBool(on)}})
}
