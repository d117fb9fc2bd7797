package pipeline

import (
	"context"
	"strconv"
	"time"

	"github.com/berthhq/berth/appliance"
)

// Settings of an app about the end of its processes, in seconds.
const (
	StopTimeoutSetting  = "stop-timeout-seconds" // from being told to end until being ended
	WaitToRetireSetting = "wait-to-retire"       // for requests to old processes, before that
)

// ProcessDefaults hold where nothing is set.
var ProcessDefaults = map[string]string{
	RestartPolicySetting: DefaultRestartPolicy,
	StopTimeoutSetting:   strconv.Itoa(int(grace.Seconds())),
	WaitToRetireSetting:  strconv.Itoa(int(drain.Seconds())),
}

// graceOf is how long the processes of an app may take to end.
func (p *Pipeline) graceOf(ctx context.Context, app appliance.AppName) time.Duration {
	return p.secondsOf(ctx, app, StopTimeoutSetting, grace)
}

// drainOf is how long requests to the old processes of an app may take.
func (p *Pipeline) drainOf(ctx context.Context, app appliance.AppName) time.Duration {
	return p.secondsOf(ctx, app, WaitToRetireSetting, drain)
}

func (p *Pipeline) secondsOf(ctx context.Context, app appliance.AppName, setting string, otherwise time.Duration) time.Duration {
	value, err := p.Store.AppSetting(ctx, app, setting)
	if err != nil {
		p.Log.WarnContext(ctx, "setting", "app", app, "setting", setting, "err", err)
	}
	if n, err := strconv.Atoi(value); err == nil {
		return time.Duration(n) * time.Second
	}
	return otherwise
}
