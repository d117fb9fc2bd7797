package pipeline_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

const (
	mb = 1 << 20
	gb = 1 << 30
)

// A machine is the fake engine on another machine.
type machine struct {
	appliance.Engine
	has appliance.Capacity
}

func (m machine) Capacity(context.Context) (appliance.Capacity, error) { return m.has, nil }

func TestFenceLeavesTheAppsWhatTheyNeed(t *testing.T) {
	const disk, free = 40 * gb, 20 * gb
	for name, tt := range map[string]struct {
		has      appliance.Capacity
		parallel int
		want     appliance.Fence
	}{
		"an empty machine of 4 GB": {
			appliance.Capacity{Memory: 4 * gb, Available: 4 * gb, CPUs: 2, Disk: disk, Free: free}, 1,
			appliance.Fence{Memory: 3 * gb, CPUs: 1.8, Free: 2 * gb},
		},
		"apps have half of it": {
			appliance.Capacity{Memory: 4 * gb, Available: 2 * gb, CPUs: 2, Disk: disk, Free: free}, 1,
			appliance.Fence{Memory: 1638 * mb, CPUs: 1.8, Free: 2 * gb},
		},
		"1 GB with apps": {
			appliance.Capacity{Memory: 1000 * mb, Available: 500 * mb, CPUs: 1, Disk: 20 * gb, Free: free}, 1,
			appliance.Fence{Memory: 400 * mb, CPUs: 0.9, Free: gb},
		},
		"1 GB that apps have filled": {
			appliance.Capacity{Memory: 1000 * mb, Available: 60 * mb, CPUs: 1, Disk: 20 * gb, Free: free}, 1,
			appliance.Fence{Memory: 256 * mb, CPUs: 0.9, Free: gb},
		},
		"512 MB": {
			appliance.Capacity{Memory: 480 * mb, Available: 200 * mb, CPUs: 1, Disk: 4 * gb, Free: gb}, 1,
			appliance.Fence{Memory: 256 * mb, CPUs: 0.9, Free: 409 * mb},
		},
		"256 MB": {
			appliance.Capacity{Memory: 240 * mb, Available: 100 * mb, CPUs: 1, Disk: 4 * gb, Free: gb}, 1,
			appliance.Fence{Memory: 180 * mb, CPUs: 0.9, Free: 409 * mb},
		},
		"64 GB, and the apps have nearly all": {
			appliance.Capacity{Memory: 64 * gb, Available: 2 * gb, CPUs: 16, Disk: 2000 * gb, Free: 900 * gb}, 1,
			appliance.Fence{Memory: 16 * gb, CPUs: 14.4, Free: 5 * gb},
		},
		"64 GB for four builds at the same time": {
			appliance.Capacity{Memory: 64 * gb, Available: 60 * gb, CPUs: 16, Disk: 2000 * gb, Free: 900 * gb}, 4,
			appliance.Fence{Memory: 12 * gb, CPUs: 14.4, Free: 5 * gb},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.Wait() // until nobody else uses the engine
			w.Engine = machine{w.engine, tt.has}
			w.must(w.SetParallel(t.Context(), tt.parallel))
			tt.want.Weight, tt.want.Pids, tt.want.Time = 100, 2048, 30*time.Minute

			got, err := w.Fence(t.Context(), "blog")

			if err != nil || got != tt.want {
				t.Errorf("fence = %+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
}

func TestFenceIsWhatWasSetForTheAppBeforeTheMachine(t *testing.T) {
	w := newWorld(t)
	set := func(limit int, app, all string) {
		l := pipeline.Limits[limit]
		w.must(l.Check(app))
		w.must(l.Check(all))
		w.must(w.Store.SetApp(t.Context(), "blog", l.Setting, app))
		w.must(w.Store.Set(t.Context(), l.Setting, all))
	}
	set(0, "1.5g", "512m")
	set(1, "0.5", "4")
	set(2, "100", "200")
	set(3, "0", "1048576")
	set(4, "90s", "2h")
	w.must(w.Create(t.Context(), "api", false))

	for app, want := range map[appliance.AppName]appliance.Fence{
		"blog": {Memory: 1536 * mb, CPUs: 0.5, Weight: 100, Pids: 100, Free: 0, Time: 90 * time.Second},
		"api":  {Memory: 512 * mb, CPUs: 4, Weight: 100, Pids: 200, Free: mb, Time: 2 * time.Hour},
	} {
		if got, err := w.Fence(t.Context(), app); err != nil || got != want {
			t.Errorf("fence of %s = %+v, %v, want %+v", app, got, err, want)
		}
	}
}

func TestBuildRunsWithinTheFence(t *testing.T) {
	w := newWorld(t)
	want, err := w.Fence(t.Context(), "blog")
	w.must(err)

	w.deployed("blog", serves())

	if got := w.engine.Built(); len(got) != 1 || got[0].Fence != want || want.Memory == 0 {
		t.Errorf("built %+v, want it within %+v", got, want)
	}
}

func TestBuildDoesNotBeginOnAFullDisk(t *testing.T) {
	w := newWorld(t)
	w.Wait() // until nobody else uses the engine
	w.Engine = machine{w.engine, appliance.Capacity{Memory: 4 * gb, Available: 3 * gb, CPUs: 2, Disk: 40 * gb, Free: 812 * mb}}

	out, err := w.push("blog", serves())

	if err == nil || err.Error() != "build: the disk is too full to build: 812 MB are free, and 2 GB must stay free" ||
		!strings.HasSuffix(appliance.HintOf(err), "resource:limit blog --process-type build --disk-free 406m") {
		t.Errorf("error = %v\n%s", err, appliance.HintOf(err))
	}
	if strings.Contains(out, "Building") || len(w.engine.Built()) != 0 {
		t.Errorf("it has begun:\n%s", out)
	}
	w.must(w.Store.SetApp(t.Context(), "blog", "build-disk-free", "406m"))
	w.deployed("blog", serves())
}

func TestWhatEndsABuildIsSaidWithTheCommandThatRaisesIt(t *testing.T) {
	for resource, want := range map[appliance.Resource]string{
		appliance.Memory:    "resource:limit blog --process-type build --memory 2g",
		appliance.Processes: "resource:limit blog --process-type build --pids 4096",
		appliance.Disk:      "resource:limit blog --process-type build --disk-free 1g",
		appliance.Time:      "resource:limit blog --process-type build --time 1h",
	} {
		t.Run(string(resource), func(t *testing.T) {
			w := newWorld(t)
			w.must(w.Store.SetApp(t.Context(), "blog", "build-memory", "1g"))
			w.failing(func(call string) error {
				if call == "Build" {
					return appliance.WithHint(fmt.Errorf("step 3: %w", &appliance.ExceededError{Resource: resource, Limit: "much"}), "another hint")
				}
				return nil
			})

			_, err := w.push("blog", serves())

			if hint := appliance.HintOf(err); err == nil || hint != want && !strings.HasSuffix(hint, "\n"+want) {
				t.Errorf("error = %v, with\n%s\nwant\n%s", err, hint, want)
			}
			if printed := w.printed(0); !strings.HasSuffix(printed, "       "+want+"\n") {
				t.Errorf("it printed:\n%s", printed)
			}
			for _, l := range pipeline.Limits {
				if strings.Contains(want, "--"+l.Name+" ") {
					w.must(l.Check(want[strings.LastIndex(want, " ")+1:]))
				}
			}
		})
	}
}

func TestWhoMayNotRaiseALimitIsToldWhoMay(t *testing.T) {
	w := newWorld(t)
	w.must(w.Store.SetApp(t.Context(), "blog", "build-memory", "3g"))
	w.failing(func(call string) error {
		if call == "Build" {
			return &appliance.ExceededError{Resource: appliance.Memory, Limit: "3 GB"}
		}
		return nil
	})
	ctx := appliance.WithActor(t.Context(), appliance.Actor{Name: "bob", Door: appliance.SSH})

	err := w.Receive(ctx, pipeline.Push{App: "blog", Commit: w.commit("blog", serves()), Branch: "main"}, new(buffer))

	want := `this machine has only 4 GB of memory: make the build need less, give the machine more or swap, and then
an admin can let it have more:
resource:limit blog --process-type build --memory 6g`
	if hint := appliance.HintOf(err); hint != want {
		t.Errorf("hint:\n%s\nwant:\n%s", hint, want)
	}
}
