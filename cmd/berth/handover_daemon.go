package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/drains"
	"github.com/berthhq/berth/router"
)

// How long pushes, and what else works on an app, may take to finish.
const (
	// reloadPatience is for a successor's sake: meanwhile everything is served.
	reloadPatience = 10 * time.Minute
	// endPatience fits into what service managers allow.
	endPatience = 45 * time.Second
	// routeTime is for the engine to say where everything is.
	routeTime = 15 * time.Second
)

// A daemon is this process: its doors, and what is behind them now.
type daemon struct {
	cfg     config
	log     *slog.Logger
	level   *slog.LevelVar // of log
	manager notifier
	from    *predecessor // nil if it was not started by one
	doors   *doors
	routes  *router.Router
	drains  *drains.Set // they outlast the inside, as requests do
	started time.Time

	// What the inside of the moment gives the doors, which outlast it.
	handshakes atomic.Pointer[tls.Config]
	plain      handler

	quic     *router.QUICSocket // nil without HTTP/3
	replaced atomic.Bool        // a successor serves
	control  io.Closer
	requests chan request
}

// serve runs the daemon.
func (d *daemon) serve(ctx context.Context) error {
	lock, err := d.open(ctx)
	if err != nil {
		return err
	}
	defer d.doors.Close()
	defer d.keepLogs(ctx)()
	in, err := d.moveIn(ctx, lock)
	if err != nil {
		return err
	}
	front, err := d.front()
	if err != nil {
		return errors.Join(err, in.close())
	}
	// The front ends after the inside, so it has a context of its own.
	frontCtx, close := context.WithCancel(context.WithoutCancel(ctx))
	defer close()
	ended := make(chan error, 1)
	go func() { ended <- front.Serve(frontCtx) }()
	quit := make(chan struct{})
	if err = d.announce(ctx, quit); err != nil {
		err = errors.Join(err, in.close())
	} else {
		if err = d.live(ctx, in, ended, quit); !d.replaced.Load() && d.manager.socket == "" {
			defer os.Remove(d.doors.local)
		}
	}
	if d.control != nil {
		d.control.Close()
	}
	close()
	err = errors.Join(err, <-ended)
	if d.quic != nil {
		err = errors.Join(err, d.quic.Close())
	}
	if d.from != nil && err == nil {
		// What is left of a service ends with its main process: whom the
		// predecessor still answers has to be answered before.
		select {
		case <-d.from.gone:
		case <-time.After(endPatience):
		}
	}
	return err
}

// open opens the doors, and returns the directory's lock, unless that comes
// with the inside.
func (d *daemon) open(ctx context.Context) (lock *os.File, err error) {
	if d.from != nil {
		if d.doors, err = openDoors(d.cfg, d.from.doors()); err != nil {
			return nil, err
		}
		return nil, d.from.awaitInside(ctx)
	}
	kept, err := keptDoors(os.Getenv)
	if err != nil {
		return nil, err
	}
	if lock, err = lockDir(d.cfg.path("lock")); err != nil {
		return nil, err
	}
	if d.doors, err = openDoors(d.cfg, kept); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

// gates are the doors of the gateway.
func (d *daemon) gates() (ssh, local net.Listener, err error) {
	ssh, err = d.doors.listener(sshDoor)
	if err != nil {
		return nil, nil, err
	}
	local, err = d.doors.listener(localDoor)
	if err != nil {
		ssh.Close()
	}
	return ssh, local, err
}

// front is what answers visitors. It outlives the inside.
func (d *daemon) front() (*router.Server, error) {
	plain, err := d.doors.listener(httpDoor)
	if err != nil {
		return nil, err
	}
	secure, err := d.doors.listener(httpsDoor)
	if err != nil {
		plain.Close()
		return nil, err
	}
	if err := errors.Join(d.doors.without, d.openQUIC()); err != nil {
		// Visitors have the other ways in.
		d.log.Error("HTTP/3 is not served", "err", err)
	}
	return &router.Server{
		HTTP: d.routes.Listener(plain), HTTPS: d.routes.Listener(secure), UDP: d.quic, TLS: d.tls(), Grace: grace, Log: d.log,
		Alone: func() bool { return !d.replaced.Load() },
		Plain: &d.plain, Secure: d.routes,
	}, nil
}

// tls is the configuration of the inside of the moment.
func (d *daemon) tls() *tls.Config {
	c := d.handshakes.Load().Clone()
	c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		c := d.handshakes.Load()
		if c.GetConfigForClient != nil { // which crypto/tls asks once only
			return c.GetConfigForClient(hello)
		}
		return c, nil
	}
	return c
}

