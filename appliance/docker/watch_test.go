package docker_test

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/docker"
	"github.com/berthhq/berth/appliance/enginetest"
)

func TestWatchFindsDockerAgain(t *testing.T) {
	direct := newEngine(t)
	image := enginetest.Image(t, direct)
	socket := filepath.Join(t.TempDir(), "docker.sock")
	w := newWire(t, socket)
	e, err := docker.New("unix://"+socket, direct.Instance())
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	told := make(chan appliance.AppName, 100)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Watch(ctx, func(app appliance.AppName) { told <- app }) }()
	hear(t, told, "")

	w.cut()
	hear(t, told, "") // it was away, and is there again
	if _, err := direct.Start(t.Context(), appliance.ProcessSpec{App: "blog", Type: "web", Image: image, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	hear(t, told, "blog")

	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Watch = %v, want nil", err)
	}
}

func hear(t *testing.T, told <-chan appliance.AppName, want appliance.AppName) {
	t.Helper()
	select {
	case app := <-told:
		if app != want {
			t.Fatalf("Watch told of %q, want %q", app, want)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("Watch never told of %q", want)
	}
}

// A wire leads to Docker, and can be cut.
type wire struct {
	mu    sync.Mutex // guards conns
	conns []net.Conn
}

// newWire has a wire end at socket.
func newWire(t *testing.T, socket string) *wire {
	t.Helper()
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("unix", "/var/run/docker.sock")
			if err != nil {
				t.Error(err)
				near.Close()
				return
			}
			w.mu.Lock()
			w.conns = append(w.conns, near, far)
			w.mu.Unlock()
			// A copy ends when the wire is cut, which is no error here.
			all.Go(func() { _, _ = io.Copy(far, near); far.Close() })
			all.Go(func() { _, _ = io.Copy(near, far); near.Close() })
		}
	})
	t.Cleanup(func() {
		l.Close()
		w.cut()
		all.Wait()
	})
	return w
}

// cut ends all connections there are; new ones can be made.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		c.Close()
	}
	w.conns = nil
}
