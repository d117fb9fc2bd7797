package pipeline

import (
	"cmp"
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/logs"
)

// A LogProperty is a bound of what is kept of the logs: logs:set sets it.
type LogProperty struct {
	Name    string
	Setting string
	Help    string
	Machine bool // it is the machine's only

	parse func(string) (int64, error)
	show  func(int64) string
	of    func(logs.Bounds) int64
	own   func(*logs.AppBounds, int64)
	set   func(*logs.Bounds, int64)
}

// LogProperties are all there are.
var LogProperties = []LogProperty{
	{
		Name: "max-size", Setting: "logs-max-size", Help: "how much is kept of an app, as 64m",
		parse: func(s string) (int64, error) { return parseSize(s, mb) }, show: short,
		of:  func(b logs.Bounds) int64 { return b.Size },
		own: func(b *logs.AppBounds, n int64) { b.Size = n },
		set: func(b *logs.Bounds, n int64) { b.Size = n },
	},
	{
		Name: "retention", Setting: "logs-retention", Help: "for how long, as 30d",
		parse: func(s string) (int64, error) { d, err := parseDays(s); return int64(d), err },
		show:  func(n int64) string { return showDays(time.Duration(n)) },
		of:    func(b logs.Bounds) int64 { return int64(b.Age) },
		own:   func(b *logs.AppBounds, n int64) { b.Age = time.Duration(n) },
		set:   func(b *logs.Bounds, n int64) { b.Age = time.Duration(n) },
	},
	{
		Name: "max-total", Setting: "logs-max-total", Help: "how much is kept of all apps, as 2g", Machine: true,
		parse: func(s string) (int64, error) { return parseSize(s, 16*mb) }, show: short,
		of:  func(b logs.Bounds) int64 { return b.Total },
		set: func(b *logs.Bounds, n int64) { b.Total = n },
	},
}

// Check returns nil for a value that the property can have.
func (l LogProperty) Check(value string) error {
	_, err := l.parse(value)
	return err
}

// Show returns what holds, in words.
func (l LogProperty) Show(b logs.Bounds) string { return l.show(l.of(b)) }

// Exceeds reports whether a value, which Check has passed, is more than what
// holds for the machine.
func (l LogProperty) Exceeds(value string, machine logs.Bounds) bool {
	n, err := l.parse(value)
	return err != nil || n > l.of(machine)
}

// parseDays reads a time of hours or days: 12h, 30d.
func parseDays(s string) (time.Duration, error) {
	text, unit := s, time.Hour
	if days, ok := strings.CutSuffix(s, "d"); ok {
		text, unit = days, 24*time.Hour
	} else {
		text = strings.TrimSuffix(s, "h")
	}
	n, err := strconv.Atoi(text)
	if err != nil || text == s || n < 1 || n > 3660 {
		return 0, errors.New("write it as 30d or 12h")
	}
	return time.Duration(n) * unit, nil
}

func showDays(d time.Duration) string {
	if d%(24*time.Hour) == 0 {
		return strconv.Itoa(int(d/(24*time.Hour))) + "d"
	}
	return strconv.Itoa(int(d/time.Hour)) + "h"
}

// ApplyLogBounds has the archive keep what settings say.
func (p *Pipeline) ApplyLogBounds(ctx context.Context) error {
	b := logs.DefaultBounds
	b.Apps = map[appliance.AppName]logs.AppBounds{}
	for _, l := range LogProperties {
		value, err := p.Store.Setting(ctx, l.Setting)
		if err != nil {
			return err
		}
		if n, err := l.parse(value); value != "" && err == nil {
			l.set(&b, n)
		}
		if l.Machine {
			continue
		}
		values, err := p.Store.AppSettings(ctx, l.Setting)
		if err != nil {
			return err
		}
		for app, value := range values {
			if n, err := l.parse(value); err == nil {
				handle := p.handle(app)
				own := b.Apps[handle]
				l.own(&own, n)
				b.Apps[handle] = own
			}
		}
	}
	p.Logs.SetBounds(b)
	return nil
}

// LogBounds returns what holds for an app, or for "" for the machine.
func (p *Pipeline) LogBounds(app appliance.AppName) logs.Bounds {
	b := p.Logs.Bounds()
	if app == "" {
		return b
	}
	own := b.Of(p.handle(app))
	b.Size, b.Age = cmp.Or(own.Size, b.Size), cmp.Or(own.Age, b.Age)
	return b
}
