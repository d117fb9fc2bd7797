// Package docker is the engine for Docker on one host, spoken to through the
// Docker Engine API. Everything it makes carries labels, so that all of it is
// found again from Docker alone after a crash, and nothing else is touched.
package docker

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/docker/docker/api/types/system"
	"github.com/docker/docker/client"

	"github.com/berthhq/berth/appliance"
)

// An Engine runs containers on one Docker host.
type Engine struct {
	// Log takes what nobody waits for: Docker lost and found again.
	Log *slog.Logger

	// Memory is how many bytes one container may use; 0 for no limit.
	Memory int64

	// Stopping, if set, is told of what Stop ends.
	Stopping appliance.Stopping

	// docker is the client that has agreed on a version with Docker; api
	// returns it.
	docker   atomic.Pointer[client.Client]
	at       string
	instance string

	// tidying is the removal of what has run.
	tidying sync.WaitGroup

	// mu lets one goroutine at a time choose a subnet.
	mu sync.Mutex

	// borrowed has the names that images have while they are pushed.
	borrowed sync.Map

	// runs has the names of the containers of Run, from before they are made
	// until they are removed.
	runs sync.Map

	// host is what Docker says of the machine, once it was asked for.
	host atomic.Pointer[system.Info]

	// peaks is how much memory the processes have had.
	peaks peaks
	// ends is how those have ended that run again.
	ends ends
}

var _ appliance.Engine = (*Engine)(nil)

// New returns the engine for the Docker that listens at host, such as
// "unix:///run/docker.sock", or at its usual place when host is "". It talks
// to Docker only when it is used. Everything it makes belongs to instance, the
// prefix of all names; two instances on one Docker know nothing of each other.
func New(host, instance string) (*Engine, error) {
	if host == "" {
		host = client.DefaultDockerHost
	}
	if _, err := newClient(host); err != nil {
		return nil, err
	}
	return &Engine{Log: slog.New(slog.DiscardHandler), at: host, instance: instance}, nil
}

// newClient returns a client of the Docker at host that agrees on a version
// with it at its first request.
func newClient(host string) (*client.Client, error) {
	return client.NewClientWithOpts(client.WithHost(host), client.WithAPIVersionNegotiation())
}

// api returns the client to speak with.
//
// A client writes down the version that it has agreed on while others read
// it. So only one that has agreed is shared; until Docker is there, each
// request has its own.
func (e *Engine) api(ctx context.Context) *client.Client {
	if c := e.docker.Load(); c != nil {
		return c
	}
	c, err := newClient(e.at)
	if err != nil {
		panic(err) // New has made one of the same address
	}
	ping, err := c.Ping(ctx)
	if err != nil {
		return c
	}
	c.NegotiateAPIVersionPing(ping)
	if !e.docker.CompareAndSwap(nil, c) {
		c.Close()
	}
	return e.docker.Load()
}

// Close gives up the connections to Docker. What runs goes on running.
func (e *Engine) Close() error {
	e.tidying.Wait()
	e.peaks.close()
	if c := e.docker.Load(); c != nil {
		return c.Close()
	}
	return nil
}

// Instance returns the prefix of all names of what this engine makes.
func (e *Engine) Instance() string { return e.instance }
