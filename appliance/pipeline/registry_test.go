package pipeline_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

var acme = appliance.RegistryLogin{Server: "registry.example.test", User: "acme", Password: "hunter2"}

func TestWhatIsReleasedIsPushedAndRemembered(t *testing.T) {
	w := newWorld(t)
	w.engine.AddRegistry(acme)
	_, err := w.KeepRegistryLogin(t.Context(), "", acme.Server, &acme)
	w.must(err)
	w.must(w.Store.Set(t.Context(), pipeline.RegistryPushSetting, "true"))
	w.must(w.Store.Set(t.Context(), pipeline.RegistryServerSetting, acme.Server))
	w.must(w.Store.SetApp(t.Context(), "blog", pipeline.RegistryRepoSetting, "acme/blog"))
	w.must(w.Store.SetApp(t.Context(), "blog", pipeline.RegistryTagsSetting, "latest"))

	w.deployed("blog", serves())

	release, err := w.Store.Release(t.Context(), "blog", 1)
	w.must(err)
	for i, tag := range []string{"1", "latest"} {
		name := "registry.example.test/acme/blog:" + tag
		id := w.engine.InRegistry(appliance.Image(name))
		if want := (appliance.Pushed{Reference: name, Digest: id}); id == "" || len(release.Pushed) != 2 || release.Pushed[i] != want {
			t.Errorf("pushed = %v, want %v", release.Pushed, want)
		}
	}
}

func TestReleaseThatCannotBePushedIsNotDeployed(t *testing.T) {
	w := newWorld(t)
	w.deployed("blog", serves())
	w.engine.AddRegistry(acme)
	w.must(w.Store.SetApp(t.Context(), "blog", pipeline.RegistryPushSetting, "true"))
	w.must(w.Store.SetApp(t.Context(), "blog", pipeline.RegistryServerSetting, acme.Server))

	out, err := w.push("blog", serves().and("other", "1"))

	if err == nil || !strings.HasPrefix(err.Error(), "push: ") || !strings.Contains(appliance.HintOf(err), "registry:login blog registry.example.test") {
		t.Errorf("err = %v, hint %q, want what failed and how to log in\n%s", err, appliance.HintOf(err), out)
	}
	app, err := w.Store.App(t.Context(), "blog")
	w.must(err)
	if failed, err := w.Store.Release(t.Context(), "blog", 2); err != nil || failed.Status != appliance.ReleaseFailed || app.LiveRelease != 1 {
		t.Errorf("v2 = %s, %v, live v%d, want it failed and v1 live", failed.Status, err, app.LiveRelease)
	}
}

// An app's login is its own: with it another app could fetch what is not its.
func TestBuildFetchesWithTheLoginsOfItsApp(t *testing.T) {
	w := newWorld(t)
	w.must(w.Create(t.Context(), "api", false))
	w.deployed("blog", serves())
	w.engine.AddRegistry(acme)
	w.must(w.Store.SetApp(t.Context(), "blog", pipeline.RegistryPushSetting, "true"))
	w.must(w.Store.SetApp(t.Context(), "blog", pipeline.RegistryServerSetting, acme.Server))
	_, err := w.KeepRegistryLogin(t.Context(), "blog", acme.Server, &acme)
	w.must(err)
	w.deployed("blog", serves().and("other", "1"))
	from := files{"Dockerfile": "FROM registry.example.test/berth-test/blog:2\n"}

	out, err := w.push("api", from)
	if err == nil || !strings.Contains(err.Error(), "unauthorized") {
		t.Errorf("err = %v, want the registry to refuse another app\n%s", err, out)
	}
	w.must(w.Store.SetApp(t.Context(), "blog", pipeline.RegistryPushSetting, ""))
	if out, err := w.push("blog", from); err != nil {
		t.Errorf("err = %v, want its own login to be used\n%s", err, out)
	}
}

func TestLoginIsNeverPrintedWithItsPassword(t *testing.T) {
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(format, acme) + fmt.Sprintf(format, []appliance.RegistryLogin{acme}); strings.Contains(text, "hunter2") {
			t.Errorf("%s prints %s", format, text)
		}
	}
}
