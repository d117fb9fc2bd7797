package appliance

import "fmt"

// A Stage is one step of the pipeline, in the words that Dokku gave them.
type Stage string

// The stages, in the order that a push goes through them.
const (
	StageReceive Stage = "receive" // unpack what was pushed
	StageCleanup Stage = "cleanup" // make room: old images, ended processes
	StageBuild   Stage = "build"   // source to image
	StageRelease Stage = "release"
	StagePush    Stage = "push"   // image to a registry, if that is wanted
	StageDeploy  Stage = "deploy" // release to running processes, and traffic to them
)

// A StageError says which stage of the pipeline stopped, and why.
type StageError struct {
	Stage Stage
	Err   error
}

func (e *StageError) Error() string { return fmt.Sprintf("%s: %v", e.Stage, e.Err) }
func (e *StageError) Unwrap() error { return e.Err }
