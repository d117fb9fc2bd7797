package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/berthhq/berth/appliance"
)

const (
	// keepRuns is how many of an app's detached one-offs are remembered that
	// have ended.
	keepRuns = 20
	// maxDetached is how many of an app may run at the same time.
	maxDetached = 50
	// keepOutput is how much of what one printed is kept, in bytes: of a
	// longer one the beginning and the end.
	keepOutput = 256 << 10
)

// mind is what is known of the detached one-offs that run.
type mind struct {
	mu      sync.Mutex // guards the fields below
	fresh   []appliance.OneOff
	moved   chan struct{}           // has a value when there are fresh ones
	stopped map[int64]*endedBy      // who has stopped one, and why
	ended   map[int64]chan struct{} // closed when the store has how one ended
}

// begin has Mind look after a one-off.
func (m *mind) begin(list ...appliance.OneOff) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, o := range list {
		if m.ended == nil {
			m.ended, m.stopped = map[int64]chan struct{}{}, map[int64]*endedBy{}
		}
		if m.ended[o.ID] == nil {
			m.ended[o.ID] = make(chan struct{})
			m.fresh = append(m.fresh, o)
		}
	}
	notify(m.news())
}

// news returns the channel; the caller holds mu.
func (m *mind) news() chan struct{} {
	if m.moved == nil {
		m.moved = make(chan struct{}, 1)
	}
	return m.moved
}

func (m *mind) take() (fresh []appliance.OneOff) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fresh, m.fresh = m.fresh, nil
	return fresh
}

// end says that the store has how a one-off ended.
func (m *mind) end(id int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	close(m.ended[id])
	delete(m.ended, id)
	delete(m.stopped, id)
}

// Detach starts a command that nobody is connected to, and returns when it
// runs. It outlives the appliance.
func (p *Pipeline) Detach(ctx context.Context, w Wish) (appliance.OneOff, error) {
	release, err := p.live(ctx, w.App)
	if err != nil {
		return appliance.OneOff{}, err
	}
	o := appliance.OneOff{App: w.App, Command: w.Command, Release: release.Version, Actor: appliance.ActorFrom(ctx).Name}
	return p.detach(ctx, release, w, o)
}

func (p *Pipeline) detach(ctx context.Context, release appliance.Release, w Wish, o appliance.OneOff) (appliance.OneOff, error) {
	running, err := p.OneOffs(ctx, w.App, false)
	if err != nil {
		return o, err
	}
	if len(running) >= maxDetached {
		return o, appliance.WithHint(fmt.Errorf("%d one-offs of %s run already, which is as many as may", len(running), w.App),
			fmt.Sprintf("run:list %s shows them, run:stop %s ends them", w.App, w.App))
	}
	kind := "run"
	if o.Cron != "" {
		kind = "cron"
	}
	spec, err := p.Contain(ctx, oneOffSpec(release, w, ""), "")
	if err != nil {
		return o, err
	}
	o.Started = time.Now()
	o.Deadline = o.Started.Add(w.TTL)
	o.Name, err = p.oneOffName(ctx, w.App, kind, func(name string) (err error) {
		o.Name = name
		if o, err = p.Store.AddOneOff(ctx, o); errors.Is(err, appliance.ErrExists) && !o.Due.IsZero() {
			return errDone // it is the minute that is taken
		}
		return err
	})
	if err != nil {
		return o, err
	}
	spec.Name, spec.Terminal = o.Name, w.Terminal
	spec.Env = override(spec.Env, "DYNO="+o.Name)
	// From here on it is known, whoever hangs up.
	ctx = context.WithoutCancel(ctx)
	if _, err := p.Engine.Detach(ctx, spec); err != nil {
		return o, errors.Join(err, p.Store.RemoveOneOff(ctx, o.ID))
	}
	p.mind.begin(o)
	return o, nil
}

// errDone is about a run of a cron job that somebody else has started.
var errDone = errors.New("it has run")

