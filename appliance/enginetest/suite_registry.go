package enginetest

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
)

// TestRegistry checks that an engine does what appliance.Engine says about
// registries, with one that knows this login and nobody else.
func TestRegistry(t *testing.T, e appliance.Engine, image appliance.Image, login appliance.RegistryLogin) {
	for _, p := range registryPromises {
		t.Run(p.sentence, func(t *testing.T) {
			w := &world{T: t, e: e, image: image, app: Name("contract")}
			t.Cleanup(func() { w.destroy(w.app) })
			p.holds(w, login)
		})
	}
}

var registryPromises = []struct {
	sentence string
	holds    func(w *world, login appliance.RegistryLogin)
}{
	{"Login asks whether the registry knows the password, and does not print it", func(w *world, login appliance.RegistryLogin) {
		wrong := login
		wrong.Password = "wrong-" + login.Password

		right := w.e.Login(w.Context(), login)
		err := w.e.Login(w.Context(), wrong)

		if right != nil {
			w.Errorf("error = %v, want none", right)
		}
		if err == nil || !strings.HasPrefix(err.Error(), "log in to "+login.Server+": ") || !strings.Contains(strings.ToLower(err.Error()), "unauthorized") || strings.Contains(err.Error(), login.Password) {
			w.Errorf("error = %v, want that the registry refuses, without the password", err)
		}
	}},

	{"Push sends an image, which has no further name here, and Build fetches it with the login only", func(w *world, login appliance.RegistryLogin) {
		w.commit("one")
		as := w.remote(login, "1")

		digest, err := w.e.Push(w.Context(), appliance.PushSpec{Image: w.tag("one"), As: as, Login: &login})
		if err != nil {
			w.Fatal(err)
		}

		if !strings.HasPrefix(digest, "sha256:") {
			w.Errorf("digest = %q", digest)
		}
		if _, err := w.e.Inspect(w.Context(), as); !errors.Is(err, appliance.ErrNotFound) {
			w.Errorf("its name there is a name here: %v, want ErrNotFound", err)
		}
		wrong := login
		wrong.Password = "wrong-" + login.Password
		for _, logins := range [][]appliance.RegistryLogin{nil, {wrong}} {
			if err := w.buildFrom(as, logins); err == nil || strings.Contains(err.Error(), login.Password) {
				w.Errorf("build with %v: error = %v, want the registry to refuse, without the password", logins, err)
			}
		}
		if err := w.buildFrom(as, []appliance.RegistryLogin{login}); err != nil {
			w.Errorf("build with the login: %v", err)
		}
		if err := w.buildFrom(as, nil); err == nil {
			w.Error("build without a login after another has fetched it: no error, want the registry to refuse")
		}
	}},

	{"Push that the registry refuses leaves no name here", func(w *world, login appliance.RegistryLogin) {
		w.commit("one")
		as := w.remote(login, "1")
		wrong := login
		wrong.Password = "wrong-" + login.Password
		for _, l := range []*appliance.RegistryLogin{nil, &wrong} {
			_, err := w.e.Push(w.Context(), appliance.PushSpec{Image: w.tag("one"), As: as, Login: l})

			if err == nil || !strings.HasPrefix(err.Error(), "push "+string(as)+": ") || strings.Contains(err.Error(), login.Password) {
				w.Errorf("error = %v, want that the push is refused, without the password", err)
			}
			if _, err := w.e.Inspect(w.Context(), as); !errors.Is(err, appliance.ErrNotFound) {
				w.Errorf("its name there is a name here: %v, want ErrNotFound", err)
			}
		}
	}},

	{"Push of an image that is not there is ErrNotFound", func(w *world, login appliance.RegistryLogin) {
		_, err := w.e.Push(w.Context(), appliance.PushSpec{Image: w.tag("nowhere"), As: w.remote(login, "1"), Login: &login})

		if !errors.Is(err, appliance.ErrNotFound) {
			w.Errorf("error = %v, want ErrNotFound", err)
		}
	}},
}

// remote names an image of the world's app in a registry.
func (w *world) remote(login appliance.RegistryLogin, tag string) appliance.Image {
	return appliance.Image(login.Server + "/" + string(w.app) + ":" + tag)
}

// buildFrom builds an image of nothing but another.
func (w *world) buildFrom(name appliance.Image, logins []appliance.RegistryLogin) error {
	dir := w.TempDir()
	write(w, filepath.Join(dir, "Dockerfile"), "FROM "+string(name)+"\n")
	_, err := w.e.Build(w.Context(), appliance.BuildSpec{App: w.app, Tag: w.tag("built"), Dir: dir, Logins: logins})
	return err
}
