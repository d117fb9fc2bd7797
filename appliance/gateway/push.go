package gateway

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"sync"

	"github.com/gliderlabs/ssh"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/command"
	"github.com/berthhq/berth/appliance/pipeline"
)

// A push is one git push in progress. Git's pre-receive hook runs this binary
// again, which comes back through the unix socket with the push's token; what
// is written to that session, git shows to whoever pushes.
type push struct {
	ctx     context.Context // of the session that pushes: it has the actor
	app     appliance.AppName
	service string        // what the app goes by; another one's if it was renamed meanwhile
	settled chan struct{} // closed when git is done with it

	prepared *pipeline.Preparation // guarded by pushes.mu
}

// pushes are the pushes in progress, by token.
type pushes struct {
	mu      sync.Mutex // guards the fields below
	byToken map[string]*push
	perApp  map[appliance.AppName]*visitors
}

// visitors are those who push to one app.
type visitors struct {
	n int // guarded by pushes.mu

	// door is held while the app is made for a push, and while the last one
	// that leaves takes an app with it that nothing came of. Who comes in
	// meanwhile waits, and finds the app or makes it anew.
	door sync.Mutex
}

// begin adds a push and returns its token, and those it is among.
func (p *pushes) begin(new *push) (token string, v *visitors) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byToken == nil {
		p.byToken, p.perApp = map[string]*push{}, map[appliance.AppName]*visitors{}
	}
	token = rand.Text()
	p.byToken[token] = new
	v = p.perApp[new.app]
	if v == nil {
		v = &visitors{}
		p.perApp[new.app] = v
	}
	v.n++
	return token, v
}

// end removes a push. If it is the last of its app, discard is called while
// nobody else comes in.
func (p *pushes) end(token string, discard func()) {
	p.mu.Lock()
	app := p.byToken[token].app
	v := p.perApp[app]
	delete(p.byToken, token)
	p.mu.Unlock()

	v.door.Lock()
	defer v.door.Unlock()
	p.mu.Lock()
	last := v.n == 1
	p.mu.Unlock()
	if last {
		discard()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if v.n--; v.n == 0 {
		delete(p.perApp, app)
	}
}

// prepare notes what was prepared for a push.
func (p *pushes) prepare(token string, prepared *pipeline.Preparation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.byToken[token].prepared = prepared
}

func (p *pushes) any() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.perApp) > 0
}

func (p *pushes) get(token string) *push {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.byToken[token]
}

// receivePack serves git-receive-pack, as "git push" asks for it. The app is
// made if it is not there, and removed again if nothing comes of the push.
func (g *Gateway) receivePack(ctx context.Context, s ssh.Session, actor appliance.Actor, repo string) error {
	app, err := parseRepo(repo)
	if err != nil {
		return err
	}
	settled := make(chan struct{})
	token, visitors := g.pushes.begin(&push{ctx: ctx, app: app, service: g.Pipeline.Service(app), settled: settled})
	defer func() {
		close(settled) // before anything waits for a turn
		g.pushes.end(token, func() {
			if err := g.Pipeline.Discard(ctx, app); err != nil {
				g.Log.ErrorContext(ctx, "discard app of a refused push", "app", app, "err", err)
			}
		})
	}()
	visitors.door.Lock()
	err = g.admit(ctx, actor, app)
	visitors.door.Unlock()
	if err != nil {
		return err
	}
	limit, err := g.Pipeline.PushLimit(ctx, app)
	if err != nil {
		return err
	}
	prepared := g.Pipeline.Prepare(ctx, app)
	defer prepared.Discard()
	g.pushes.prepare(token, prepared)
	said := &listener{Writer: s}
	err = g.Pipeline.ReceivePack(ctx, app, limit, s, said, s.Stderr(), "BERTH_PUSH="+token)
	if said.heard {
		return explainTooMuch(app, limit)
	}
	return gitStatus(err)
}

// admit lets an actor push to an app, which it makes for an admin if there is
// none.
func (g *Gateway) admit(ctx context.Context, actor appliance.Actor, app appliance.AppName) error {
	_, err := g.Store.App(ctx, app)
	if missing := errors.Is(err, appliance.ErrNotFound); err != nil && !missing {
		return err
	} else if missing && actor.Admin {
		if err := g.Pipeline.MayAutocreate(ctx); err != nil {
			return err
		}
		err = g.Pipeline.Create(ctx, app, true)
		if errors.Is(err, appliance.ErrExists) {
			if _, there := g.Store.App(ctx, app); there == nil {
				return nil // made by another push in this moment
			}
		}
		return err
	}
	// A key without access is not told whether the app exists.
	if err := command.Permit(ctx, g.Store, actor, command.Deployer, app); err != nil {
		return fmt.Errorf("push to %s as %s: %w", app, actor.Name, err)
	}
	return g.Pipeline.Repos.Create(ctx, app) // in case it was lost
}

