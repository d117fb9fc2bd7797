package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
	"github.com/berthhq/berth/appliance/command"
	"github.com/berthhq/berth/appliance/docker"
	"github.com/berthhq/berth/appliance/drains"
	"github.com/berthhq/berth/appliance/gateway"
	"github.com/berthhq/berth/appliance/git"
	"github.com/berthhq/berth/appliance/logs"
	"github.com/berthhq/berth/appliance/pipeline"
	"github.com/berthhq/berth/appliance/web"
	"github.com/berthhq/berth/db"
	"github.com/berthhq/berth/router"
	certs "github.com/berthhq/berth/tls"
)

// grace is how long requests and sessions may take when the appliance ends.
const grace = 30 * time.Second

// serve runs the appliance until ctx is done, or until a successor serves in
// its place.
func serve(ctx context.Context, cfg config) error {
	level := new(slog.LevelVar)
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	slog.SetDefault(log) // also for what libraries say through package log

	if err := os.MkdirAll(cfg.dir, 0o700); err != nil {
		return err
	}
	manager := newNotifier(os.Getenv)
	from, err := arrive(ctx, os.Getenv)
	if err != nil {
		return err
	}
	d := &daemon{cfg: cfg, log: log, level: level, manager: manager, from: from, routes: router.New(log), requests: make(chan request), started: time.Now()}
	d.drains = &drains.Set{Dial: pipeline.DialDrain, Log: log}
	d.routes.AccessLog = &router.AccessLog{Dir: cfg.path("router-log"), Log: log, Sink: d.drains.Requests}
	err = d.serve(ctx)
	if err != nil && from != nil {
		from.failed(err)
	}
	return err
}

// An inside is everything behind the doors. One process at a time has it: who
// has the directory's lock.
type inside struct {
	lock         *os.File
	store        *db.Store
	engine       *docker.Engine
	certificates *certs.Manager
	archive      *logs.Archive
	collector    *logs.Collector
	pipe         *pipeline.Pipeline
	door         *gateway.Gateway
	metrics      *http.Server
	patience     patience
}

// moveIn puts the inside together, all routes in place, and serves nothing
// yet. This is the one place that knows every package. The lock is taken if it
// is nil.
func (d *daemon) moveIn(ctx context.Context, lock *os.File) (in *inside, err error) {
	cfg, log := d.cfg, d.log
	in = &inside{lock: lock}
	defer func() {
		if err != nil {
			err = errors.Join(err, in.close())
			in = nil
		}
	}()
	if in.lock == nil {
		if in.lock, err = lockDir(cfg.path("lock")); err != nil {
			return in, err
		}
		// Nobody goes back to it any more.
		if err := (&undo{copy: cfg.path("berth.db.undo")}).forget(); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return in, err
		}
	}
	store, err := db.Open(ctx, cfg.path("berth.db"))
	if err != nil {
		return in, err
	}
	in.store = store
	hostKey, err := hostKey(cfg.path("host_key"))
	if err != nil {
		return in, err
	}
	engine, err := docker.New(cfg.docker, cfg.instance)
	if err != nil {
		return in, err
	}
	in.engine = engine
	engine.Log = log
	in.archive = &logs.Archive{Dir: cfg.path("log"), Log: log}
	in.archive.Sink = d.drains
	in.collector = &logs.Collector{Archive: in.archive, Engine: engine, Log: log}
	engine.Stopping = in.collector.Stopping
	switch {
	case !cfg.ip.IsValid():
		cfg.ip = publicIP()
	case cfg.ip.IsLoopback():
		cfg.ip = netip.Addr{} // apps are for this machine alone: they live below localhost
	}
	certificates, err := certificates(ctx, cfg, store, d.routes, d.doors, log)
	if err != nil {
		return in, err
	}
	in.certificates = certificates

	var pipe *pipeline.Pipeline
	pack := builder.Pack{Instance: cfg.instance, Stack: func(ctx context.Context, out io.Writer) (appliance.Image, error) {
		stack, err := pipe.OwnStack(ctx)
		if err != nil {
			return "", err
		}
		return stack.Ensure(ctx, engine, out)
	}}
	pipe = &pipeline.Pipeline{
		Store:        store,
		Repos:        git.Repos{Dir: cfg.path("git"), Hooks: cfg.path("hooks")},
		Builders:     []builder.Builder{pack, builder.Dockerfile{}, builder.Compose{}, builder.Buildpacks{}},
		Stack:        builder.Stack{Instance: cfg.instance, Binary: cfg.binary, CAs: builder.DefaultCAs},
		Engine:       d.considerate(engine),
		Logs:         in.archive,
		Drains:       d.drains,
		Router:       d.routes,
		Certificates: certificates,
		Preflight:    certs.Preflight{Addresses: publicIPs(cfg.ip), Proxied: d.routes.Proxied},
		Addresses:    pipeline.Addresses{IP: cfg.ip, HTTPSPort: d.doors.port(httpsDoor)},
		Instance:     cfg.instance,
		Storage:      cfg.path("storage"),
		Temp:         cfg.path("sources"), // emptied at the start, so nobody else's
		Log:          log,
		Level:        d.level,
	}
	in.pipe = pipe
	if err := pipe.ApplyTrace(ctx); err != nil {
		return in, err
	}
	if err := pipe.Recover(ctx); err != nil {
		return in, err
	}
	self, err := os.Executable()
	if err != nil {
		return in, err
	}
	if err := pipe.Repos.InstallHook(self, "--socket", cfg.socket); err != nil {
		return in, err
	}
	if err := errors.Join(pipe.ApplyTrust(ctx), pipe.ApplyOrderChecks(ctx), pipe.ApplyLogBounds(ctx), pipe.ApplyDrains(ctx)); err != nil {
		return in, err
	}
	metrics := command.Metrics{Pipeline: pipe, Version: version, Started: d.started}
	in.metrics = metricsServer(metrics)
	ssh, local, err := d.gates()
	if err != nil {
		return in, err
	}
	commands := command.NewSet(store,
		command.Apps(pipe),
		command.Processes(pipe),
		command.Overview(pipe),
		command.Config(pipe),
		command.Domains(pipe),
		command.Ports(pipe),
		command.Proxy(pipe),
		command.Certificates(pipe),
		command.Logs(pipe),
		command.Settings(pipe),
		command.Git(pipe),
		command.Repo(pipe),
		command.OneOffs(pipe),
		command.Builder(pipe),
		command.AppJSON(pipe),
		command.Scheduler(pipe),
		command.DockerOptions(pipe),
		command.Storage(pipe),
		command.Networks(pipe),
		command.Registry(pipe),
		command.Builds(pipe),
		command.Releases(pipe),
		command.Resources(pipe),
		command.Buildpacks(pipe),
		command.Router(pipe),
		metrics.Commands(),
		command.Keys(store),
		command.Access(store),
		command.Teams(store),
		command.Tokens(store),
		command.API(pipe),
		command.Stack(pipe),
		command.Host(pipe, command.HostInfo{Version: version, SSHPort: d.doors.port(sshDoor), Key: hostKey.PublicKey()}),
	)
	commands.Log = log
	in.door = &gateway.Gateway{
		Remote: ssh, Local: local, HostKey: hostKey, Store: store, Pipeline: pipe, Grace: grace, Busy: in.busy, Log: log, Commands: commands,
	}
	pipe.API = &web.Site{Commands: commands, Store: store, Version: version, Log: log}
	if err := pipe.ApplyAPI(ctx); err != nil {
		return in, err
	}
	d.handshakes.Store(certificates.TLSConfig())
	d.plain.Store(certificates.Challenge(d.routes.Redirect(d.doors.port(httpsDoor))))
	return in, d.route(ctx, in)
}