// A handler is an http.Handler that changes.
type handler struct{ atomic.Pointer[http.Handler] }

func (h *handler) Store(new http.Handler) { h.Pointer.Store(&new) }

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { (*h.Load()).ServeHTTP(w, r) }

// route has every app's routes in place before anybody is let in. Without an
// engine nothing can be routed: a successor gives up then, and the daemon that
// has routes goes on. Otherwise it is better to be there, and to route when
// the engine comes.
func (d *daemon) route(ctx context.Context, in *inside) error {
	ctx, cancel := context.WithTimeout(ctx, routeTime)
	defer cancel()
	err := in.pipe.RouteAll(ctx)
	if err == nil || d.from != nil {
		return err
	}
	d.log.WarnContext(ctx, "not all apps are routed yet", "err", err)
	return nil
}

// announce says that the daemon serves: to whom it replaces, and to who has
// started it.
func (d *daemon) announce(ctx context.Context, quit <-chan struct{}) error {
	var err error
	if d.control, err = listenControl(d.cfg.path(controlName), d.requests, quit); err != nil {
		return err
	}
	var last message
	var files []*os.File
	if d.from != nil {
		if last, files, err = d.from.serving(ctx, d.quic != nil); err != nil {
			return err
		}
		go d.from.awaitEnd(context.WithoutCancel(ctx)) // which comes, at the latest when that process ends
	}
	if err := d.beginQUIC(last, files); err != nil {
		d.log.ErrorContext(ctx, "HTTP/3 is not served", "err", err)
	}
	err = d.manager.keep(d.doors, d.doors.fresh...)
	for _, name := range d.doors.dropped {
		err = errors.Join(err, d.manager.say("FDSTOREREMOVE=1\nFDNAME="+name))
	}
	err = errors.Join(err, d.manager.say("READY=1\nSTATUS=serving, version "+version))
	if err != nil {
		// It serves all the same.
		d.log.WarnContext(ctx, "the service manager was not reached", "err", err)
	}
	d.log.InfoContext(ctx, "serving", "version", version, "ssh", d.doors.port(sshDoor), "http", d.doors.port(httpDoor),
		"https", d.doors.port(httpsDoor), "http3", d.doors.port(http3Door))
	return nil
}

// live runs the inside until ctx is done, and then closes it; or until a
// successor has taken it.
func (d *daemon) live(ctx context.Context, in *inside, ended chan error, quit chan struct{}) error {
	defer close(quit)
	for {
		next, r, err := d.liveIn(ctx, in, ended)
		if err = errors.Join(err, in.close()); err != nil || next == nil {
			if next != nil {
				next.end(err)
			}
			return err
		}
		if err = d.give(ctx, next); err == nil {
			r.answer(answer{Done: true, PID: next.pid()})
			return nil
		}
		d.log.ErrorContext(ctx, "the new berth does not serve: this one goes on", "err", err)
		var again error
		if in, again = d.moveIn(ctx, nil); again == nil {
			d.control.Close()
			if d.control, again = listenControl(d.cfg.path(controlName), d.requests, quit); again != nil {
				again = errors.Join(again, in.close())
			}
		}
		r.answer(answer{Done: true, Error: err.Error(), PID: os.Getpid()})
		if again != nil {
			return again
		}
	}
}

// liveIn serves from the inside until ctx is done, or until there is a
// successor that r has asked for.
func (d *daemon) liveIn(ctx context.Context, in *inside, ended chan error) (next *successor, r request, err error) {
	inner, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	done := make(chan error, 1)
	go func() { done <- in.serve(inner, d.doors) }()
	for next == nil {
		select {
		case r = <-d.requests:
			next = d.request(ctx, r)
			continue
		case <-ctx.Done():
			d.log.Info("end")
		case err = <-ended:
			ended <- err
		case err = <-done:
			return nil, r, err
		}
		break
	}
	in.patience.set(endPatience)
	if next != nil {
		in.patience.set(reloadPatience)
		defer context.AfterFunc(ctx, func() { in.patience.set(endPatience) })()
		if in.busy() {
			r.answer(answer{Say: fmt.Sprintf("       a push or a deploy is under way: it may take up to %s more", reloadPatience)})
		}
	}
	stop()
	return next, r, errors.Join(err, <-done)
}

