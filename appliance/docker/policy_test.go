package docker_test

import (
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/docker"
)

// A process ends just when it is given its policy: Docker says for a while that
// it runs, and cannot update it.
func TestAProcessThatHasEndedUnnoticedIsKept(t *testing.T) {
	var noticed, kept, started atomic.Bool
	e := engineOf(t, func(w http.ResponseWriter, path string) {
		switch {
		case strings.HasSuffix(path, "/json") && noticed.Load():
			w.Write([]byte(`{"Id":"p1","State":{"Running":false,"ExitCode":3,"StartedAt":"2026-01-01T00:00:00Z"},"Config":{"Labels":{"berth.instance":"berthtest","berth.kind":"process"}}}`))
		case strings.HasSuffix(path, "/json"):
			w.Write([]byte(`{"Id":"p1","State":{"Running":true,"StartedAt":"2026-01-01T00:00:00Z"},"Config":{"Labels":{"berth.instance":"berthtest","berth.kind":"process"}}}`))
		case strings.HasSuffix(path, "/wait"):
			noticed.Store(true)
			w.Write([]byte(`{"StatusCode":3}`))
		case strings.HasSuffix(path, "/update") && !noticed.Load():
			http.Error(w, `{"message":"cannot update a stopped container"}`, http.StatusInternalServerError)
		case strings.HasSuffix(path, "/update"):
			kept.Store(true)
			w.Write([]byte(`{}`))
		case strings.HasSuffix(path, "/start"):
			started.Store(true)
		}
	})

	err := e.Keep(t.Context(), appliance.Always, "p1")

	if err != nil || !kept.Load() || !started.Load() {
		t.Errorf("Keep = %v, kept = %v, started again = %v, want it kept", err, kept.Load(), started.Load())
	}
}

// engineOf returns the engine of a Docker that answers so.
func engineOf(t *testing.T, answer func(w http.ResponseWriter, path string)) *docker.Engine {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "docker.sock")
	answering(t, socket, answer)
	e, err := docker.New("unix://"+socket, "berthtest")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// answering has a Docker 20.10 at socket that answers so.
func answering(t *testing.T, socket string, answer func(w http.ResponseWriter, path string)) {
	t.Helper()
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path != "/_ping" {
			answer(w, r.URL.Path)
		}
	})}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
}