// uploadPack serves git-upload-pack, as clone and fetch ask for it.
func (g *Gateway) uploadPack(ctx context.Context, s ssh.Session, actor appliance.Actor, repo string) error {
	app, err := parseRepo(repo)
	if err != nil {
		return err
	}
	// Source often holds what was never meant to leave it, such as a password
	// of years ago: it takes more than to see how the app is.
	if err := command.Permit(ctx, g.Store, actor, command.Deployer, app); err != nil {
		return fmt.Errorf("fetch %s as %s: %w", app, actor.Name, err)
	}
	if _, err := g.Store.App(ctx, app); err != nil {
		return err
	}
	return gitStatus(g.Pipeline.UploadPack(ctx, app, s, s, s.Stderr(), protocol(s)...))
}

// protocol passes on the version of git's protocol that the client wants.
func protocol(s ssh.Session) []string {
	for _, e := range s.Environ() {
		if v, ok := strings.CutPrefix(e, "GIT_PROTOCOL="); ok && (v == "version=1" || v == "version=2") {
			return []string{e}
		}
	}
	return nil
}

// parseRepo returns the app whose repository is meant: "blog", "/blog" and
// "blog.git" are, a path of more than that is not.
func parseRepo(repo string) (appliance.AppName, error) {
	return appliance.ParseAppName(strings.TrimSuffix(strings.TrimPrefix(repo, "/"), ".git"))
}

// gitStatus drops the error of a git that has already said itself, over the
// protocol, what is wrong, but for the status.
func gitStatus(err error) error {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.Exited() {
		return &quietError{exit.ExitCode()}
	}
	return err
}

// A quietError is an exit status that needs no words.
type quietError struct{ status int }

func (e *quietError) Error() string { return fmt.Sprintf("exit status %d", e.status) }

// hook serves the pre-receive hook of a push; stdin has a line for every ref.
// Nothing that the hook says is believed but the token, which leads to the
// session that a key has opened.
func (g *Gateway) hook(s ssh.Session, token, quarantine string) error {
	push := g.pushes.get(token)
	if push == nil {
		return fmt.Errorf("push %w", appliance.ErrNotFound)
	}
	if g.Pipeline.Service(push.app) != push.service {
		return appliance.WithHint(fmt.Errorf("%w: an app was renamed from or to %s meanwhile", appliance.ErrBusy, push.app), "see which there are (apps:list), and push again")
	}
	updates, err := readUpdates(s)
	if err != nil {
		return err
	}
	branch, err := g.Pipeline.Property(push.ctx, push.app, pipeline.DeployBranchSetting)
	if err != nil {
		return err
	}
	update, err := deployable(updates, push.app, branch)
	if err != nil {
		return err
	}
	name := strings.TrimPrefix(update.ref, "refs/heads/")
	// A push is refused whole, so that what the repository has is what runs.
	if err := g.Pipeline.Receive(push.ctx, pipeline.Push{
		App: push.app, Commit: update.new, Branch: name, Previous: update.old, Quarantine: quarantine, Settled: push.settled, Prepared: push.prepared,
	}, s); err != nil {
		return err
	}
	// It runs, so the push stands, whatever a clone will check out.
	if err := g.Pipeline.Repos.SetHead(context.WithoutCancel(push.ctx), push.app, name); err != nil {
		g.Log.ErrorContext(push.ctx, "set head", "app", push.app, "err", err)
	}
	return nil
}

// maxUpdates bounds how many refs one push may change.
const maxUpdates = 10_000

var objectID = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// readUpdates reads git's "old new ref" lines.
func readUpdates(r io.Reader) (updates []update, err error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) != 3 || !objectID.MatchString(f[0]) || !objectID.MatchString(f[1]) || len(updates) == maxUpdates {
			return nil, fmt.Errorf("%w list of refs", appliance.ErrInvalid)
		}
		updates = append(updates, update{f[0], f[1], f[2]})
	}
	return updates, lines.Err()
}