// Mind looks after what runs detached, until ctx is done: it records how it
// ends and what it printed, and ends it when its time is over. It takes up what
// runs of an earlier appliance.
func (p *Pipeline) Mind(ctx context.Context) error {
	p.mind.mu.Lock()
	news := p.mind.news()
	p.mind.mu.Unlock()
	var group sync.WaitGroup
	defer group.Wait()
	group.Go(func() {
		for wait := 250 * time.Millisecond; ; wait = min(2*wait, maxRestoreWait) {
			err := p.adopt(ctx)
			if err == nil || ctx.Err() != nil {
				return
			}
			p.Log.ErrorContext(ctx, "take up detached one-offs", "err", err)
			if !pause(ctx, wait) {
				return
			}
		}
	})
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-news:
		}
		for _, o := range p.mind.take() {
			group.Go(func() { p.look(ctx, o) })
		}
	}
}

// adopt takes up what an earlier appliance has detached, and removes what is
// there of one-offs that nobody knows any more.
func (p *Pipeline) adopt(ctx context.Context) error {
	// The engine first: whatever is in this list was in the store before.
	runs, err := p.Engine.Runs(ctx, "")
	if err != nil {
		return err
	}
	running, err := p.Store.RunningOneOffs(ctx)
	if err != nil {
		return err
	}
	for _, r := range runs {
		known := slices.ContainsFunc(running, func(o appliance.OneOff) bool { return o.App == r.App && o.Name == r.Name })
		if !known {
			if err := p.Engine.Stop(ctx, grace, r.ID); err != nil {
				return err
			}
		}
	}
	// What this appliance has begun it looks after already, or is about to.
	p.mind.begin(slices.DeleteFunc(running, func(o appliance.OneOff) bool { return !o.Started.Before(p.started) })...)
	return nil
}

// look sees a one-off to its end. If the appliance ends before it, the next
// one does.
func (p *Pipeline) look(ctx context.Context, o appliance.OneOff) {
	defer p.mind.end(o.ID)
	for wait := 250 * time.Millisecond; ; wait = min(2*wait, maxRestoreWait) {
		err := p.awaitOneOff(ctx, &o)
		if err == nil || ctx.Err() != nil {
			return
		}
		p.Log.ErrorContext(ctx, "look after a one-off", "app", o.App, "name", o.Name, "err", err)
		if !pause(ctx, wait) {
			return
		}
	}
}

func (p *Pipeline) awaitOneOff(ctx context.Context, o *appliance.OneOff) error {
	run, err := p.findRun(ctx, *o)
	if errors.Is(err, appliance.ErrNotFound) {
		o.Ended, o.Status, o.Error = time.Now(), -1, "it is gone: its container was removed"
		return p.endOneOff(ctx, *o, nil)
	}
	if err != nil {
		return err
	}
	limited, cancel := context.WithDeadline(ctx, o.Deadline)
	defer cancel()
	result, err := p.Engine.Await(limited, run.ID)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if limited.Err() != nil {
		p.because(o.ID, fmt.Sprintf("ended: it took longer than %s", o.Deadline.Sub(o.Started).Round(time.Second)))
		if err := p.Engine.End(ctx, grace, run.ID); err != nil {
			return err
		}
		result, err = p.Engine.Await(ctx, run.ID)
	}
	if err != nil {
		return err
	}
	out := &ends{limit: keepOutput}
	if err := p.Engine.Logs(ctx, run.ID, appliance.LogOptions{}, out); err != nil {
		return err
	}
	o.Ended, o.Status = time.Now(), result.Status
	if result.OOM {
		o.Error = result.OutOfMemory()
	}
	p.mind.mu.Lock()
	if by := p.mind.stopped[o.ID]; by != nil {
		o.Error = by.why
	}
	p.mind.mu.Unlock()
	if err := p.endOneOff(ctx, *o, out.bytes()); err != nil {
		return err
	}
	return p.Engine.Stop(ctx, 0, run.ID)
}

// because notes why a one-off is about to be ended, unless that is known.
func (p *Pipeline) because(id int64, why string) {
	p.mind.mu.Lock()
	defer p.mind.mu.Unlock()
	if p.mind.stopped != nil && p.mind.stopped[id] == nil {
		p.mind.stopped[id] = &endedBy{why}
	}
}

func (p *Pipeline) endOneOff(ctx context.Context, o appliance.OneOff, output []byte) error {
	keep := keepRuns
	if o.Cron != "" {
		keep = p.cronRetention(ctx, o.App)
	}
	if err := p.Store.EndOneOff(ctx, o, output, keep); err != nil {
		return err
	}
	if o.Cron == "" || !o.Failed() {
		return nil
	}
	return p.cronFailed(ctx, o, o.Result())
}

