package appliance

import (
	"context"
	"io"
	"net/netip"
	"time"
)

// An Engine builds images and keeps processes running from them. Docker on
// one host is an Engine; the suite in enginetest is what makes one. Its
// methods may be called by several goroutines at once. An engine touches only
// what it has labelled as its own.
type Engine interface {
	// Build makes an image from the directory spec.Dir, which holds a
	// Dockerfile, and writes the build's output to spec.Out as it comes. The
	// error of a build that fails names the step; a Dockerfile that makes no
	// sense is ErrInvalid. It never reads through a symbolic link that leads
	// out of the directory.
	Build(ctx context.Context, spec BuildSpec) (Image, error)

	// Import makes an image named tag of a root file system, a tar stream.
	Import(ctx context.Context, tag Image, rootfs io.Reader) error

	// Load makes an image of app of its configuration and its layers.
	Load(ctx context.Context, spec LoadSpec) error

	// Inspect tells what an image is, or ErrNotFound.
	Inspect(ctx context.Context, image Image) (ImageInfo, error)

	// Capacity tells what the machine has.
	Capacity(ctx context.Context) (Capacity, error)

	// Login asks a registry whether it knows a login. The engine does not
	// remember it.
	Login(ctx context.Context, login RegistryLogin) error

	// Push sends an image to a registry, and returns its digest there. The
	// image has no further name here when it returns.
	Push(ctx context.Context, spec PushSpec) (digest string, err error)

	// Run runs one process to its end. A process that exits with a status
	// other than 0 is no error; nothing is committed of it. What it leaves,
	// but for the image, is removed. A run that leaves its fence is ended, and
	// the error is an ExceededError.
	Run(ctx context.Context, spec RunSpec) (RunResult, error)

	// Prepare starts what Run would run, and gives it neither files nor input
	// yet: it must do nothing before it has read all of its input. A Run of
	// the same spec goes on with it when RunSpec.Prepared is the id that
	// Prepare returns. It is a run, and stays until that Run, Stop or Sweep.
	Prepare(ctx context.Context, spec RunSpec) (id string, err error)

	// Detach starts what Run would run, and returns when it runs. Nobody is
	// connected to it: what it prints is kept for Logs, within bounds. It
	// outlives the appliance, and it and what it leaves stay until Stop.
	Detach(ctx context.Context, spec RunSpec) (Run, error)

	// Runs lists what Detach has started of app, or of every app when app is
	// "": also what has ended and was not removed.
	Runs(ctx context.Context, app AppName) ([]Run, error)

	// Await returns how a process or a run has ended, once it has.
	Await(ctx context.Context, id string) (RunResult, error)

	// End is Stop, but removes nothing.
	End(ctx context.Context, grace time.Duration, id string) error

	// Start starts a new generation of one process type and returns once all
	// of it runs. If one of them cannot be started, Start ends the others and
	// returns an error. It touches no other generation. The engine does not
	// restart what Start has started until Keep says so.
	Start(ctx context.Context, spec ProcessSpec) ([]Process, error)

	// Keep has the engine restart the processes by itself from now on: when
	// they exit, unless restart says otherwise, when the engine restarts, and
	// when the machine reboots. Of a process that ends soon after its start
	// again and again, each start comes later than the one before it, up to a
	// minute.
	Keep(ctx context.Context, restart Restart, ids ...string) error

	// GiveUp has the engine restart the processes no more, also not when it
	// restarts itself. They stay ended, and are listed until Stop. One that
	// has gone is no error.
	GiveUp(ctx context.Context, ids ...string) error

	// Stop asks the processes to finish, all at once, waits for at most
	// grace, then ends and removes them. Stopping a process that has already
	// gone is no error.
	Stop(ctx context.Context, grace time.Duration, ids ...string) error

	// Restart asks a process to finish, waits for at most grace, then ends it,
	// and starts it again, whatever Keep was called with. Its Restarts begin
	// anew: that it ends so is none of them.
	Restart(ctx context.Context, grace time.Duration, id string) error

	// Processes lists what there is of app, or of every app when app is "":
	// also what has ended and was not removed.
	Processes(ctx context.Context, app AppName) ([]Process, error)

	// Details returns what the engine itself knows of a process, as JSON, or
	// ErrNotFound. Of the environment it has the names and no values.
	Details(ctx context.Context, id string) ([]byte, error)

	// Usage tells what the processes that run of app take, or those of every
	// app when app is "".
	Usage(ctx context.Context, app AppName) ([]Usage, error)

	// Logs copies a process's output, both streams, to w. With timestamps, each
	// write is one message: a time of 30 characters, as in
	// "2006-01-02T15:04:05.000000000Z", a space, and a line with its end, or a
	// piece of a very long line without one. Following ends with the process.
	Logs(ctx context.Context, id string, opts LogOptions, w io.Writer) error

	// Listening returns the addresses that a process listens on inside its
	// own network, so that an app which listens where nobody can reach it can
	// be told so.
	Listening(ctx context.Context, id string) ([]netip.AddrPort, error)

	// Exec runs a command beside a process or a run, in its container and
	// with its environment, to its end. A command that exits with a status
	// other than 0 is no error. One that is given up, because ctx is done, is
	// ended.
	Exec(ctx context.Context, id string, spec ExecSpec) (status int, err error)

	// Watch calls changed with the app of every process that is made, starts,
	// ends or gets a new address, and of what Pin has made that somebody else
	// removes, until ctx is done, and returns nil then. It calls
	// changed with "" when it may have missed something: after it has
	// reached the engine for the first time, and again after it had lost it.
	// changed must return quickly.
	Watch(ctx context.Context, changed func(AppName)) error

	// Images lists the names of app's images, or of the appliance's own when
	// app is "".
	Images(ctx context.Context, app AppName) ([]Image, error)

	// Pin keeps these images of app, and none of those that it kept before,
	// from whoever tidies the engine up beside us and removes what nothing
	// uses. It does not keep them from Prune. If one of them has lost only its
	// name, it gets that back; one that is gone is left out. Nothing of it is
	// a process.
	Pin(ctx context.Context, app AppName, images ...Image) error

	// Prune removes the app's images, or the appliance's own when app is "",
	// but for those in keep and those that a
	// process still uses.
	Prune(ctx context.Context, app AppName, keep ...Image) error

	// Clear is Prune, and removes what runs of app have left that have ended and
	// that nobody waits for any more. It tells what that freed.
	Clear(ctx context.Context, app AppName, keep ...Image) (Freed, error)

	// RemoveVolumes removes volumes of app, and returns those of them that there
	// were. One that a process or a run has stays, and is ErrBusy.
	RemoveVolumes(ctx context.Context, app AppName, volumes ...string) (removed []string, err error)

	// CreateNetwork makes a network that apps can share, or returns ErrExists.
	CreateNetwork(ctx context.Context, name string) error

	// RemoveNetwork removes such a network, or returns ErrNotFound. One that
	// something is on is not removed.
	RemoveNetwork(ctx context.Context, name string) error

	// Networks lists the networks that apps share, by name.
	Networks(ctx context.Context) ([]Network, error)

	// Sweep removes what runs that began before a moment, and pushes, have
	// left, for after our own end has interrupted them. It leaves alone what
	// was detached, and what is pushed now.
	Sweep(ctx context.Context, before time.Time) error

	// Destroy removes all there is of app: processes, images, volumes,
	// networks. Destroying twice is no error.
	Destroy(ctx context.Context, app AppName) error
}

