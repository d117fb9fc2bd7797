package docker

import (
	"fmt"
	"strings"

	"github.com/docker/docker/api/types/mount"

	"github.com/berthhq/berth/appliance"
)

// socket returns what gives a container Docker's own socket.
func (e *Engine) socket() (mount.Mount, error) {
	host := e.at
	path, ok := strings.CutPrefix(host, "unix://")
	if !ok {
		return mount.Mount{}, appliance.WithHint(fmt.Errorf("the engine is reached at %s, which is no socket of this machine", host),
			"Cloud Native Buildpacks need a Docker that runs on this machine")
	}
	return mount.Mount{Type: mount.TypeBind, Source: path, Target: appliance.SocketPath}, nil
}
