package command

import (
	"context"
	"fmt"
	"time"
)

// An eventRow is an event as scripts are shown it.
type eventRow struct {
	At     time.Time `json:"at"`
	Actor  string    `json:"actor"`
	Door   string    `json:"door"`
	From   string    `json:"from,omitempty"`
	App    string    `json:"app,omitempty"`
	Action string    `json:"action"`
	Detail string    `json:"detail,omitempty"`
	Error  string    `json:"error,omitempty"`
}

func (l logs) events(ctx context.Context, c *Call) error {
	num, _ := c.Flags.GetInt("num")
	events, err := l.Store.Events(ctx, c.App, num)
	if err != nil {
		return err
	}
	list, rows := []eventRow{}, []string{}
	for _, e := range events {
		list = append(list, eventRow{e.At, e.Actor, string(e.Door), e.From, string(e.App), e.Action, e.Detail, e.Error})
		result := "ok"
		if e.Error != "" {
			result = e.Error
		}
		rows = append(rows, fmt.Sprintf("%s %-16s %-6s %-16s %-20s %s: %s", e.At.Format(time.RFC3339), e.Actor, e.Door, e.App, e.Action, e.Detail, result))
	}
	return c.List("", list, rows)
}
