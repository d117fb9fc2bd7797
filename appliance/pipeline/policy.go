package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/router"
)

// Settings of an app about the door before it, each kept as JSON. The first is
// also the machine's.
const (
	DoorSetting        = "router"           // map[string]string: DoorProperties
	RedirectsSetting   = "redirects"        // []router.Redirect
	HTTPAuthSetting    = "http-auth"        // HTTPAuth
	MaintenanceSetting = "maintenance"      // router.Maintenance
	ErrorPagesSetting  = "error-pages"      // map[string]string: HTML by status or code
	HeadersSetting     = "response-headers" // map[string]string
)

// HTTPAuth is what an app asks visitors for.
type HTTPAuth struct {
	On    bool              `json:"on,omitempty"`
	Users map[string]string `json:"users,omitempty"` // hashes of passwords, by name
	Allow []string          `json:"allow,omitempty"` // addresses and networks that are not asked
	Realm string            `json:"realm,omitempty"`
	Paths []string          `json:"paths,omitempty"` // that nobody is asked for
}

// A door is what is kept about the door, as it is read.
type door struct {
	machine, own map[string]string
	redirects    []router.Redirect
	auth         HTTPAuth
	maintenance  router.Maintenance
	pages        map[string]string
	headers      map[string]string
}

// settings are where what is kept of an app goes.
func (d *door) settings() map[string]any {
	return map[string]any{
		DoorSetting: &d.own, RedirectsSetting: &d.redirects, HTTPAuthSetting: &d.auth,
		MaintenanceSetting: &d.maintenance, ErrorPagesSetting: &d.pages, HeadersSetting: &d.headers,
	}
}

// Policy returns what holds for the door of an app; for "" what holds where an
// app says nothing.
func (p *Pipeline) Policy(ctx context.Context, app appliance.AppName) (router.Policy, error) {
	d, err := p.door(ctx, app, doorChange{})
	if err != nil {
		return router.Policy{}, err
	}
	return d.policy(), nil
}

// A doorChange is a setting as it would be.
type doorChange struct {
	app  appliance.AppName // "" for the machine
	name string
	text []byte
}

// door reads what is kept, as it would be after a change.
func (p *Pipeline) door(ctx context.Context, app appliance.AppName, after doorChange) (d door, err error) {
	read := func(owner appliance.AppName, name string, value any) error {
		if after.name == name && after.app == owner {
			return json.Unmarshal(after.text, value)
		}
		return p.kept(ctx, owner, name, value)
	}
	if err := read("", DoorSetting, &d.machine); err != nil || app == "" {
		return d, err
	}
	for name, value := range d.settings() {
		if err := read(app, name, value); err != nil {
			return d, err
		}
	}
	return d, nil
}

// policy puts together what holds: our defaults, then what is set for the
// machine, then what is set for the app.
func (d *door) policy() router.Policy {
	policy := router.DefaultPolicy()
	for _, set := range []map[string]string{d.machine, d.own} {
		for _, property := range DoorProperties {
			value, ok := set[property.Name]
			if !ok || property.set == nil {
				continue
			}
			// What is kept was checked. If a later version takes it no more,
			// the door must open all the same.
			if with := policy; property.set(&with, value) == nil {
				policy = with
			}
		}
	}
	policy.Redirects, policy.Maintenance, policy.Pages, policy.Headers = d.redirects, d.maintenance, d.pages, d.headers
	policy.Auth.Allow, policy.Auth.Realm, policy.Auth.Paths = d.auth.Allow, d.auth.Realm, d.auth.Paths
	if d.auth.On {
		policy.Auth.Users = d.auth.Users
	}
	return policy
}

// CheckDoor returns what is wrong with what is kept about the door of an app, or,
// for "", of the machine; nil if nothing is. What is wrong does not hold.
func (p *Pipeline) CheckDoor(ctx context.Context, app appliance.AppName) error {
	d, err := p.door(ctx, app, doorChange{})
	if err != nil {
		return err
	}
	set := d.own
	if app == "" {
		set = d.machine
	}
	var wrong []error
	for _, name := range slices.Sorted(maps.Keys(set)) {
		i := slices.IndexFunc(DoorProperties, func(p DoorProperty) bool { return p.Name == name })
		if i < 0 {
			wrong = append(wrong, fmt.Errorf("%s: there is no such property", name))
		} else if err := DoorProperties[i].Check(set[name]); err != nil {
			wrong = append(wrong, fmt.Errorf("%s %.80q: %w", name, set[name], err))
		}
	}
	return errors.Join(append(wrong, d.policy().Validate())...)
}

