package pipeline

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/berthhq/berth/appliance"
)

// RestartPolicySetting is what happens with an app's processes that end by
// themselves, as ParseRestartPolicy reads it.
const RestartPolicySetting = "restart-policy"

// DefaultRestartPolicy holds for the apps that nobody has set one for.
const DefaultRestartPolicy = "always:10"

// A RestartPolicy says what happens with a process that ends by itself.
type RestartPolicy struct {
	Restart appliance.Restart
	Limit   int // how many restarts in a row there are at most; 0 for no limit
}

// ParseRestartPolicy reads a policy as Docker writes it: no, on-failure,
// on-failure:10, always, unless-stopped. Here the last two may have a limit too.
func ParseRestartPolicy(s string) (RestartPolicy, error) {
	name, limit, limited := strings.Cut(s, ":")
	p := RestartPolicy{Restart: map[string]appliance.Restart{
		"no": appliance.Never, "on-failure": appliance.OnFailure, "always": appliance.Always, "unless-stopped": appliance.Always,
	}[name]}
	n, err := strconv.Atoi(limit)
	known := p.Restart != appliance.Never || name == "no"
	if !known || limited && (err != nil || n < 1 || n > 1000 || name == "no") {
		return p, appliance.WithHint(fmt.Errorf("%w restart policy %.60q", appliance.ErrInvalid, s),
			"write no, on-failure, always or unless-stopped; but for the first, the most restarts in a row may follow: on-failure:10")
	}
	p.Limit = n
	return p, nil
}

// restartPolicy returns what holds for an app.
func (p *Pipeline) restartPolicy(ctx context.Context, app appliance.AppName) (RestartPolicy, error) {
	set, err := p.RestartPolicy(ctx, app)
	if err != nil {
		return RestartPolicy{}, err
	}
	return ParseRestartPolicy(set)
}

// RestartPolicy returns what holds for an app, as it is written.
func (p *Pipeline) RestartPolicy(ctx context.Context, app appliance.AppName) (string, error) {
	set, err := p.Store.AppSetting(ctx, app, RestartPolicySetting)
	if err == nil && set == "" {
		set = DefaultRestartPolicy
	}
	return set, err
}

// SetRestartPolicy changes it, also for what runs; "" takes it back.
func (p *Pipeline) SetRestartPolicy(ctx context.Context, app appliance.AppName, policy string) error {
	if policy != "" {
		if _, err := ParseRestartPolicy(policy); err != nil {
			return err
		}
	}
	if err := p.Store.SetApp(ctx, app, RestartPolicySetting, policy); err != nil {
		return err
	}
	return p.Restore(ctx, app)
}

// keep has the engine restart what runs of the app as its policy says.
func (p *Pipeline) keep(ctx context.Context, app appliance.AppName, ids ...string) error {
	policy, err := p.restartPolicy(ctx, app)
	if err != nil {
		return err
	}
	return p.Engine.Keep(ctx, policy.Restart, ids...)
}
