package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/db"
)

// eventCommands are those about the audit trail.
func (l logs) eventCommands() []Command {
	flags := func(fs *pflag.FlagSet) {
		listing(fs)
		fs.IntP("num", "n", 50, "the last so many; 0 for all there are")
		fs.BoolP("tail", "t", false, "go on showing them")
		fs.String("actor", "", "of one key, or berth")
		fs.String("action", "", "of one command or stage, as config:set; config is for all that begins so")
		fs.String("since", "", "since then: 10m, 2d, 2026-11-27T10:00:00Z")
		fs.Bool("failed", false, "only what went wrong, or was refused")
	}
	return []Command{
		{Name: "events", Args: "[<app>]", Short: "show who did what", For: Viewer, Reads: true, Past: true, Run: l.events, Flags: flags},
		{Name: "events:list", Args: "[<app>]", Short: "the same as events", For: Viewer, Reads: true, Past: true, Run: l.events, Flags: flags},
		{Name: "events:on", Short: "do nothing: events are always kept", For: Anyone, Reads: true, Run: l.eventsOn},
		{Name: "events:off", Short: "fail: events are always kept", Run: l.eventsOff},
		{Name: "events:set", Args: "<event-property> [<value>]", Short: "set how many events are kept: keep; no value takes it back", Run: l.setEvents, Flags: global},
	}
}

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
	q := appliance.EventQuery{App: c.App, Failed: c.Bool("failed")}
	q.Last, _ = c.Flags.GetInt("num")
	q.Actor, _ = c.Flags.GetString("actor")
	q.Action, _ = c.Flags.GetString("action")
	if q.Last < 0 {
		return fmt.Errorf("%w: --num is how many events: 0 for all there are", ErrUsage)
	}
	if since, _ := c.Flags.GetString("since"); since != "" {
		var err error
		if q.Since, err = moment(since, time.Now()); err != nil {
			return err
		}
		if !c.Flags.Changed("num") {
			q.Last = 0
		}
	}
	// Before the store is asked, so that nothing is missed in between.
	more := l.Store.Recorded()
	events, err := l.Store.FindEvents(ctx, q)
	if err != nil {
		return err
	}
	list, rows := []eventRow{}, []string{}
	for _, e := range events {
		list, rows = append(list, newEventRow(e)), append(rows, eventLine(e))
	}
	if !c.Bool("tail") {
		return c.List("", list, rows)
	}
	return l.follow(ctx, c, q, events, more)
}

// follow shows events, and those that come.
func (l logs) follow(ctx context.Context, c *Call, q appliance.EventQuery, events []appliance.Event, more <-chan struct{}) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	to := json.NewEncoder(c.Stdout)
	q.Last = 0
	for {
		for _, e := range events {
			q.After = e.ID
			if asJSON {
				err = to.Encode(newEventRow(e))
			} else {
				_, err = fmt.Fprintln(c.Stdout, eventLine(e))
			}
			if err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-more:
		}
		more = l.Store.Recorded()
		if events, err = l.Store.FindEvents(ctx, q); err != nil {
			return err
		}
	}
}

func newEventRow(e appliance.Event) eventRow {
	return eventRow{e.At, e.Actor, string(e.Door), e.From, string(e.App), e.Action, e.Detail, e.Error}
}

func eventLine(e appliance.Event) string {
	result := "ok"
	if e.Error != "" {
		result = e.Error
	}
	if host, _, err := net.SplitHostPort(e.From); err == nil {
		result += " (from " + host + ")"
	}
	return fmt.Sprintf("%s %-16s %-6s %-16s %-20s %s: %s", e.At.Format(time.RFC3339), e.Actor, e.Door, e.App, e.Action, e.Detail, result)
}

// eventsOn is Dokku's, which keeps no events until it is told to.
func (l logs) eventsOn(ctx context.Context, c *Call) error {
	if !c.Bool("quiet") {
		fmt.Fprintln(c.Stdout, "-----> Nothing to do: events are always kept")
	}
	return nil
}

// eventsOff refuses: a trail that who has something to hide can stop is none.
func (l logs) eventsOff(ctx context.Context, c *Call) error {
	return appliance.WithHint(errors.New("events cannot be turned off: who did what is always kept"), "events:set keep <n> says how many")
}

// The bounds of how many events can be kept.
const (
	leastEvents = 1000
	mostEvents  = 10_000_000
)

func (l logs) setEvents(ctx context.Context, c *Call) error {
	property, value := c.Args[0], strings.Join(c.Args[1:], "")
	if property != "keep" {
		return unknownProperty(property, "keep")
	}
	if n, err := strconv.Atoi(value); value != "" && (err != nil || n < leastEvents || n > mostEvents) {
		return fmt.Errorf("%w keep %.40q: give a number from %d to %d", appliance.ErrInvalid, value, leastEvents, mostEvents)
	}
	if err := l.Store.Set(ctx, db.EventsKeepSetting, value); err != nil {
		return err
	}
	if err := l.Store.PruneEvents(ctx); err != nil {
		return err
	}
	if value == "" {
		fmt.Fprintf(c.Stdout, "=====> Keeping the last %d events again\n", db.DefaultEventsKeep)
		return nil
	}
	fmt.Fprintf(c.Stdout, "=====> Keeping the last %s events\n", value)
	return nil
}
