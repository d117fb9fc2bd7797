package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/router"
)

// startupChecks returns what app.json has the processes of a type pass before
// they get traffic.
func startupChecks(release appliance.Release, typ string) []appliance.Check {
	return checksOf(release, typ, appliance.StartupCheck)
}

// checksOf returns the checks of one kind.
func checksOf(release appliance.Release, typ, kind string) (list []appliance.Check) {
	for _, c := range release.AppJSON.Healthchecks[typ] {
		if c.Type == kind {
			list = append(list, c)
		}
	}
	return list
}

// A failedCheck is an ErrUnhealthy about a check that somebody has written.
type failedCheck struct {
	what     string
	evidence error
	hint     string
	answered bool // it is not that the process cannot be reached
}

func (e *failedCheck) Error() string {
	return fmt.Sprintf("the check %s failed: %v", e.what, e.evidence)
}

func (e *failedCheck) Unwrap() error { return router.ErrUnhealthy }

// passes is the test of a process that must pass all checks, side by side.
func (r *run) passes(checks []appliance.Check, port int, host string) test {
	return func(ctx context.Context, p appliance.Process) error {
		g, inner := errgroup.WithContext(ctx)
		for _, c := range checks {
			g.Go(func() error {
				err := r.pass(inner, p, c, port, host)
				if errors.Is(err, router.ErrUnhealthy) && c.Warn {
					r.progress.Warn("%s.%d: %v", p.Type, p.Index, err)
					return nil
				}
				return err
			})
		}
		return g.Wait()
	}
}

// The waits between two attempts begin short, as most processes are ready
// soon, and end long where asking costs something.
const (
	firstWait   = 25 * time.Millisecond
	longestAsk  = 250 * time.Millisecond
	longestExec = time.Second
)

// pass has a process pass one check, within the time that the check's
// attempts and the waits between them take at most. It asks more often than
// the check says, because nobody gains from waiting for what is ready.
func (r *run) pass(ctx context.Context, p appliance.Process, c appliance.Check, port int, host string) error {
	if err := wait(ctx, time.Until(p.Started.Add(c.InitialDelay))); err != nil {
		return err
	}
	ask, longest := r.question(p, c, port, host), longestAsk
	switch {
	case c.Uptime > 0:
		return wait(ctx, time.Until(p.Started.Add(c.Uptime))) // its end would be noticed
	case ask == nil:
		return stayUp(ctx, p)
	case c.Command != nil:
		longest = longestExec
	}
	limit := time.Duration(c.Attempts)*c.Timeout + time.Duration(c.Attempts-1)*c.Wait
	deadline := time.Now().Add(limit)
	for pausing := firstWait; ; pausing = min(2*pausing, longest, max(c.Wait, firstWait)) {
		attempt, cancel := context.WithTimeoutCause(ctx, c.Timeout, fmt.Errorf("no answer within %s", c.Timeout))
		err := ask(attempt)
		cancel()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err == nil {
			return nil
		}
		if time.Now().Add(pausing).After(deadline) {
			_, refused := errors.AsType[net.Error](err)
			return &failedCheck{
				what: describe(c), answered: !refused,
				evidence: fmt.Errorf("%w after %s", err, limit),
				hint:     "healthchecks in app.json say what is asked, and how long: attempts × timeout, and wait between them",
			}
		}
		if err := wait(ctx, pausing); err != nil {
			return err
		}
	}
}

// question returns what asks a process once, or nil for a check that asks
// nothing.
func (p *Pipeline) question(q appliance.Process, c appliance.Check, port int, host string) func(context.Context) error {
	switch {
	case c.Command != nil:
		return func(ctx context.Context) error { return p.askCommand(ctx, q, c) }
	case c.Listening:
		if c.Port != 0 {
			port = c.Port
		}
		return func(ctx context.Context) error { return p.askListening(ctx, q, port) }
	case c.Path != "":
		header := http.Header{"X-Forwarded-Proto": {"https"}} // as the router, or the app might redirect there
		for name, value := range c.Headers {
			header.Set(name, value)
		}
		check := router.HealthCheck{
			Path: c.Path, TLS: c.Scheme == "https", Host: host, Header: header, Content: c.Content, Attempt: c.Timeout,
		}
		target := q.Addr
		if at, _, err := net.SplitHostPort(target); err == nil && c.Port != 0 && c.Port != port {
			target = net.JoinHostPort(at, strconv.Itoa(c.Port))
		}
		return func(ctx context.Context) error { return check.Ask(ctx, target) }
	}
	return nil
}

// maxSaid is how much of a command's output is worth showing.
const maxSaid = 500

func (p *Pipeline) askCommand(ctx context.Context, q appliance.Process, c appliance.Check) error {
	var out bytes.Buffer
	status, err := p.Engine.Exec(ctx, q.ID, appliance.ExecSpec{Command: c.Command, Out: &out})
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return err
	case status == 0:
		return nil
	}
	said := strings.TrimSpace(out.String())
	if said == "" {
		return fmt.Errorf("it exited with status %d and printed nothing", status)
	}
	return fmt.Errorf("it exited with status %d and printed %q", status, said[max(0, len(said)-maxSaid):])
}

func (p *Pipeline) askListening(ctx context.Context, q appliance.Process, port int) error {
	listening, err := p.Engine.Listening(ctx, q.ID)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(listening, func(at netip.AddrPort) bool { return int(at.Port()) == port && !at.Addr().IsLoopback() }) {
		return nil
	}
	if len(listening) == 0 {
		return errors.New("it listens on nothing")
	}
	return fmt.Errorf("it listens on %s", listening[0])
}

// describe names a check for people.
func describe(c appliance.Check) string {
	what := "uptime"
	switch {
	case c.Command != nil:
		what = strings.Join(c.Command, " ")
	case c.Listening:
		what = "listening"
	case c.Path != "":
		what = "GET " + c.Path
	}
	if c.Name != "" {
		what = c.Name + " (" + what + ")"
	}
	return strconv.Quote(inOneLine(what))
}

// checksItself is the test of a process whose image brings a check, which the
// engine asks.
func (r *run) checksItself(ctx context.Context, p appliance.Process) error {
	ctx, cancel := context.WithTimeoutCause(ctx, imageCheckTime, &failedCheck{
		what: "of its image (HEALTHCHECK)", answered: true, evidence: fmt.Errorf("it says neither healthy nor unhealthy within %s", imageCheckTime),
		hint: "shorten --interval or --start-period of the Dockerfile's HEALTHCHECK",
	})
	defer cancel()
	health := appliance.Starting
	r.follow(ctx, p, func(now appliance.Process) bool {
		health = now.Health
		return health == appliance.Healthy || health == appliance.Unhealthy
	})
	switch health {
	case appliance.Healthy:
		return nil
	case appliance.Unhealthy:
		return &failedCheck{
			what: "of its image (HEALTHCHECK)", answered: true, evidence: errors.New("the engine says that the process is unhealthy"),
			hint: "run what the Dockerfile's HEALTHCHECK runs in the container, and see what it says",
		}
	}
	return context.Cause(ctx)
}

// imageCheckTime is how long the check of an image may take to come to an end.
// Docker asks it for the first time after its interval, 30 s if the Dockerfile
// does not say.
const imageCheckTime = 10 * time.Minute
