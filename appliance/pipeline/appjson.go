package pipeline

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
)

// AppJSONSetting is where an app's app.json is, relative to what is built; of
// an app, or of all that have none. It is builder.AppJSONFile unless it is set.
const AppJSONSetting = "appjson-path"

// appJSONIn returns what the source's app.json is called, or "" if it has none,
// which is an error only if it was named for this app.
func (r *run) appJSONIn(ctx context.Context, source fs.FS) (string, error) {
	name, err := r.Property(ctx, r.app, AppJSONSetting)
	if err != nil {
		return "", err
	}
	if _, err := fs.Stat(source, name); !errors.Is(err, fs.ErrNotExist) {
		return name, nil // reading it tells what is wrong
	}
	own, err := r.Store.AppSetting(ctx, r.app, AppJSONSetting)
	if own == "" || own == builder.AppJSONFile || err != nil {
		return "", err
	}
	return "", appliance.WithHint(fmt.Errorf("the app.json %s: it is not in the commit", name),
		fmt.Sprintf("commit it, or name another: app-json:set %s appjson-path <path>; without one it is %s", r.app, builder.AppJSONFile))
}

// readAppJSON reads the source's app.json and gives the app the config that
// it wants, before anything is built.
func (r *run) readAppJSON(ctx context.Context, source fs.FS) (appliance.AppJSON, error) {
	name, err := r.appJSONIn(ctx, source)
	if name == "" || err != nil {
		return appliance.AppJSON{}, err
	}
	r.progress.Step("Reading %s", name)
	a, err := builder.ReadAppJSON(source, name)
	if err != nil {
		return a, err
	}
	if len(a.Ignored) > 0 {
		r.progress.Detail("ignored: %s", strings.Join(a.Ignored, ", "))
	}
	if n := len(a.Cron); n > 0 {
		r.progress.Detail("cron: %s from this release on", count(n, "job"))
	}
	if r.rollback != nil {
		return a, nil // its environment is that of the release it goes back to
	}
	return a, r.setEnv(ctx, a.Env)
}

// setEnv puts what app.json says of the environment into the app's config: at
// the first deploy what nobody has set yet, later only what is to stay in
// sync. Values go to no output.
func (r *run) setEnv(ctx context.Context, env map[string]appliance.EnvVar) error {
	app, err := r.Store.App(ctx, r.app)
	if err != nil {
		return err
	}
	config, err := r.Config(ctx, r.app)
	if err != nil {
		return err
	}
	set, missing := map[string]string{}, []string{}
	for _, key := range slices.Sorted(maps.Keys(env)) {
		e := env[key]
		now, isSet := config[key]
		switch {
		case e.Sync && e.Value != "":
			if now != e.Value {
				set[key] = e.Value
			}
		case isSet:
		case app.LiveRelease == 0 && e.Value != "":
			set[key] = e.Value
		case (app.LiveRelease == 0 || e.Sync) && e.Generator != "":
			set[key] = secret()
		case e.Required && e.Value == "" && e.Generator == "":
			missing = append(missing, key)
		}
	}
	if len(missing) > 0 {
		if err := r.missing(app, missing); err != nil {
			return err
		}
	}
	if len(set) == 0 {
		return nil
	}
	r.progress.Detail("sets %s", strings.Join(slices.Sorted(maps.Keys(set)), ", "))
	return r.Store.ChangeConfig(ctx, r.app, set, nil)
}

// missing is about config that app.json requires and that nobody has set. An
// app that runs already has shown that it can do without.
func (r *run) missing(app appliance.App, keys []string) error {
	what := fmt.Sprintf("app.json requires config that is not set: %s", strings.Join(keys, ", "))
	command := fmt.Sprintf("config:set %s %s=…", r.app, strings.Join(keys, "=… "))
	switch {
	case app.LiveRelease != 0:
		r.progress.Warn("%s", what)
		r.progress.Detail("%s", command)
		return nil
	case app.Provisional: // it goes with this push
		command = fmt.Sprintf("apps:create %s, then %s", r.app, command)
	}
	return appliance.WithHint(fmt.Errorf("%s", what), command+`, then push again; what the app can do without has "required": false in app.json`)
}

// secret makes up 64 hexadecimal digits.
func secret() string {
	b := make([]byte, 32)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// setDefaults gives the app the config that its buildpacks want at the first
// deploy, where nobody has set another.
func (r *run) setDefaults(ctx context.Context, wanted map[string]string, secrets []string) error {
	app, err := r.Store.App(ctx, r.app)
	if err != nil || app.LiveRelease != 0 || len(wanted)+len(secrets) == 0 {
		return err
	}
	config, err := r.Config(ctx, r.app)
	if err != nil {
		return err
	}
	set := map[string]string{}
	for key, value := range wanted {
		// A buildpack is somebody's: what is no config, or the machine's
		// business, is left out.
		if _, isSet := config[key]; isSet || key == "PORT" {
			continue
		}
		if _, _, err := appliance.ParseConfigPair(key + "=" + value); err != nil {
			r.progress.Warn("the buildpack's config_vars: %v", err)
			continue
		}
		set[key] = value
	}
	for _, key := range secrets {
		if _, isSet := config[key]; !isSet {
			set[key] = secret() + secret()
		}
	}
	if len(set) == 0 {
		return nil
	}
	r.progress.Detail("the buildpack sets %s", strings.Join(slices.Sorted(maps.Keys(set)), ", "))
	return r.Store.ChangeConfig(ctx, r.app, set, nil)
}
