package appliance

import "time"

// A Build is the record of one trip through the pipeline: who began it, for
// what, and how it ended. What it printed is kept with it.
type Build struct {
	App     AppName
	Number  int // 1, 2, 3, … within the app
	Kind    BuildKind
	Status  BuildStatus
	Source  string // what began it: "git push", "config:set PORT"
	Commit  string
	Branch  string
	Builder string // "" until one is chosen
	Actor   string
	Started time.Time
	Ended   time.Time // zero while it runs
	Error   string    // why it did not succeed
	Release int       // what it became; 0 if it did not get so far
	Image   Image
}

// Took returns how long the build took, or has taken until now.
func (b Build) Took(now time.Time) time.Duration {
	if b.Ended.IsZero() {
		return now.Sub(b.Started)
	}
	return b.Ended.Sub(b.Started)
}

// A BuildKind says what a build is a build of, in Dokku's words.
type BuildKind string

// The kinds.
const (
	KindBuild  BuildKind = "build"  // makes an image of source, and deploys it
	KindDeploy BuildKind = "deploy" // deploys an image that is there
)

// A BuildStatus says how a build stands, in Dokku's words.
type BuildStatus string

// The states of a build. Who waits for their turn is running too.
const (
	BuildRunning   BuildStatus = "running"
	BuildSucceeded BuildStatus = "succeeded"
	BuildFailed    BuildStatus = "failed"
	BuildCanceled  BuildStatus = "canceled"  // somebody canceled it, or hung up
	BuildAbandoned BuildStatus = "abandoned" // the appliance ended while it ran
)

// A Chunk is a piece of what a build printed. Where one does not begin at the
// end of the one before, something was left out.
type Chunk struct {
	At   int64 // bytes that were printed before it
	Text []byte
}
