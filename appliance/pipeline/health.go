package pipeline

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/router"
)

// Settings of an app that say when its web processes are ready.
const (
	CheckPathSetting    = "check-path"    // "" for any answer below 500 on /, "tcp" for a connection only
	CheckTimeoutSetting = "check-timeout" // seconds
	CheckSkipSetting    = "check-skip"    // "true" if nothing is asked at a deploy
)

// defaultCheckTimeout is how long Heroku waits too, before its error R10.
const defaultCheckTimeout = 60 * time.Second

// lastLines is how much of what a process had to say a failed deploy shows.
const lastLines = 20

// healthy returns when every process is ready for traffic, or with why one
// will not be.
func (r *run) healthy(ctx context.Context, release appliance.Release, started []appliance.Process) error {
	answer, err := r.check(ctx)
	if err != nil {
		return err
	}
	skip, err := r.Store.AppSetting(ctx, r.app, CheckSkipSetting)
	if err != nil {
		return err
	}
	if skip != "" {
		r.progress.Detail("the checks are skipped (checks:skip)")
		return nil
	}
	tests := map[string]test{}
	for _, p := range started {
		if tests[p.Type] == nil {
			if tests[p.Type], err = r.testFor(ctx, release, p.Type, answer); err != nil {
				return err
			}
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, p := range started {
		g.Go(func() error { return r.ready(ctx, p, processPort(release, p.Type), tests[p.Type]) })
	}
	return g.Wait()
}

// check returns what the app's web processes must answer when nothing else is
// said, or when somebody has said so on this machine.
func (r *run) check(ctx context.Context) (check router.HealthCheck, err error) {
	path, err := r.Store.AppSetting(ctx, r.app, CheckPathSetting)
	if err != nil {
		return check, err
	}
	timeout, err := r.Store.AppSetting(ctx, r.app, CheckTimeoutSetting)
	if err != nil {
		return check, err
	}
	host, err := r.Host(ctx, r.app)
	if err != nil {
		return check, err
	}
	check = router.HealthCheck{Path: path, Host: appliance.HostOf(cmp.Or(host, "localhost")), Timeout: defaultCheckTimeout}
	if path == "tcp" {
		check.Path, check.TCP = "", true
	}
	if n, err := strconv.Atoi(timeout); err == nil {
		check.Timeout = time.Duration(n) * time.Second
	}
	return check, nil
}

// A test returns nil when a process is ready for traffic, and an
// ErrUnhealthy when it has had its time.
type test func(ctx context.Context, p appliance.Process) error

// testFor returns what the processes of a type must pass: what was set for web
// on this machine, else what app.json says, else what the image brings, else
// that web answers and that any other stays up.
func (r *run) testFor(ctx context.Context, release appliance.Release, typ string, answer router.HealthCheck) (test, error) {
	answers := func(ctx context.Context, p appliance.Process) error { return answer.Wait(ctx, p.Addr) }
	if typ == Web && (answer.TCP || answer.Path != "") {
		return answers, nil
	}
	if checks := startupChecks(release, typ); len(checks) > 0 {
		return r.reached(answer, r.passes(checks, processPort(release, typ), answer.Host)), nil
	}
	spec := processSpec(release, "", typ, 1)
	info, err := r.Engine.Inspect(ctx, spec.Image)
	switch {
	case err != nil:
		return nil, err
	// The image's check is about what the image itself starts.
	case info.Health && (typ == Web || spec.Command == nil):
		return r.reached(answer, r.checksItself), nil
	case typ == Web:
		return answers, nil
	}
	return stayUp, nil
}

// reached adds to the test of a web process that it can be reached: whatever
// else it passes, it would get traffic.
func (r *run) reached(answer router.HealthCheck, also test) test {
	answer.TCP = true
	return func(ctx context.Context, p appliance.Process) error {
		err := also(ctx, p)
		if err == nil && p.Type == Web {
			err = answer.Wait(ctx, p.Addr)
		}
		return err
	}
}

// ready returns when one process is ready for traffic. A process that ends is
// noticed at once.
func (r *run) ready(ctx context.Context, p appliance.Process, port int, passes test) error {
	start := time.Now()
	watched, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	looked := make(chan struct{})
	go func() {
		defer close(looked)
		stop(r.ended(watched, p))
	}()

	err := passes(watched, p)
	stop(nil) // whoever was first has said why
	<-looked
	if ctx.Err() != nil {
		return context.Cause(ctx) // another process has failed, and says why
	}
	if dead, ok := errors.AsType[*endedError](context.Cause(watched)); ok {
		return r.explain(ctx, dead.process)
	}
	if errors.Is(err, router.ErrUnhealthy) {
		return r.explainUnhealthy(ctx, p, port, err)
	}
	if err != nil {
		return err
	}
	r.Log.DebugContext(ctx, "process is ready", "app", r.app, "process", p.Name(), "id", p.ID, "addr", p.Addr, "after", time.Since(start))
	r.progress.Detail("%s.%d is up after %s", p.Type, p.Index, seconds(time.Since(start)))
	return nil
}

// stayUp passes a process that listens on nothing when it has run for a
// moment, in which a mistyped command would have ended.
func stayUp(ctx context.Context, _ appliance.Process) error { return wait(ctx, settle) }

// wait is pause that says why ctx was done.
func wait(ctx context.Context, d time.Duration) error {
	if !pause(ctx, d) {
		return context.Cause(ctx)
	}
	return nil
}

// An endedError is about a process that ended before it was ready.
type endedError struct{ process appliance.Process }

func (e *endedError) Error() string {
	return fmt.Sprintf("%s.%d ended", e.process.Type, e.process.Index)
}

// ended returns an endedError when the process does not run any more, or nil
// when ctx is done.
func (r *run) ended(ctx context.Context, p appliance.Process) (err error) {
	r.follow(ctx, p, func(now appliance.Process) bool {
		if !now.Running {
			err = &endedError{now}
		}
		return !now.Running
	})
	return err
}

// follow has look see a process, again and again as things change, until that
// has seen enough or ctx is done.
func (r *run) follow(ctx context.Context, p appliance.Process, look func(appliance.Process) (enough bool)) {
	for {
		changed := r.state.changes()
		processes, err := r.Engine.Processes(ctx, r.app)
		if err == nil && look(find(p, processes)) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-time.After(time.Second): // in case the engine did not tell us
		}
	}
}

// tooLittle says what to do for a process of some type, or for what has none,
// that was out of memory.
func tooLittle(app appliance.AppName, limit int64, typ string) string {
	switch {
	case limit == 0:
		return "it needs more memory than this machine has to give"
	case typ == "":
		return fmt.Sprintf("it needs more memory than it may have: resource:limit --memory MORE %s", app)
	}
	return fmt.Sprintf("it needs more memory than it may have: resource:limit --memory MORE --process-type %s %s", typ, app)
}

// explain makes an error of a process that ended, with its last words. Another
// that failed at the same time does not keep it from them.
func (r *run) explain(ctx context.Context, p appliance.Process) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	r.showLog(ctx, p)
	what := fmt.Sprintf("%s.%d exited with status %d before it was ready", p.Type, p.Index, p.ExitStatus)
	hint := "the lines above are the last it printed; fix what they say and push again"
	switch {
	case p.OOM:
		what = fmt.Sprintf("%s.%d %s", p.Type, p.Index, p.Ending())
		hint = tooLittle(p.App, p.Limit, p.Type)
	case p.ExitStatus == 0:
		hint = "it ended by itself, without an error: what starts it must go on running, in the foreground"
	case p.ExitStatus == appliance.StatusNotFound:
		hint = "status 127 means that its command was not found: check the Procfile, and that the build installs it"
	case p.ExitStatus == appliance.StatusNotExecutable:
		hint = "status 126 means that its command cannot be executed: check its mode (git update-index --chmod=+x) and its first line"
	}
	return appliance.WithHint(errors.New(what), hint)
}