// findRun returns what the engine has of a one-off.
func (p *Pipeline) findRun(ctx context.Context, o appliance.OneOff) (appliance.Run, error) {
	runs, err := p.Engine.Runs(ctx, "") // its app may have got another name
	if err != nil {
		return appliance.Run{}, err
	}
	now, _, err := p.Store.OneOff(ctx, o.ID)
	if err != nil {
		return appliance.Run{}, err
	}
	for _, r := range runs {
		if r.App == now.App && r.Name == o.Name {
			return r, nil
		}
	}
	return appliance.Run{}, fmt.Errorf("%s %w", o.FullName(), appliance.ErrNotFound)
}

// StopOneOff ends a one-off, and returns when that is done.
func (p *Pipeline) StopOneOff(ctx context.Context, o appliance.OneOff) error {
	by := "stopped by " + appliance.ActorFrom(ctx).Name
	if o.Attached {
		p.state(o.App).stopAttached(o.Name, by)
		return nil
	}
	run, err := p.findRun(ctx, o)
	if errors.Is(err, appliance.ErrNotFound) {
		return nil // it has just ended
	}
	if err != nil {
		return err
	}
	p.mind.mu.Lock()
	ended := p.mind.ended[o.ID]
	p.mind.mu.Unlock()
	p.because(o.ID, by)
	if err := p.Engine.End(ctx, grace, run.ID); err != nil || ended == nil {
		return err
	}
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// OneOffOutput copies what a detached one-off has printed; with follow, until
// it has ended.
func (p *Pipeline) OneOffOutput(ctx context.Context, o appliance.OneOff, opts appliance.LogOptions, w io.Writer) error {
	run, err := p.findRun(ctx, o)
	if err == nil {
		err = p.Engine.Logs(ctx, run.ID, opts, w)
	}
	if !errors.Is(err, appliance.ErrNotFound) {
		return err
	}
	_, output, err := p.Store.OneOff(ctx, o.ID)
	if err != nil {
		return err
	}
	if opts.Tail > 0 {
		output = lastOf(output, opts.Tail)
	}
	_, err = w.Write(output)
	return err
}

// AwaitOneOff returns how a detached one-off has ended, when it has.
func (p *Pipeline) AwaitOneOff(ctx context.Context, o appliance.OneOff) (appliance.OneOff, error) {
	p.mind.mu.Lock()
	ended := p.mind.ended[o.ID]
	p.mind.mu.Unlock()
	if ended != nil {
		select {
		case <-ended:
		case <-ctx.Done():
			return o, context.Cause(ctx)
		}
	}
	o, _, err := p.Store.OneOff(ctx, o.ID)
	return o, err
}

// lastOf returns the last n lines of a text.
func lastOf(text []byte, n int) []byte {
	lines := bytes.SplitAfter(text, []byte("\n"))
	if len(lines) > 0 && len(lines[len(lines)-1]) == 0 {
		lines = lines[:len(lines)-1]
	}
	return bytes.Join(lines[max(0, len(lines)-n):], nil)
}

// ends keeps the beginning and the end of what is written to it.
type ends struct {
	limit      int // of both together, in bytes
	head, tail []byte
	size       int
}

// Write never fails.
func (e *ends) Write(b []byte) (int, error) {
	e.size += len(b)
	n := min(len(b), e.limit/2-len(e.head))
	e.head = append(e.head, b[:n]...)
	e.tail = append(e.tail, b[n:]...)
	if len(e.tail) > e.limit {
		e.tail = append(e.tail[:0], e.tail[len(e.tail)-e.limit/2:]...)
	}
	return len(b), nil
}

func (e *ends) bytes() []byte {
	tail := e.tail[max(0, len(e.tail)-e.limit/2):]
	left := e.size - len(e.head) - len(tail)
	if left == 0 {
		return append(e.head, tail...)
	}
	note := fmt.Sprintf("\n… %d bytes are left out …\n", left)
	return []byte(strings.ToValidUTF8(string(e.head), "") + note + strings.ToValidUTF8(string(tail), ""))
}
