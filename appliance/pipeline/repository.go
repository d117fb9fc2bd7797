package pipeline

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/progress"
)

// The repository of an app is used by many at a time, or packed by one. What
// packs it by itself gives way to whoever comes; a packing that a person has
// asked for is waited for.

// repositories are those of which there is something to know.
type repositories struct {
	mu      sync.Mutex                           // guards the fields below, and those of each
	of      map[appliance.AppName]*gitRepository // by the handle of the app
	changed chan struct{}                        // closed and replaced when one is left, or may be untidy
}

type gitRepository struct {
	users   int // with those who wait to be: after a packing it is their turn
	packing *packing
	untidy  appliance.AppName // the app, if git is to be asked whether it is to be packed
}

// A packing is what packs a repository.
type packing struct {
	giveWay func()        // nil if others wait for it
	done    chan struct{} // closed when it has ended
	since   time.Time
	who     string
}

// change changes a repository, and forgets it if there is nothing to know.
func (rs *repositories) change(handle appliance.AppName, change func(*gitRepository)) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.of == nil {
		rs.of = map[appliance.AppName]*gitRepository{}
	}
	if rs.of[handle] == nil {
		rs.of[handle] = &gitRepository{}
	}
	change(rs.of[handle])
	if *rs.of[handle] == (gitRepository{}) {
		delete(rs.of, handle)
	}
}

// announce wakes up those who wait for a change; the caller holds mu.
func (rs *repositories) announce() {
	if rs.changed != nil {
		close(rs.changed)
	}
	rs.changed = make(chan struct{})
}

// changes returns a channel that is closed at the next change; the caller
// holds mu.
func (rs *repositories) changes() <-chan struct{} {
	if rs.changed == nil {
		rs.changed = make(chan struct{})
	}
	return rs.changed
}

// use is for whoever reads or changes an app's repository: until release is
// called it is not packed. Who has to wait is told so by say, unless that is
// nil.
func (p *Pipeline) use(ctx context.Context, app appliance.AppName, say func(*packing)) (release func(), err error) {
	rs, handle := &p.repositories, p.handle(app)
	var now *packing
	rs.change(handle, func(r *gitRepository) {
		r.users++
		now = r.packing
	})
	release = sync.OnceFunc(func() {
		rs.change(handle, func(r *gitRepository) {
			r.users--
			rs.announce()
		})
	})
	if now == nil {
		return release, nil
	}
	if now.giveWay != nil {
		now.giveWay()
	} else if say != nil {
		say(now)
	}
	select {
	case <-now.done:
		return release, nil
	case <-ctx.Done():
		release()
		return nil, context.Cause(ctx)
	}
}

// tryPack has a repository for packing, until done is called, if nobody else
// has it. If somebody does, changed is closed when that may be so no more.
func (p *Pipeline) tryPack(handle appliance.AppName, mine *packing) (done func(), changed <-chan struct{}) {
	rs := &p.repositories
	rs.change(handle, func(r *gitRepository) {
		if r.users > 0 || r.packing != nil {
			changed = rs.changes()
			return
		}
		mine.done, mine.since = make(chan struct{}), time.Now()
		r.packing = mine
		done = func() {
			rs.change(handle, func(r *gitRepository) {
				r.packing = nil
				rs.announce()
			})
			close(mine.done)
		}
	})
	return done, changed
}

// untidy says that an app's repository may have become untidy.
func (p *Pipeline) untidy(handle, app appliance.AppName) {
	p.repositories.change(handle, func(r *gitRepository) {
		r.untidy = app
		p.repositories.announce()
	})
}

