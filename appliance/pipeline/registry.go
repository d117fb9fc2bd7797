package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"github.com/berthhq/berth/appliance"
)

// RegistryLoginsSetting is, of the machine or of an app, who it is to
// registries: JSON, by server.
const RegistryLoginsSetting = "registry-logins"

// Settings about where the images of releases are pushed. But for the
// repository, which is an app's, what is not set for an app holds for the
// machine.
const (
	RegistryServerSetting   = "registry-server"
	RegistryRepoSetting     = "registry-image-repo"
	RegistryTemplateSetting = "registry-image-repo-template"
	RegistryPushSetting     = "registry-push-on-release"
	RegistryTagsSetting     = "registry-push-extra-tags"
)

// RegistryLogins returns the logins for registries: the machine's, and after
// them, as they go first, app's own, if app is not "".
func (p *Pipeline) RegistryLogins(ctx context.Context, app appliance.AppName) (list []appliance.RegistryLogin, err error) {
	owners := []appliance.AppName{""}
	if app != "" {
		owners = append(owners, app)
	}
	for _, owner := range owners {
		logins, err := Kept[map[string]appliance.RegistryLogin](ctx, p, owner, RegistryLoginsSetting)
		if err != nil {
			return nil, err
		}
		for _, server := range slices.Sorted(maps.Keys(logins)) {
			list = append(list, logins[server])
		}
	}
	return list, nil
}

// KeepRegistryLogin changes a login of an app, or, for "", of the machine; nil
// takes it back. It returns whether there was one before.
func (p *Pipeline) KeepRegistryLogin(ctx context.Context, app appliance.AppName, server string, login *appliance.RegistryLogin) (bool, error) {
	p.doors.Lock()
	defer p.doors.Unlock()
	logins, err := Kept[map[string]appliance.RegistryLogin](ctx, p, app, RegistryLoginsSetting)
	if err != nil {
		return false, err
	}
	_, before := logins[server]
	if logins == nil {
		logins = map[string]appliance.RegistryLogin{}
	}
	if login == nil {
		delete(logins, server)
	} else {
		logins[server] = *login
	}
	return before, p.Keep(ctx, app, RegistryLoginsSetting, logins)
}

// ParseRepoTemplate checks a template of repositories' names, such as
// "acme/{{ .AppName }}".
func ParseRepoTemplate(text string) error {
	_, err := repository(text, "blog")
	return err
}

// repository returns the repository that a template names for an app.
func repository(text string, app appliance.AppName) (string, error) {
	t, err := template.New("image-repo-template").Parse(text)
	var name bytes.Buffer
	if err == nil {
		err = t.Execute(&name, struct{ AppName string }{string(app)})
	}
	if err != nil {
		return "", appliance.WithHint(fmt.Errorf("%w image-repo-template: %w", appliance.ErrInvalid, err), "write it as in acme/{{ .AppName }}")
	}
	return name.String(), nil
}

// RegistryRepo returns the repository that an app's images are pushed to, with
// the registry, as in "ghcr.io/acme/blog".
func (p *Pipeline) RegistryRepo(ctx context.Context, app appliance.AppName) (string, error) {
	name, err := p.Store.AppSetting(ctx, app, RegistryRepoSetting)
	if err != nil {
		return "", err
	}
	if name == "" {
		text, err := p.Property(ctx, app, RegistryTemplateSetting)
		if err != nil {
			return "", err
		}
		if name, err = repository(text, app); err != nil {
			return "", err
		}
	}
	if name == "" {
		name = p.Instance + "/" + string(app)
	}
	server, err := p.Property(ctx, app, RegistryServerSetting)
	if err != nil {
		return "", err
	}
	if server != "" {
		name = server + "/" + name
	}
	_, err = appliance.ParseImage(name)
	return name, err
}

// publish pushes the images of a release to a registry, if the app is told to,
// and remembers what they are there. A release that cannot be pushed is not
// deployed: elsewhere one relies on the registry to have what runs here.
func (r *run) publish(ctx context.Context, release appliance.Release) (appliance.Release, error) {
	wanted, err := r.Property(ctx, r.app, RegistryPushSetting)
	if err != nil || wanted != "true" {
		return release, err
	}
	err = r.stage(ctx, appliance.StagePush, func() error {
		repo, err := r.RegistryRepo(ctx, r.app)
		if err != nil {
			return err
		}
		logins, err := r.RegistryLogins(ctx, r.app)
		if err != nil {
			return err
		}
		tags, err := r.Property(ctx, r.app, RegistryTagsSetting)
		if err != nil {
			return err
		}
		for _, push := range r.pushes(release, repo, tags) {
			r.progress.Step("Pushing %s", push.As)
			push.Login, push.Out = appliance.LoginFor(push.As.Registry(), logins), r.progress
			digest, err := r.Engine.Push(ctx, push)
			if err != nil {
				return appliance.WithHint(err, fmt.Sprintf(
					"see where it goes to (registry:report %s), and log in: registry:login %s %s <username> --password-stdin\nto deploy without it: registry:set %s push-on-release false",
					r.app, r.app, push.As.Registry(), r.app))
			}
			r.progress.Detail("%s", digest)
			release.Pushed = append(release.Pushed, appliance.Pushed{Reference: string(push.As), Digest: digest})
		}
		return r.Store.SetPushed(ctx, r.app, release.Version, release.Pushed)
	})
	if err != nil {
		return release, errors.Join(err, r.Store.FailRelease(context.WithoutCancel(ctx), r.app, release.Version))
	}
	return release, nil
}

// pushes returns what is pushed of a release: its image, tagged with its
// version and what else is wanted, and those that were built for single
// processes, tagged with version and process type. What comes from elsewhere is
// there already.
func (r *run) pushes(release appliance.Release, repo, extra string) (list []appliance.PushSpec) {
	version := strconv.Itoa(release.Version)
	add := func(image appliance.Image, tag string) {
		if strings.HasPrefix(string(image), r.Instance+"/") {
			list = append(list, appliance.PushSpec{Image: image, As: appliance.Image(repo + ":" + tag)})
		}
	}
	add(release.Image, version)
	for tag := range strings.SplitSeq(extra, ",") {
		if tag != "" {
			add(release.Image, tag)
		}
	}
	for _, typ := range slices.Sorted(maps.Keys(release.Services)) {
		if image := release.Services[typ].Image; image != release.Image {
			add(image, version+"-"+typ)
		}
	}
	return list
}