// An Image is the engine's name for something it can run.
type Image string

// An ImageInfo is what an engine knows of an image.
type ImageInfo struct {
	ID         string // names its content
	Ports      []int  // TCP ports it says it listens on (EXPOSE), in order
	Cmd        []string
	Entrypoint []string // what Cmd is given to as arguments
	Env        []string // "KEY=value"
	Health     bool     // it brings a health check of its own (HEALTHCHECK)
	Labels     map[string]string
	Size       int64 // bytes
}

// Freed is what was removed.
type Freed struct {
	Containers int
	Images     int
	Bytes      int64 // that they had and nothing else has; less if something came in meanwhile
}

// A BuildSpec says what to build.
type BuildSpec struct {
	App        AppName // "" for an image of the appliance itself
	Tag        Image   // what to name the image
	Dir        string  // the build context
	Dockerfile string  // relative to Dir; "Dockerfile" if ""
	Target     string  // the stage to stop at; the last if ""
	Args       map[string]string
	Secrets    map[string][]byte // for RUN --mount=type=secret,id=…; in no layer and no history
	Logins     []RegistryLogin   // for images that the Dockerfile begins with; in no step, layer or history
	Fresh      bool              // use nothing of the cache
	Fence      Fence
	Out        io.Writer
}

// A LoadSpec says what an image is made of.
type LoadSpec struct {
	App    AppName
	Tag    Image  // what to name the image
	Config []byte // as the OCI and Docker have it, JSON; of its labels those remain that are not an engine's
	Layers []LayerFile
}

// A LayerFile is a layer of an image, a tar.
type LayerFile struct {
	Size int64
	Open func() (io.ReadCloser, error)
}

// A RunSpec says what to run to its end.
type RunSpec struct {
	App     AppName // "" for work of the appliance itself
	Image   Image
	Command []string
	Env     []string // "KEY=value"; not part of a committed image
	User    string   // "1000:1000"; the image's own if ""
	Mounts  []Mount
	Tmpfs   []string // directories that are memory only, and in no image
	Options Options
	Stdin   io.Reader
	Out     io.Writer
	Err     io.Writer // Out if nil

	// Terminal, if set, has the process run at a terminal of its own, which
	// is of the same kind and size. All it prints goes to Out, as it is; the
	// end of Stdin reaches it as EndOfInput.
	Terminal *Terminal

	// HangUp, if set, is how long a process that is given up, because ctx is
	// done, may take to end after a SIGHUP.
	HangUp time.Duration

	// Name is what people call it: "run.1234". The engine makes one up if
	// there is none. Two of an app that are there have not the same.
	Name string

	// Engine gives the process the engine's own socket, at SocketPath, with
	// which it can do everything on the machine. It is for programs of the
	// appliance alone, never for what a repository brings.
	Engine bool

	// Files, if set, is a tar stream that is unpacked at FilesDir before the
	// process starts.
	Files    io.Reader
	FilesDir string

	Fence Fence

	// Prepared, if set, is what Prepare has returned for a spec like this one,
	// but for what the process is given and what is made of what it leaves. If
	// that runs no more, it is as if nothing had been prepared.
	Prepared string

	// Collect, if set, is the path of a file to bring back when the process
	// has exited with 0.
	Collect string

	// Commit, if set, makes an image of what the process leaves when it has
	// exited with 0.
	Commit *CommitSpec
}