// Upkeep packs repositories when git says that it is time to, one after the
// other, and while nobody uses them, until ctx is done.
func (p *Pipeline) Upkeep(ctx context.Context) error {
	for ctx.Err() == nil {
		handle, app, changed := p.repositories.next()
		if handle != "" {
			p.pack(ctx, handle, app)
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	return nil
}

// next takes an untidy repository that nobody has. If there is none, changed is
// closed when there may be.
func (rs *repositories) next() (handle, app appliance.AppName, changed <-chan struct{}) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for handle, r := range rs.of {
		if r.untidy != "" && r.users == 0 && r.packing == nil {
			app, r.untidy = r.untidy, ""
			delete(rs.of, handle)
			return handle, app, nil
		}
	}
	return "", "", rs.changes()
}

// pack packs a repository if git says so, and gives way to whoever comes. Then
// it is tried again after them.
func (p *Pipeline) pack(ctx context.Context, handle, app appliance.AppName) {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	done, _ := p.tryPack(handle, &packing{giveWay: cancel})
	if done == nil {
		p.untidy(handle, app)
		return
	}
	defer done()
	if p.handle(app) != handle {
		return // it was destroyed or renamed: the next push says so again
	}
	began := time.Now()
	err := p.Repos.Collect(inner, app, false)
	switch {
	case ctx.Err() != nil:
	case inner.Err() != nil:
		p.untidy(handle, app)
	case err != nil:
		p.Log.WarnContext(ctx, "look after the repository", "app", app, "err", err)
	default:
		p.Log.DebugContext(ctx, "looked after the repository", "app", app, "took", time.Since(began))
	}
}

// PackRepository packs an app's repository as well as git can, and tells how
// large it was and is, in bytes. It waits for whoever uses it.
func (p *Pipeline) PackRepository(ctx context.Context, app appliance.AppName, out io.Writer) (before, after int64, err error) {
	to, handle := progress.New(out), p.handle(app)
	mine := &packing{who: appliance.ActorFrom(ctx).Name}
	done, changed := p.tryPack(handle, mine)
	if done == nil {
		to.Step("Waiting: the repository of %s is in use", app)
	}
	for done == nil {
		select {
		case <-changed:
			done, changed = p.tryPack(handle, mine)
		case <-ctx.Done():
			return 0, 0, context.Cause(ctx)
		}
	}
	defer done()
	if p.handle(app) != handle {
		return 0, 0, appliance.WithHint(fmt.Errorf("%w: an app was renamed from or to %s meanwhile, or destroyed", appliance.ErrBusy, app), "see which there are (apps:list), and try again")
	}
	to.Step("Packing the repository of %s", app)
	before = p.Repos.Size(app)
	if err := p.Repos.Collect(ctx, app, true); err != nil {
		return 0, 0, err
	}
	return before, p.Repos.Size(app), nil
}

// ReceivePack serves one push of at most limit bytes; see git.Repos. Afterwards
// git is asked whether the repository is to be packed.
func (p *Pipeline) ReceivePack(ctx context.Context, app appliance.AppName, limit int64, stdin io.Reader, stdout, stderr io.Writer, env ...string) error {
	release, err := p.use(ctx, app, waitingAt(stderr, app))
	if err != nil {
		return err
	}
	handle := p.handle(app)
	defer func() {
		release()
		p.untidy(handle, app)
	}()
	return p.Repos.ReceivePack(ctx, app, limit, stdin, stdout, stderr, env...)
}

// UploadPack serves one clone or fetch; see git.Repos.
func (p *Pipeline) UploadPack(ctx context.Context, app appliance.AppName, stdin io.Reader, stdout, stderr io.Writer, env ...string) error {
	release, err := p.use(ctx, app, waitingAt(stderr, app))
	if err != nil {
		return err
	}
	defer release()
	return p.Repos.UploadPack(ctx, app, stdin, stdout, stderr, env...)
}

// waitingAt returns what tells a person that they wait for a packing.
func waitingAt(out io.Writer, app appliance.AppName) func(*packing) {
	return func(now *packing) {
		progress.New(out).Step("Waiting: the repository of %s is being packed, since %s ago by %s", app, seconds(time.Since(now.since)), now.who)
	}
}
