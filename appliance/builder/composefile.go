package builder

import (
	"fmt"
	"io/fs"
	"slices"

	"github.com/berthhq/berth/appliance"
)

// A composeFile is what a compose file says, as far as a machine of one app's
// processes has a meaning for it.
type composeFile struct {
	name     string
	services []composeService // by name
	web      string           // the service that gets the traffic
	ignored  []string         // "db: container_name"
}

// A composeService becomes a process type.
type composeService struct {
	name       string
	image      string
	build      *composeBuild
	entrypoint []string // nil for the image's own, as command
	command    []string
	env        map[string]string
	mounts     []appliance.Mount
	published  []int    // what ports say, without what they are outside
	exposed    []int    // what expose says
	lines      []string // of a Dockerfile that is built on the image
	after      []string // the services that it depends on
}

// A composeBuild says what to build a service's image of. It is comparable as
// a whole by its key, so that two services share an image.
type composeBuild struct {
	context    string
	dockerfile string
	target     string
	args       map[string]string
}

func (b composeBuild) key() string {
	return fmt.Sprintf("%q %q %q %q", b.context, b.dockerfile, b.target, b.args) // fmt sorts maps
}

const (
	maxCompose  = 256 << 10 // bytes
	maxServices = 20
)

// composeNames are the names of a compose file, in the order in which Compose
// looks for them.
var composeNames = []string{"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"}

func findCompose(source fs.FS) (string, bool) {
	i := slices.IndexFunc(composeNames, func(name string) bool { return isFile(source, name) })
	if i < 0 {
		return composeNames[0], false
	}
	return composeNames[i], true
}