// explainUnhealthy makes an error of a process that runs but does not pass.
// Most often web listens where nobody can reach it, which can be seen.
func (r *run) explainUnhealthy(ctx context.Context, p appliance.Process, port int, err error) error {
	r.showLog(ctx, p)
	hint := fmt.Sprintf("web must listen on 0.0.0.0, on the port that $PORT gives (%d); "+
		"if it needs longer to start: checks:set %s timeout 120", port, r.app)
	listening, listErr := r.Engine.Listening(ctx, p.ID)
	if listErr == nil {
		hint = hintFor(r.app, listening, port, hint)
	}
	if failed, ok := errors.AsType[*failedCheck](err); ok && (p.Type != Web || failed.answered) {
		hint = failed.hint
	}
	return appliance.WithHint(fmt.Errorf("%s.%d: %w", p.Type, p.Index, err), hint)
}

func hintFor(app appliance.AppName, listening []netip.AddrPort, port int, otherwise string) string {
	if len(listening) == 0 {
		return "it runs but listens on nothing; " + otherwise
	}
	for _, at := range listening {
		switch {
		case at.Addr().IsLoopback() && int(at.Port()) == port:
			return fmt.Sprintf("it listens on %s, where only it can reach itself: make it listen on 0.0.0.0:%d", at, port)
		case int(at.Port()) == port:
			return "it listens on the right port but does not answer as it should: see the evidence above, and checks:set for what is asked"
		}
	}
	i := slices.IndexFunc(listening, func(at netip.AddrPort) bool { return !at.Addr().IsLoopback() })
	if i < 0 {
		return fmt.Sprintf("it listens on %s, but was told to listen on port %d: make it listen on 0.0.0.0:$PORT", listening[0], port)
	}
	return fmt.Sprintf("it listens on %s, but was told to listen on port %d: make it listen on 0.0.0.0:$PORT, or say where it does: config:set %s PORT=%d",
		listening[i], port, app, listening[i].Port())
}

// showLog prints the last lines of a process.
func (r *run) showLog(ctx context.Context, p appliance.Process) {
	var log bytes.Buffer
	if err := r.Engine.Logs(ctx, p.ID, appliance.LogOptions{Tail: lastLines}, &log); err != nil {
		r.progress.Warn("its log cannot be read: %v", err)
		return
	}
	if log.Len() == 0 {
		r.progress.Detail("(%s.%d printed nothing)", p.Type, p.Index)
		return
	}
	r.progress.Step("The last lines of %s.%d:", p.Type, p.Index)
	log.WriteTo(r.progress)
}
