package appliance

import (
	"cmp"
	"slices"
	"time"
)

// A Procfile maps each process type to the command that starts it.
type Procfile map[string]string

// A Formation says how many of each process type should run.
type Formation map[string]int

// A Release is what runs: an image, the environment it runs with, and the
// processes its Procfile names. A release never changes; a change makes the
// next one.
type Release struct {
	App       AppName
	Version   int // 1, 2, 3, … within the app
	Image     Image
	Builder   string // which builder made the image: "dockerfile", "buildpacks"
	Stack     Image  // what the image was built on; "" for a Dockerfile's own base
	Commit    string // what it was built from
	Env       map[string]string
	Procfile  Procfile
	Services  map[string]Service // by process type: what differs from Image and Procfile; nil but for a compose file
	AppJSON   AppJSON
	Port      int       // what web listens on when PORT tells it nothing else
	Formation Formation // how many of each process type were to run when it was made
	Reason    string    // "push 3f2a1c9", "config:set PORT", "rollback to v7"
	Actor     string
	CreatedAt time.Time
	Status    ReleaseStatus
	Pushed    []Pushed // where registries have its images; nil for nowhere

	// Restores is the version that a rollback went back to; of a rollback to
	// another rollback, the version that that one went back to. Otherwise 0.
	Restores int
}

// Images returns what the release's processes run from.
func (r Release) Images() []Image {
	list := []Image{}
	if r.Image != "" {
		list = append(list, r.Image)
	}
	for _, service := range r.Services {
		if service.Image != "" && !slices.Contains(list, service.Image) {
			list = append(list, service.Image)
		}
	}
	return list
}

// A ReleaseStatus says how the deploy of a release went.
type ReleaseStatus string

// The states of a release, in Heroku's words.
const (
	ReleasePending   ReleaseStatus = "pending"   // its first deploy has not ended
	ReleaseSucceeded ReleaseStatus = "succeeded" // it has been live
	ReleaseFailed    ReleaseStatus = "failed"    // it never was
)

// Origin is the version whose image and environment the release has: its own,
// but for a rollback.
func (r Release) Origin() int { return cmp.Or(r.Restores, r.Version) }

// A Service says how a process type runs that is not started as the Procfile
// says: one that a compose file describes, with an image of its own, or one
// that Cloud Native Buildpacks have made.
type Service struct {
	Image   Image             `json:"image,omitempty"`   // "" for the release's
	Command []string          `json:"command,omitempty"` // nil for the image's own
	Env     map[string]string `json:"env,omitempty"`
	Mounts  []Mount           `json:"mounts,omitempty"`
	Port    int               `json:"port,omitempty"`    // what it listens on; 0 if nothing says
	Aliases []string          `json:"aliases,omitempty"` // host names by which the app's other processes reach it
	After   []string          `json:"after,omitempty"`   // the process types that must be up before it starts
}

// WebPort returns the port that the release's web processes are told to listen
// on: what its config says in PORT, else what its image does.
func (r Release) WebPort() int {
	if port, err := ParsePort(r.Env["PORT"]); err == nil {
		return port
	}
	return r.Port
}
