package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/berthhq/berth/appliance"
)

// A ProcessLimit is a limit of an app's processes, or what is reserved for
// them. Settings begin with "process-limit-" or "process-reserve-".
type ProcessLimit struct {
	Name string // as in resource:limit --memory
	set  func(*contained, string) error
}

// ProcessLimits are the limits that there are, and ProcessReserves what can be
// reserved.
var (
	ProcessLimits = []ProcessLimit{
		{"cpu", func(c *contained, s string) (err error) { c.CPUs, err = parseCPUs(s); return err }},
		{"memory", func(c *contained, s string) (err error) { c.Memory, err = parseSize(s, 6*mb); return err }},
		{"memory-swap", func(c *contained, s string) (err error) { c.MemorySwap, err = parseSize(s, 6*mb); return err }},
		{"pids", func(c *contained, s string) (err error) { c.Pids, err = parseCount(s, 8, 1<<20); return err }},
	}
	ProcessReserves = []ProcessLimit{
		{"memory", func(c *contained, s string) (err error) { c.ReservedMemory, err = parseSize(s, 6*mb); return err }},
	}
)

// Check reports whether value is one for the limit.
func (l ProcessLimit) Check(value string) error {
	if err := l.set(new(contained), value); err != nil {
		return appliance.WithHint(fmt.Errorf("%w %s %.40q", appliance.ErrInvalid, l.Name, value), err.Error())
	}
	return nil
}

// The kinds of what is set for processes.
const (
	LimitKind   = "limit"
	ReserveKind = "reserve"
)

// Setting is where the store keeps a limit of a process type, or of all types
// for "".
func (l ProcessLimit) Setting(kind, typ string) string {
	return OfType("process-"+kind+"-"+l.Name, typ)
}

// LimitsOf returns the limits of a kind.
func LimitsOf(kind string) []ProcessLimit {
	if kind == ReserveKind {
		return ProcessReserves
	}
	return ProcessLimits
}

// setLimits sets what processes of a type may take: what was set for the type,
// else for all types of the app, else for all apps.
func (p *Pipeline) setLimits(ctx context.Context, c *contained, app appliance.AppName, typ string) error {
	for _, kind := range []string{LimitKind, ReserveKind} {
		for _, l := range LimitsOf(kind) {
			value, err := p.processLimit(ctx, l, kind, app, typ)
			if err == nil && value != "" {
				err = l.set(c, value)
			}
			if err != nil {
				return fmt.Errorf("%s %s: %w", kind, l.Name, err)
			}
		}
	}
	return nil
}

func (p *Pipeline) processLimit(ctx context.Context, l ProcessLimit, kind string, app appliance.AppName, typ string) (string, error) {
	value, err := p.Store.AppSetting(ctx, app, l.Setting(kind, typ))
	if err != nil || value != "" {
		return value, err
	}
	if typ != "" {
		return p.processLimit(ctx, l, kind, app, "")
	}
	return p.Store.Setting(ctx, l.Setting(kind, ""))
}

// refused is the error for an option that is never taken, with the reason.
func refused(reason string) error { return errors.New(strings.TrimSpace(reason)) }