// request does what somebody has asked for, and returns the successor if that
// is it.
func (d *daemon) request(ctx context.Context, r request) *successor {
	switch r.Do {
	case doKeep:
		a := answer{Done: true, PID: os.Getpid()}
		names, _ := d.doors.list()
		if err := d.manager.keep(d.doors, names...); err != nil {
			a.Error = err.Error()
		}
		r.answer(a)
	case doReload:
		env := environment(os.Environ(), r.Env)
		if d.manager.socket != "" {
			env = append(env, "NOTIFY_SOCKET="+d.manager.socket)
		}
		next, err := startSuccessor(ctx, d.doors, env)
		if err == nil {
			r.answer(answer{Say: fmt.Sprintf("       version %s is ready, process %d", next.version, next.pid())})
			return next
		}
		d.log.ErrorContext(ctx, "a successor could not be started", "err", err)
		r.answer(answer{Done: true, Error: err.Error(), PID: os.Getpid()})
	default:
		r.answer(answer{Done: true, Error: fmt.Sprintf("what is %q?", r.Do)})
	}
	return nil
}

// give gives the inside, which is closed, to the successor. If that does not
// come to serve, everything is as it was.
func (d *daemon) give(ctx context.Context, next *successor) error {
	store := d.cfg.path("berth.db")
	back, err := newUndo(store)
	if err != nil {
		// On a full disk, perhaps, where a new version may be the cure.
		d.log.WarnContext(ctx, "the store could not be copied: should the new berth fail to migrate it, there is no way back", "err", err)
	}
	if err := next.take(ctx); err != nil {
		if back != nil {
			err = errors.Join(err, back.restore())
		}
		return err
	}
	if back != nil {
		if err := back.forget(); err != nil {
			d.log.WarnContext(ctx, "forget the copy of the store", "err", err)
		}
	}
	d.replaced.Store(true)
	d.log.InfoContext(ctx, "replaced", "by", next.pid(), "version", next.version)
	// From here on it is the other one that the manager watches.
	if err := d.manager.say(fmt.Sprintf("MAINPID=%d", next.pid())); err != nil {
		d.log.WarnContext(ctx, "the service manager was not reached", "err", err)
	}
	if err := d.leaveQUIC(next); err != nil {
		d.log.WarnContext(ctx, "handover", "err", err)
	}
	return nil
}

// serve serves from the inside until ctx is done, and what is under way then
// has finished.
func (in *inside) serve(ctx context.Context, doors *doors) error {
	// A push that finishes must see how its processes get on: the watch ends
	// after the door.
	g, ctx := errgroup.WithContext(ctx)
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	g.Go(func() error {
		defer stop()
		return in.door.Serve(ctx)
	})
	g.Go(func() error { return rest(watching) })
	g.Go(func() error { return in.pipe.Attend(watching) })
	g.Go(func() error { return in.pipe.Mind(watching) })
	g.Go(func() error { return in.pipe.Sample(watching) })
	g.Go(func() error { return in.pipe.Cron(watching) })
	g.Go(func() error { return in.pipe.Upkeep(watching) })
	g.Go(func() error { return in.archive.Run(watching) })
	g.Go(func() error { return in.collector.Run(watching) })
	g.Go(func() error { return in.engine.Watch(watching, in.collector.Changed) })
	g.Go(func() error { return serveMetrics(watching, doors, in.metrics) })
	g.Go(func() error {
		return in.pipe.Engine.Watch(watching, func(app appliance.AppName) { in.pipe.Changed(watching, app) })
	})
	err := g.Wait()
	in.pipe.Wait()
	return err
}

// busy tells whether something is under way that should not be cut yet.
func (in *inside) busy() bool {
	return (in.pipe.Busy() || in.door.Pushing()) && !in.patience.over()
}

// close closes what there is of the inside.
func (in *inside) close() error {
	var errs []error
	if in.door != nil {
		errs = append(errs, closed(in.door.Remote.Close()), closed(in.door.Local.Close()))
	}
	if in.certificates != nil {
		in.certificates.Close()
	}
	if in.engine != nil {
		errs = append(errs, in.engine.Close())
	}
	if in.archive != nil {
		errs = append(errs, in.archive.Close())
	}
	if in.store != nil {
		errs = append(errs, in.store.Close())
	}
	if in.lock != nil {
		errs = append(errs, in.lock.Close())
	}
	return errors.Join(errs...)
}

func closed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// A patience is how much longer something may take. It only ever shrinks.
type patience struct{ until atomic.Int64 }

func (p *patience) set(d time.Duration) {
	until := time.Now().Add(d).UnixNano()
	if before := p.until.Load(); before == 0 || until < before {
		p.until.Store(until)
	}
}

func (p *patience) over() bool {
	until := p.until.Load()
	return until != 0 && time.Now().UnixNano() > until
}
