package docker_test

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/docker"
)

// The appliance's parts begin side by side, and Docker may come later than it:
// under the race detector, nobody reads the version that another agrees on.
func TestManyBeginAtOnce(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "docker.sock")
	e, err := docker.New("unix://"+socket, "berthtest")
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	atOnce := func() (answered int) {
		var all sync.WaitGroup
		errs := make([]error, 16)
		for i := range errs {
			all.Go(func() { _, errs[i] = e.Processes(t.Context(), "") })
		}
		all.Wait()
		for _, err := range errs {
			if err == nil {
				answered++
			}
		}
		return answered
	}

	before := atOnce()
	asked := oldDocker(t, socket)
	after := atOnce()

	if before != 0 || after != 16 {
		t.Errorf("%d were answered before Docker was there and %d after, want 0 and 16", before, after)
	}
	for path := range asked() {
		if path != "/v1.41/containers/json" {
			t.Errorf("asked for %s, want the version that both speak", path)
		}
	}
}

// Whoever asks for the output just when the container is removed is told that it
// is gone: they find what was kept of it.
func TestLogsOfWhatIsBeingRemovedAreGone(t *testing.T) {
	e := engineOf(t, func(w http.ResponseWriter, path string) {
		switch {
		case strings.HasSuffix(path, "/logs"):
			w.WriteHeader(http.StatusConflict)
			w.Write([]byte(`{"message":"can not get logs from container which is dead or marked for removal"}`))
		case strings.HasSuffix(path, "/json"):
			w.Write([]byte(`{"Id":"abc","Config":{"Labels":{"berth.instance":"berthtest","berth.kind":"detached"}}}`))
		}
	})

	if err := e.Logs(t.Context(), "abc", appliance.LogOptions{}, io.Discard); !errors.Is(err, appliance.ErrNotFound) {
		t.Errorf("Logs = %v, want ErrNotFound", err)
	}
}

// oldDocker answers at socket as a Docker without containers. asked returns what
// it was asked for.
func oldDocker(t *testing.T, socket string) (asked func() map[string]bool) {
	t.Helper()
	var mu sync.Mutex
	paths := map[string]bool{}
	answering(t, socket, func(w http.ResponseWriter, path string) {
		mu.Lock()
		paths[path] = true
		mu.Unlock()
		w.Write([]byte("[]"))
	})
	return func() map[string]bool {
		mu.Lock()
		defer mu.Unlock()
		return maps.Clone(paths)
	}
}
