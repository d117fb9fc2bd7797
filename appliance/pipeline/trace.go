package pipeline

import (
	"context"
	"log/slog"
)

// traceSetting is "true" if the daemon's log has every step of its work.
const traceSetting = "trace"

// Trace has the daemon's log tell every step of the work, or only what matters,
// from now on and after every restart.
func (p *Pipeline) Trace(ctx context.Context, on bool) error {
	value := ""
	if on {
		value = "true"
	}
	if err := p.Store.Set(ctx, traceSetting, value); err != nil {
		return err
	}
	return p.ApplyTrace(ctx)
}

// Traced tells whether the daemon's log has every step of the work.
func (p *Pipeline) Traced(ctx context.Context) (bool, error) {
	value, err := p.Store.Setting(ctx, traceSetting)
	return value == "true", err
}

// ApplyTrace has the log keep what was said to Trace last.
func (p *Pipeline) ApplyTrace(ctx context.Context) error {
	on, err := p.Traced(ctx)
	if err != nil || p.Level == nil {
		return err
	}
	level := slog.LevelInfo
	if on {
		level = slog.LevelDebug
	}
	p.Level.Set(level)
	return nil
}
