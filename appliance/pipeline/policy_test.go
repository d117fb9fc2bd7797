package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
	"github.com/berthhq/berth/router"
)

func status(w *world) int {
	answer := httptest.NewRecorder()
	req := httptest.NewRequestWithContext(w.t.Context(), "GET", "https://blog.localhost/", nil)
	w.Router.ServeHTTP(answer, req)
	return answer.Code
}

// maintain turns maintenance of blog on or off.
func (w *world) maintain(ctx context.Context, on bool) error {
	return pipeline.ChangeDoor(ctx, w.Pipeline, "blog", pipeline.MaintenanceSetting, func(m *router.Maintenance) error {
		m.On = on
		return nil
	})
}

// Maintenance is for when things are broken, Docker among them.
func TestTheDoorIsChangedWithoutTheEngine(t *testing.T) {
	w := newWorld(t)
	w.deployed("blog", serves("serve"))
	if got := status(w); got != 200 {
		t.Fatalf("status = %d before", got)
	}
	down := func(string) error { return errors.New("the engine is down") }
	w.fail.Store(&down)

	w.must(w.maintain(t.Context(), true))

	if got := status(w); got != 503 {
		t.Errorf("status = %d, want 503", got)
	}
	w.must(w.maintain(t.Context(), false))
	if got := status(w); got != 200 {
		t.Errorf("status = %d after it, want 200", got)
	}
}

func TestWhatIsSetAtTheDoorOutlivesDeploysAndTheDaemon(t *testing.T) {
	w := newWorld(t)
	w.deployed("blog", serves("serve"))
	w.must(w.maintain(t.Context(), true))

	w.deployed("blog", serves("serve", "again"))
	if got := status(w); got != 503 {
		t.Errorf("status = %d after a deploy, want 503", got)
	}

	w.boot()
	w.must(w.RestoreAll(t.Context()))
	if got := status(w); got != 503 {
		t.Errorf("status = %d after a restart, want 503", got)
	}
}

func TestChangesOfTheDoorDoNotUndoEachOther(t *testing.T) {
	w := newWorld(t)
	const n = 20
	var people sync.WaitGroup
	for i := range n {
		people.Go(func() {
			err := pipeline.ChangeDoor(t.Context(), w.Pipeline, "blog", pipeline.RedirectsSetting, func(list *[]router.Redirect) error {
				*list = append(*list, router.Redirect{From: fmt.Sprint("/", i), To: "/"})
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	people.Wait()

	policy, err := w.Policy(t.Context(), "blog")
	if err != nil || len(policy.Redirects) != n {
		t.Errorf("%d redirects, %v, want %d", len(policy.Redirects), err, n)
	}
}

func TestAChangeOfTheDoorThatFailsChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.deployed("blog", serves("serve"))
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	refused := errors.New("no")

	for name, err := range map[string]error{
		"somebody who has gone": w.maintain(gone, true),
		"a change that refuses": pipeline.ChangeDoor(t.Context(), w.Pipeline, "blog", pipeline.MaintenanceSetting, func(m *router.Maintenance) error {
			m.On = true
			return refused
		}),
		"what makes no sense": pipeline.ChangeDoor(t.Context(), w.Pipeline, "blog", pipeline.MaintenanceSetting, func(m *router.Maintenance) error {
			m.On, m.Allow = true, []string{"everybody"}
			return nil
		}),
		"more than fits": pipeline.ChangeDoor(t.Context(), w.Pipeline, "blog", pipeline.ErrorPagesSetting, func(pages *map[string]string) error {
			*pages = map[string]string{}
			for status := 400; status < 420; status++ {
				(*pages)[fmt.Sprint(status)] = strings.Repeat("x", 200<<10)
			}
			return nil
		}),
		"an app that there is not": pipeline.ChangeDoor(t.Context(), w.Pipeline, "nothing", pipeline.MaintenanceSetting, func(m *router.Maintenance) error {
			m.On = true
			return nil
		}),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}

	if got := status(w); got != 200 {
		t.Errorf("status = %d, want 200", got)
	}
	for _, setting := range []string{pipeline.MaintenanceSetting, pipeline.ErrorPagesSetting} {
		if kept, err := w.Store.AppSetting(t.Context(), "blog", setting); kept != "" || err != nil {
			t.Errorf("%s = %.80q, %v, want nothing", setting, kept, err)
		}
	}
}

// A later version may take no more what an earlier one took.
func TestADoorOpensWhateverIsKept(t *testing.T) {
	w := newWorld(t)
	w.must(w.Keep(t.Context(), "blog", pipeline.DoorSetting, map[string]string{
		"client-max-body-size": "5m", "hsts": "perhaps", "no-such-property": "1", "idle-timeout": "-1",
	}))

	policy, err := w.Policy(t.Context(), "blog")

	if want := router.DefaultPolicy(); err != nil || policy.MaxBody != 5<<20 || policy.HSTS.MaxAge != want.HSTS.MaxAge || policy.Timeouts != want.Timeouts {
		t.Errorf("policy = %+v, %v, want what can be read, and defaults", policy, err)
	}
}

// Every property can be set to what its report shows, and that holds.
func TestWhatHoldsCanBeSet(t *testing.T) {
	for _, p := range pipeline.DoorProperties {
		shown := p.Show(router.DefaultPolicy())
		if p.Help == "" {
			t.Errorf("%s says nothing of itself", p.Name)
		}
		if p.Machine || shown == "" {
			continue
		}
		if err := p.Check(shown); err != nil {
			t.Errorf("%s %s: %v", p.Name, shown, err)
		}
	}
	if _, err := newWorld(t).Policy(t.Context(), appliance.AppName("")); err != nil {
		t.Error(err)
	}
}