// maxDoorSetting bounds what is kept of an app in one setting: it stays in
// memory.
const maxDoorSetting = 2 << 20

// ChangeDoor changes one of an app's settings about the door, or, for "", the
// machine's. What would make no sense is refused, and then nothing has
// changed. Otherwise it is kept, and holds from now on.
func ChangeDoor[T any](ctx context.Context, p *Pipeline, app appliance.AppName, name string, change func(*T) error) error {
	apps, err := p.changeDoor(ctx, app, name, func(text []byte) ([]byte, error) {
		var value T
		if len(text) > 0 {
			if err := json.Unmarshal(text, &value); err != nil {
				return nil, fmt.Errorf("setting %s is damaged", name) // the error could quote a secret
			}
		}
		if err := change(&value); err != nil {
			return nil, err
		}
		return json.Marshal(value)
	})
	if err != nil {
		return err
	}
	// What is kept holds from now on, even if who has asked for it hangs up.
	ctx = context.WithoutCancel(ctx)
	if app == "" {
		err = p.ApplyTrust(ctx)
	}
	for _, app := range apps {
		err = errors.Join(err, p.applyPolicy(ctx, app))
	}
	return err
}

// applyPolicy needs no engine: a page that says to come again must be there
// when Docker is not.
func (p *Pipeline) applyPolicy(ctx context.Context, app appliance.AppName) error {
	s := p.state(app)
	s.route.Lock()
	defer s.route.Unlock()

	policy, err := p.Policy(ctx, app)
	if err != nil {
		return err
	}
	p.Router.SetPolicy(p.Service(app), policy)
	return nil
}

// changeDoor keeps what change makes of a setting, and returns the apps that
// this is about.
func (p *Pipeline) changeDoor(ctx context.Context, app appliance.AppName, name string, change func([]byte) ([]byte, error)) ([]appliance.AppName, error) {
	p.doors.Lock()
	defer p.doors.Unlock()

	get, set := p.Store.Setting, p.Store.Set
	if app != "" {
		get = func(ctx context.Context, name string) (string, error) { return p.Store.AppSetting(ctx, app, name) }
		set = func(ctx context.Context, name, value string) error { return p.Store.SetApp(ctx, app, name, value) }
	}
	before, err := get(ctx, name)
	if err != nil {
		return nil, err
	}
	text, err := change([]byte(before))
	if err != nil {
		return nil, err
	}
	if len(text) > maxDoorSetting {
		return nil, fmt.Errorf("%w size: all of an app's %s together have %d KB, of at most %d", appliance.ErrInvalid, name, len(text)>>10, maxDoorSetting>>10)
	}
	apps, concerned := []appliance.AppName{app}, []appliance.AppName{app}
	if app == "" {
		if apps, err = p.names(ctx); err != nil {
			return nil, err
		}
		concerned = append(concerned, apps...)
	}
	for _, one := range concerned {
		d, err := p.door(ctx, one, doorChange{app, name, text})
		if err != nil {
			return nil, err
		}
		if err := d.policy().Validate(); err != nil {
			return nil, fmt.Errorf("%w setting%s: %w", appliance.ErrInvalid, ofApp(one, app), err)
		}
	}
	if slices.Contains([]string{"{}", "[]", "null"}, string(text)) {
		text = nil
	}
	return apps, set(ctx, name, string(text))
}

func (p *Pipeline) names(ctx context.Context) (names []appliance.AppName, err error) {
	apps, err := p.Store.Apps(ctx)
	for _, app := range apps {
		names = append(names, app.Name)
	}
	return names, err
}

// ofApp names an app whose setting it is not that is changed.
func ofApp(one, app appliance.AppName) string {
	if one == app {
		return ""
	}
	return " for " + string(one)
}

// Trust returns whom the machine believes what they say of a visitor.
func (p *Pipeline) Trust(ctx context.Context) (t router.Trust, err error) {
	d, err := p.door(ctx, "", doorChange{})
	if err != nil {
		return t, err
	}
	for _, property := range DoorProperties {
		if value, ok := d.machine[property.Name]; ok && property.trust != nil {
			property.trust(&t, value)
		}
	}
	return t, nil
}

// ApplyTrust has the door believe whom it is to believe. It is for the start;
// changes do it themselves.
func (p *Pipeline) ApplyTrust(ctx context.Context) error {
	t, err := p.Trust(ctx)
	if err != nil {
		return err
	}
	return p.Router.SetTrust(t)
}
