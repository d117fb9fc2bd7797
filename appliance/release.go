package appliance

import "time"

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
	Port      int    // what web listens on when PORT tells it nothing else
	Reason    string // "push 3f2a1c9", "config:set PORT"
	Actor     string
	CreatedAt time.Time
}

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
