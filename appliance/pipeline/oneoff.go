package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
)

// hangUpTime is how long a command may take to end whose person has gone.
const hangUpTime = 5 * time.Second

// A Wish is what somebody wants to run once beside an app's processes.
type Wish struct {
	App     appliance.AppName
	Command []string // a process type, a line for a shell, or a program and its arguments
	Env     []string // "KEY=value": what is added to the app's
	TTL     time.Duration
	Line    bool // the command is one line for a shell

	Terminal *appliance.Terminal // for what is detached
}

// A Connection is between a person and a command.
type Connection struct {
	Stdin    io.Reader
	Out, Err io.Writer
	Terminal *appliance.Terminal // nil without one
}

// Once runs a command in a container of its own, with the image, environment
// and volumes of the live release, and returns when it has ended. It ends when
// ctx does.
func (p *Pipeline) Once(ctx context.Context, w Wish, c Connection) (appliance.RunResult, error) {
	release, err := p.live(ctx, w.App)
	if err != nil {
		return appliance.RunResult{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	o := appliance.OneOff{App: w.App, Command: w.Command, Release: release.Version, Actor: appliance.ActorFrom(ctx).Name, Attached: true, Started: time.Now()}
	o.Deadline = o.Started.Add(w.TTL)
	s := p.state(w.App)
	o.Name, err = p.oneOffName(ctx, w.App, "run", func(name string) error {
		o.Name = name
		return s.attach(&attached{o, cancel})
	})
	if err != nil {
		return appliance.RunResult{}, err
	}
	defer s.detach(o.Name)

	// Of no type: what is known by one's name in a network gets its requests.
	spec, err := p.Contain(ctx, oneOffSpec(release, w, o.Name), "")
	if err != nil {
		return appliance.RunResult{}, err
	}
	spec.Stdin, spec.Out, spec.Err, spec.Terminal, spec.HangUp = c.Stdin, c.Out, c.Err, c.Terminal, hangUpTime
	limited, end := context.WithDeadlineCause(ctx, o.Deadline, &endedBy{fmt.Sprintf("it was ended: it took longer than %s", w.TTL)})
	defer end()
	result, err := outOfMemory(p.Engine.Run(limited, spec))
	if by, ok := errors.AsType[*endedBy](context.Cause(limited)); ok && err != nil {
		return result, by
	}
	return result, err
}

// outOfMemory passes on what a run has left; its want of memory is in the
// result, and no error as that of a build.
func outOfMemory(result appliance.RunResult, err error) (appliance.RunResult, error) {
	if left, ok := errors.AsType[*appliance.ExceededError](err); ok && left.Resource == appliance.Memory && result.OOM {
		return result, nil
	}
	return result, err
}

// An endedBy says why a one-off was ended that would have gone on.
type endedBy struct{ why string }

func (e *endedBy) Error() string { return e.why }

// live returns the release that serves an app, or an error that says what to
// do when none does.
func (p *Pipeline) live(ctx context.Context, name appliance.AppName) (appliance.Release, error) {
	app, err := p.Store.App(ctx, name)
	if err != nil {
		return appliance.Release{}, err
	}
	if app.LiveRelease == 0 {
		return appliance.Release{}, appliance.WithHint(fmt.Errorf("app %s has not been deployed", name), "deploy it with git push")
	}
	return p.Store.Release(ctx, name, app.LiveRelease)
}

// oneOffName finds a name that take takes.
func (p *Pipeline) oneOffName(ctx context.Context, app appliance.AppName, kind string, take func(name string) error) (string, error) {
	for {
		name := fmt.Sprintf("%s.%d", kind, 1000+rand.IntN(9000))
		err := take(name)
		if !errors.Is(err, appliance.ErrExists) || ctx.Err() != nil {
			return name, err
		}
	}
}

// oneOffSpec says how to run a command beside the processes of a release: as
// web would run, or as the process type that it names.
func oneOffSpec(release appliance.Release, w Wish, name string) appliance.RunSpec {
	typ, ofType := Web, false
	if _, ok := release.Procfile[typ]; !ok {
		if types := slices.Sorted(maps.Keys(release.Procfile)); len(types) > 0 {
			typ = types[0]
		}
	}
	if len(w.Command) == 1 && !w.Line {
		if _, ok := release.Procfile[w.Command[0]]; ok {
			typ, ofType = w.Command[0], true
		}
	}
	like := processSpec(release, "", typ, 1)
	spec := appliance.RunSpec{
		App: release.App, Name: name, Image: like.Image, Command: like.Command, Mounts: like.Mounts,
		Env: override(like.Env, append([]string{"DYNO=" + name}, w.Env...)...),
	}
	switch {
	case w.Line:
		spec.Command = shellCommand(release, w.Command[0])
	case !ofType:
		spec.Command = oneOffCommand(release, w.Command)
	}
	return spec
}

// Enter runs a command beside a process or a run, in its container, or a shell
// if there is none. It ends when ctx does.
func (p *Pipeline) Enter(ctx context.Context, id string, w Wish, c Connection) (status int, err error) {
	release, err := p.live(ctx, w.App)
	if err != nil {
		return 0, err
	}
	command := oneOffCommand(release, w.Command)
	if len(w.Command) == 0 {
		if command, err = p.shell(ctx, release); err != nil {
			return 0, err
		}
	}
	return p.Engine.Exec(ctx, id, appliance.ExecSpec{
		Command: command, Env: w.Env, Stdin: c.Stdin, Out: c.Out, Err: c.Err, Terminal: c.Terminal, HangUp: hangUpTime,
	})
}

// oneOffCommand returns how to run a program in a release's image, with all
// that its processes find there. One word with spaces in it is a line for a
// shell.
func oneOffCommand(release appliance.Release, command []string) []string {
	switch {
	case len(command) == 1 && strings.ContainsAny(command[0], " \t\n"):
		return shellCommand(release, command[0])
	case release.Stack != "":
		return append([]string{"/exec"}, command...)
	case release.Builder == (builder.Pack{}).Name():
		// The launcher would have a shell split the words again.
		return []string{builder.Launcher, "exec " + quote(command)}
	}
	return command
}

// shell returns how to run a shell in a release's image: what was set, as words
// that no shell reads, or bash, or else sh.
func (p *Pipeline) shell(ctx context.Context, release appliance.Release) ([]string, error) {
	set, err := p.Property(ctx, release.App, ShellSetting)
	if err != nil {
		return nil, err
	}
	if words := strings.Fields(set); len(words) > 0 {
		return oneOffCommand(release, words), nil
	}
	return shellCommand(release, "if command -v bash >/dev/null 2>&1; then exec bash; fi; exec sh"), nil
}

// quote makes one line for a shell of words.
func quote(words []string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return strings.Join(quoted, " ")
}

// override returns an environment in which more goes before what was there.
func override(env []string, more ...string) []string {
	key := func(kv string) string {
		k, _, _ := strings.Cut(kv, "=")
		return k
	}
	for i, kv := range more {
		env = slices.DeleteFunc(env, func(old string) bool { return key(old) == key(kv) })
		if !slices.ContainsFunc(more[i+1:], func(later string) bool { return key(later) == key(kv) }) {
			env = append(env, kv)
		}
	}
	return env
}

// An attached is a one-off that somebody is connected to.
type attached struct {
	appliance.OneOff
	cancel context.CancelCauseFunc
}

func (s *state) attach(a *attached) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.attached[a.Name] != nil {
		return appliance.ErrExists
	}
	if s.attached == nil {
		s.attached = map[string]*attached{}
	}
	s.attached[a.Name] = a
	return nil
}

func (s *state) detach(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.attached, name)
}

// OneOffs lists the one-offs of an app, those that run, or all that are
// remembered, the oldest first.
func (p *Pipeline) OneOffs(ctx context.Context, app appliance.AppName, all bool) ([]appliance.OneOff, error) {
	list := []appliance.OneOff{}
	s := p.state(app)
	s.mu.Lock()
	for _, a := range s.attached {
		list = append(list, a.OneOff)
	}
	s.mu.Unlock()
	detached, err := p.Store.OneOffs(ctx, app)
	if err != nil {
		return nil, err
	}
	for _, o := range detached {
		if all || o.Ended.IsZero() {
			list = append(list, o)
		}
	}
	slices.SortFunc(list, func(a, b appliance.OneOff) int {
		return cmp.Or(a.Started.Compare(b.Started), strings.Compare(a.Name, b.Name))
	})
	return list, nil
}

// stopAttached ends a one-off that somebody is connected to.
func (s *state) stopAttached(name, by string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.attached[name]
	if a != nil {
		a.cancel(&endedBy{"stopped by " + by})
	}
	return a != nil
}
