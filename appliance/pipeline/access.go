package pipeline

import (
	"cmp"
	"context"
	"maps"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/git"
)

// What is kept of how other hosts are reached: of the machine as a whole, and,
// but for the hosts, of an app. Each is JSON.
const (
	AllowedHostsSetting = "git-hosts"      // git.Access.Hosts
	LoginsSetting       = "git-logins"     // git.Access.Logins
	DeployKeySetting    = "git-deploy-key" // a git.DeployKey
)

// Access returns what may be reached for whoever asks, on behalf of app. What
// the machine has as a whole is for admins: with it, somebody who may work on
// one app could read what belongs to others.
func (p *Pipeline) Access(ctx context.Context, app appliance.AppName) (a git.Access, err error) {
	a = git.Access{Anywhere: appliance.ActorFrom(ctx).Admin, Logins: map[string]git.Login{}}
	if err := p.kept(ctx, "", AllowedHostsSetting, &a.Hosts); err != nil {
		return a, err
	}
	owners := []appliance.AppName{app}
	if a.Anywhere && app != "" {
		owners = []appliance.AppName{"", app} // the app's own come last, and win
	}
	for _, owner := range owners {
		if owner == "" && !a.Anywhere {
			continue
		}
		var logins map[string]git.Login
		var key git.DeployKey
		if err := cmp.Or(p.kept(ctx, owner, LoginsSetting, &logins), p.kept(ctx, owner, DeployKeySetting, &key)); err != nil {
			return a, err
		}
		maps.Copy(a.Logins, logins)
		if key.Private != "" {
			a.Keys = append([]string{key.Private}, a.Keys...)
		}
	}
	return a, nil
}