// certificates makes the certificate manager, and has it tell the audit trail
// what it does.
func certificates(ctx context.Context, cfg config, store *db.Store, routes *router.Router, doors *doors, log *slog.Logger) (*certs.Manager, error) {
	account, err := command.ACME(ctx, store)
	if err != nil {
		return nil, err
	}
	var roots *x509.CertPool
	if cfg.roots != "" {
		text, err := os.ReadFile(cfg.roots)
		if err != nil {
			return nil, err
		}
		roots = x509.NewCertPool()
		if !roots.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s: no certificate in it", cfg.roots)
		}
	}
	address := cfg.ip
	if !isPublic(address) {
		address = netip.Addr{} // no CA could see that it is ours
	}
	var resolvers []string
	if cfg.resolver != "" {
		resolvers = []string{cfg.resolver}
	}
	return certs.New(ctx, certs.Config{
		Storage: store.Certificates(), ACME: account, Address: address, Resolvers: resolvers, Roots: roots, Serves: routes.Serves, Log: log,
		HTTPPort: doors.port(httpDoor), HTTPSPort: doors.port(httpsDoor),
		Notify: func(ctx context.Context, e certs.Event) {
			event := appliance.Event{Actor: "berth", Door: appliance.System, Action: "certificate:" + e.Kind, Detail: e.Host}
			if e.Err != nil {
				event.Error = e.Err.Error()
			}
			if err := store.Record(context.WithoutCancel(ctx), event); err != nil {
				log.ErrorContext(ctx, "record event", "err", err)
			}
		},
	})
}

// restEvery is how soon memory is given back that is not needed any more.
const restEvery = time.Minute

// rest gives memory back to the machine, which has apps to run, until ctx is
// done. Go itself would keep what the busiest moment so far has needed.
func rest(ctx context.Context) error {
	tick := time.NewTicker(restEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			debug.FreeOSMemory()
		}
	}
}

// lockDir sees to it that one appliance at a time uses a directory. The lock
// ends with the process, however that ends.
func lockDir(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("another berth serves already (%s is locked)", path)
	}
	return f, nil
}
