package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
	"github.com/berthhq/berth/appliance/command"
	"github.com/berthhq/berth/appliance/docker"
	"github.com/berthhq/berth/appliance/gateway"
	"github.com/berthhq/berth/appliance/git"
	"github.com/berthhq/berth/appliance/pipeline"
	"github.com/berthhq/berth/db"
	"github.com/berthhq/berth/router"
	certs "github.com/berthhq/berth/tls"
)

// grace is how long requests and sessions may take when the appliance ends.
const grace = 30 * time.Second

// serve puts the appliance together and runs it until ctx is done. This is
// the one place that knows every package.
func serve(ctx context.Context, cfg config) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	slog.SetDefault(log) // also for what libraries say through package log

	if err := os.MkdirAll(cfg.dir, 0o700); err != nil {
		return err
	}
	lock, err := lockDir(cfg.path("lock"))
	if err != nil {
		return err
	}
	defer lock.Close()
	ln, err := listen(cfg)
	if err != nil {
		return err
	}
	defer ln.Close()

	store, err := db.Open(ctx, cfg.path("berth.db"))
	if err != nil {
		return err
	}
	defer store.Close()
	hostKey, err := hostKey(cfg.path("host_key"))
	if err != nil {
		return err
	}
	engine, err := docker.New(cfg.docker, cfg.instance)
	if err != nil {
		return err
	}
	defer engine.Close()
	engine.Log = log
	routes := router.New(log)
	switch {
	case !cfg.ip.IsValid():
		cfg.ip = publicIP()
	case cfg.ip.IsLoopback():
		cfg.ip = netip.Addr{} // apps are for this machine alone: they live below localhost
	}
	certificates, err := certificates(ctx, cfg, store, routes, ln, log)
	if err != nil {
		return err
	}
	defer certificates.Close()

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
		Engine:       engine,
		Router:       routes,
		Certificates: certificates,
		Addresses:    pipeline.Addresses{IP: cfg.ip, HTTPSPort: port(ln.https)},
		Instance:     cfg.instance,
		Temp:         cfg.path("sources"), // emptied at the start, so nobody else's
		Log:          log,
	}
	if err := pipe.Recover(ctx); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := pipe.Repos.InstallHook(self, "--socket", cfg.socket); err != nil {
		return err
	}
	door := &gateway.Gateway{
		Remote: ln.ssh, Local: ln.local, HostKey: hostKey, Store: store, Pipeline: pipe, Grace: grace, Log: log,
		Commands: command.NewSet(store,
			command.Apps(pipe),
			command.Processes(pipe),
			command.Config(pipe),
			command.Domains(pipe),
			command.Certificates(pipe),
			command.Logs(pipe),
			command.Settings(pipe),
			command.Git(pipe),
			command.Builder(pipe),
			command.DockerOptions(pipe),
			command.Builds(pipe),
			command.Resources(pipe),
			command.Buildpacks(pipe),
			command.Keys(store),
			command.Stack(pipe),
			command.Host(pipe, command.HostInfo{Version: version, SSHPort: port(ln.ssh), Key: hostKey.PublicKey()}),
		),
	}
	front := &router.Server{
		HTTP: ln.http, HTTPS: ln.https, TLS: certificates.TLSConfig(), Grace: grace, Log: log,
		Plain: certificates.Challenge(routes.Redirect(port(ln.https))), Secure: routes,
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return door.Serve(ctx) })
	g.Go(func() error { return front.Serve(ctx) })
	g.Go(func() error { return rest(ctx) })
	g.Go(func() error { return engine.Watch(ctx, func(app appliance.AppName) { pipe.Changed(ctx, app) }) })
	log.InfoContext(ctx, "serving", "version", version, "ssh", ln.ssh.Addr(), "http", ln.http.Addr(), "https", ln.https.Addr())
	err = g.Wait()
	pipe.Wait()
	return err
}

// certificates makes the certificate manager, and has it tell the audit trail
// what it does.
func certificates(ctx context.Context, cfg config, store *db.Store, routes *router.Router, ln listeners, log *slog.Logger) (*certs.Manager, error) {
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
	return certs.New(ctx, certs.Config{
		Storage: store.Certificates(), ACME: account, Roots: roots, Serves: routes.Serves, Log: log,
		HTTPPort: port(ln.http), HTTPSPort: port(ln.https),
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

// listeners are opened together, before anything is served.
type listeners struct{ ssh, http, https, local net.Listener }

func listen(cfg config) (l listeners, err error) {
	var errs [4]error
	l.ssh, errs[0] = net.Listen("tcp", cfg.ssh)
	l.http, errs[1] = net.Listen("tcp", cfg.http)
	l.https, errs[2] = net.Listen("tcp", cfg.https)
	l.local, errs[3] = listenLocal(cfg.socket)
	if err := errors.Join(errs[:]...); err != nil {
		l.Close()
		return l, err
	}
	return l, nil
}

func (l listeners) Close() {
	for _, ln := range []net.Listener{l.ssh, l.http, l.https, l.local} {
		if ln != nil {
			ln.Close()
		}
	}
}

func port(ln net.Listener) int { return ln.Addr().(*net.TCPAddr).Port }
