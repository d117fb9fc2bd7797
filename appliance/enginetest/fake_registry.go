package enginetest

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/berthhq/berth/appliance"
)

// errUnauthorized is what a registry says to whom it does not know.
var errUnauthorized = errors.New("unauthorized: authentication required")

// A fakeRegistry is a registry that one login opens.
type fakeRegistry struct {
	login  appliance.RegistryLogin
	images map[appliance.Image]*fakeImage
}

// AddRegistry makes a registry that knows this login and nobody else.
func (f *Fake) AddRegistry(login appliance.RegistryLogin) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.registries == nil {
		f.registries = map[string]*fakeRegistry{}
	}
	f.registries[login.Server] = &fakeRegistry{login: login, images: map[appliance.Image]*fakeImage{}}
}

// InRegistry returns the id of the image that a registry has by a name, or "".
func (f *Fake) InRegistry(name appliance.Image) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.registries[name.Registry()]; r != nil && r.images[name] != nil {
		return r.images[name].info.ID
	}
	return ""
}

// registry opens a registry. The caller holds mu.
func (f *Fake) registry(server string, login *appliance.RegistryLogin) (*fakeRegistry, error) {
	r := f.registries[server]
	if r == nil {
		return nil, fmt.Errorf("dial tcp: lookup %s: no such host", server)
	}
	if login == nil || *login != r.login {
		return nil, errUnauthorized
	}
	return r, nil
}

// Login asks a registry whether it knows a login.
func (f *Fake) Login(ctx context.Context, login appliance.RegistryLogin) error {
	if err := f.call("Login", login.Server); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := f.registry(login.Server, &login)
	if err != nil {
		return fmt.Errorf("log in to %s: %w", login.Server, err)
	}
	return nil
}

// Push sends an image to a registry.
func (f *Fake) Push(ctx context.Context, spec appliance.PushSpec) (string, error) {
	if err := f.call("Push", string(spec.As)); err != nil {
		return "", err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	i, err := f.image(spec.Image)
	if err != nil {
		return "", err
	}
	r, err := f.registry(spec.As.Registry(), spec.Login)
	if err != nil {
		return "", fmt.Errorf("push %s: %w", spec.As, err)
	}
	pushed := *i
	pushed.files = maps.Clone(i.files)
	r.images[spec.As] = &pushed
	return pushed.info.ID, nil
}

// fetch finds an image here, or in its registry. The caller holds mu.
func (f *Fake) fetch(name appliance.Image, logins []appliance.RegistryLogin) (*fakeImage, error) {
	i, err := f.image(name)
	if err == nil || f.registries[name.Registry()] == nil {
		return i, err
	}
	r, err := f.registry(name.Registry(), appliance.LoginFor(name.Registry(), logins))
	if err != nil {
		return nil, fmt.Errorf("%s: failed to resolve source metadata: pull access denied: %w", name, err)
	}
	if i = r.images[name]; i == nil {
		return nil, fmt.Errorf("image %s: %w", name, appliance.ErrNotFound)
	}
	return i, nil
}
