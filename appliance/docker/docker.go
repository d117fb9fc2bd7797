// Package docker is the engine for Docker on one host, spoken to through the
// Docker Engine API. Everything it makes carries labels, so that all of it is
// found again from Docker alone after a crash, and nothing else is touched.
package docker

import (
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

	docker   *client.Client
	instance string

	// mu lets one goroutine at a time choose a subnet.
	mu sync.Mutex

	// host is what Docker says of the machine, once it was asked for.
	host atomic.Pointer[system.Info]
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
	docker, err := client.NewClientWithOpts(client.WithHost(host), client.WithAPIVersionNegotiation())
	if err != nil {
		return nil, err
	}
	return &Engine{Log: slog.New(slog.DiscardHandler), docker: docker, instance: instance}, nil
}

// Close gives up the connections to Docker. What runs goes on running.
func (e *Engine) Close() error { return e.docker.Close() }

// Instance returns the prefix of all names of what this engine makes.
func (e *Engine) Instance() string { return e.instance }