// SocketPath is where a process finds the socket that RunSpec.Engine gives it.
const SocketPath = "/var/run/docker.sock"

// A CommitSpec says what to make of a process that has run to its end. What
// is not set here is as in the image that it ran from.
type CommitSpec struct {
	Tag     Image
	Command []string
	User    string
	Dir     string // the working directory
	Env     []string
}

// A RunResult is what a run left.
type RunResult struct {
	Status    int
	OOM       bool   // something of it was ended because it wanted more memory than it may have
	Limit     int64  // of its memory, in bytes; 0 if it had none of its own
	Peak      int64  // most memory it had, in bytes, if OOM; 0 if nobody saw
	PeakOpen  bool   // it may have had more than Peak
	Collected []byte // the content of RunSpec.Collect
}

// A Run is a command that Detach has started.
type Run struct {
	ID      string
	App     AppName
	Name    string // RunSpec.Name
	Running bool
	Started time.Time
}

// A ProcessSpec says what to keep running.
type ProcessSpec struct {
	App        AppName
	Type       string // "web", "worker"
	Release    int
	Generation Generation
	Image      Image
	Command    []string // nil for the image's own
	Env        []string
	Mounts     []Mount
	Port       int // what the process listens on; 0 if nothing
	Replicas   int
	First      int      // the index of the first of them; 1 if 0
	Turn       string   // tells them from those of the same indices that they take over from
	Aliases    []string // host names by which the app's other processes reach it
	Fence      Fence    // what each of them may take of memory, CPUs and pids
	Options    Options
}

// An ExecSpec says what to run beside a process.
type ExecSpec struct {
	Command []string
	Env     []string // "KEY=value"; what differs from the process's
	Stdin   io.Reader
	Out     io.Writer
	Err     io.Writer // Out if nil

	Terminal *Terminal     // as of a RunSpec
	HangUp   time.Duration // as of a RunSpec
}

// A Mount shares a volume of the app with a process, or a directory of the
// machine. The engine makes the volume when it is missing.
type Mount struct {
	Volume   string // "cache"; the engine adds the app's name
	Dir      string `json:",omitempty"` // instead of a volume: an absolute path, which must be there
	Path     string // where the process sees it
	ReadOnly bool   `json:",omitempty"`
}

// A Process is one copy of a process type.
type Process struct {
	ID         string
	App        AppName
	Type       string
	Index      int // 1, 2, 3, … within its type
	Release    int
	Generation Generation
	Turn       string // ProcessSpec.Turn
	Addr       string // host:port to reach it on; "" if it listens on nothing or does not run
	Running    bool
	Restarting bool    // it has ended and the engine is about to start it again
	Kept       Restart // what Keep was called with
	Restarts   int
	ExitStatus int   // of its last end; only when it does not run, or EndKnown
	OOM        bool  // its last end was for want of memory; as ExitStatus
	EndKnown   bool  // it runs again, and how it had ended is known
	Limit      int64 // of its memory, in bytes; 0 if it has none of its own
	Peak       int64 // most memory it had before it ended for want of it, in bytes; 0 if nobody saw
	PeakOpen   bool  // it may have had more than Peak: the end of it was not seen
	Health     Health
	Started    time.Time
	Ended      time.Time // zero if it has never ended
}

// A Usage is what one process takes of the machine.
type Usage struct {
	ID     string
	App    AppName
	CPU    time.Duration // that it has used since its start, of all CPUs together
	Memory int64         // bytes now, without what can be dropped
	At     time.Time     // when that was so
}

// A Restart says after which ends a process is started again.
type Restart string

// The zero Restart is Never, as it is before Keep.
const (
	Never     Restart = ""
	OnFailure Restart = "on-failure" // with a status other than 0
	Always    Restart = "always"
)

// A Health is what the check that an image brings says of a process.
type Health string

// The states of health. An image without a check has NoHealth.
const (
	NoHealth  Health = ""
	Starting  Health = "starting"
	Healthy   Health = "healthy"
	Unhealthy Health = "unhealthy"
)

// LogOptions choose what Logs copies.
type LogOptions struct {
	Follow     bool
	Tail       int // the last so many lines; all if 0
	Timestamps bool
	Since      time.Time // nothing from before; all if zero
	Err        io.Writer // what the process prints to stderr goes there; to w if nil
}

// A Stopping is told of a process as it is before Stop asks it to finish, and
// says what is to be done when it has ended: it is removed only after that.
// Engines have it as a field, for what Docker forgets with a container.
type Stopping func(ctx context.Context, p Process) (ended func())
