package docker_test

import (
	"errors"
	"io"
	"net"
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
	old := oldDocker(t, socket)
	after := atOnce()

	if before != 0 || after != 16 {
		t.Errorf("%d were answered before Docker was there and %d after, want 0 and 16", before, after)
	}
	for path := range old.asked() {
		if path != "/_ping" && path != "/v1.41/containers/json" {
			t.Errorf("asked for %s, want the version that both speak", path)
		}
	}
}

// Whoever asks for the output just when the container is removed is told that it
// is gone: they find what was kept of it.
func TestLogsOfWhatIsBeingRemovedAreGone(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "docker.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		w.Header().Set("Content-Type", "application/json")
		switch {
		case strings.HasSuffix(r.URL.Path, "/logs"):
			w.WriteHeader(http.StatusConflict)
			w.Write([]byte(`{"message":"can not get logs from container which is dead or marked for removal"}`))
		case strings.HasSuffix(r.URL.Path, "/json"):
			w.Write([]byte(`{"Id":"abc","Config":{"Labels":{"berth.instance":"berthtest","berth.kind":"detached"}}}`))
		}
	})}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	e, err := docker.New("unix://"+socket, "berthtest")
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()

	if err := e.Logs(t.Context(), "abc", appliance.LogOptions{}, io.Discard); !errors.Is(err, appliance.ErrNotFound) {
		t.Errorf("Logs = %v, want ErrNotFound", err)
	}
}

// An answering is a server that writes down what it was asked for.
type answering struct {
	mu    sync.Mutex
	paths map[string]bool
}

// asked returns the paths.
func (a *answering) asked() map[string]bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.paths
}

// oldDocker answers at socket as a Docker 20.10 without containers.
func oldDocker(t *testing.T, socket string) *answering {
	t.Helper()
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	a := &answering{paths: map[string]bool{}}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		a.paths[r.URL.Path] = true
		a.mu.Unlock()
		w.Header().Set("Api-Version", "1.41")
		if r.URL.Path != "/_ping" {
			w.Header().Set("Content-Type", "application/json")
			w.Write([]byte("[]"))
		}
	})}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return a
}
