package pipeline

import (
	"context"
	"io"
	"net/netip"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/db"
)

// handle returns what an app is called where its name cannot change: in the
// engine, the router, the repositories' directory. If the store does not
// answer, it is what no app is called.
func (p *Pipeline) handle(app appliance.AppName) appliance.AppName {
	handle, err := p.Store.Handle(context.Background(), app)
	if err != nil {
		return app + "_unknown"
	}
	return handle
}

// Service returns what the router, its access log and the certificates call an
// app.
func (p *Pipeline) Service(app appliance.AppName) string {
	if app == "" {
		return "" // the machine
	}
	return string(p.handle(app))
}

// A handling engine knows apps by their names, and another engine by their
// handles. It embeds nothing, so that no method that has to do with an app is
// forgotten here.
type handling struct {
	engine appliance.Engine
	store  *db.Store
}

func (e *handling) handle(ctx context.Context, app appliance.AppName) (appliance.AppName, error) {
	if app == "" {
		return "", nil // every app, or the appliance itself
	}
	return e.store.Handle(ctx, app)
}

// name gives processes the name of their app.
func (e *handling) name(ctx context.Context, processes []appliance.Process, err error) ([]appliance.Process, error) {
	names := map[appliance.AppName]appliance.AppName{}
	for i, p := range processes {
		name, ok := names[p.App]
		if !ok {
			var nameErr error
			if name, nameErr = e.store.Named(ctx, p.App); nameErr != nil {
				return nil, nameErr
			}
			names[p.App] = name
		}
		processes[i].App = name
	}
	return processes, err
}

func (e *handling) Build(ctx context.Context, spec appliance.BuildSpec) (image appliance.Image, err error) {
	if spec.App, err = e.handle(ctx, spec.App); err != nil {
		return "", err
	}
	return e.engine.Build(ctx, spec)
}

func (e *handling) Login(ctx context.Context, login appliance.RegistryLogin) error {
	return e.engine.Login(ctx, login)
}

func (e *handling) Push(ctx context.Context, spec appliance.PushSpec) (string, error) {
	return e.engine.Push(ctx, spec)
}

func (e *handling) Import(ctx context.Context, tag appliance.Image, rootfs io.Reader) error {
	return e.engine.Import(ctx, tag, rootfs)
}

func (e *handling) Load(ctx context.Context, spec appliance.LoadSpec) (err error) {
	if spec.App, err = e.handle(ctx, spec.App); err != nil {
		return err
	}
	return e.engine.Load(ctx, spec)
}

func (e *handling) Inspect(ctx context.Context, image appliance.Image) (appliance.ImageInfo, error) {
	return e.engine.Inspect(ctx, image)
}

func (e *handling) Capacity(ctx context.Context) (appliance.Capacity, error) {
	return e.engine.Capacity(ctx)
}

func (e *handling) Run(ctx context.Context, spec appliance.RunSpec) (result appliance.RunResult, err error) {
	if spec.App, err = e.handle(ctx, spec.App); err != nil {
		return result, err
	}
	return e.engine.Run(ctx, spec)
}

func (e *handling) Prepare(ctx context.Context, spec appliance.RunSpec) (id string, err error) {
	if spec.App, err = e.handle(ctx, spec.App); err != nil {
		return "", err
	}
	return e.engine.Prepare(ctx, spec)
}

func (e *handling) Detach(ctx context.Context, spec appliance.RunSpec) (run appliance.Run, err error) {
	named := spec.App
	if spec.App, err = e.handle(ctx, spec.App); err != nil {
		return run, err
	}
	run, err = e.engine.Detach(ctx, spec)
	run.App = named
	return run, err
}

func (e *handling) Runs(ctx context.Context, app appliance.AppName) ([]appliance.Run, error) {
	handle, err := e.handle(ctx, app)
	if err != nil {
		return nil, err
	}
	runs, err := e.engine.Runs(ctx, handle)
	if err != nil {
		return nil, err
	}
	for i := range runs {
		if runs[i].App, err = e.store.Named(ctx, runs[i].App); err != nil {
			return nil, err
		}
	}
	return runs, nil
}

func (e *handling) Await(ctx context.Context, id string) (appliance.RunResult, error) {
	return e.engine.Await(ctx, id)
}

func (e *handling) End(ctx context.Context, grace time.Duration, id string) error {
	return e.engine.End(ctx, grace, id)
}

func (e *handling) Start(ctx context.Context, spec appliance.ProcessSpec) (processes []appliance.Process, err error) {
	if spec.App, err = e.handle(ctx, spec.App); err != nil {
		return nil, err
	}
	processes, err = e.engine.Start(ctx, spec)
	return e.name(ctx, processes, err)
}

func (e *handling) Keep(ctx context.Context, restart appliance.Restart, ids ...string) error {
	return e.engine.Keep(ctx, restart, ids...)
}

func (e *handling) GiveUp(ctx context.Context, ids ...string) error {
	return e.engine.GiveUp(ctx, ids...)
}

func (e *handling) Restart(ctx context.Context, grace time.Duration, id string) error {
	return e.engine.Restart(ctx, grace, id)
}

func (e *handling) Stop(ctx context.Context, grace time.Duration, ids ...string) error {
	return e.engine.Stop(ctx, grace, ids...)
}

func (e *handling) Processes(ctx context.Context, app appliance.AppName) (processes []appliance.Process, err error) {
	handle, err := e.handle(ctx, app)
	if err != nil {
		return nil, err
	}
	processes, err = e.engine.Processes(ctx, handle)
	return e.name(ctx, processes, err)
}

func (e *handling) Usage(ctx context.Context, app appliance.AppName) ([]appliance.Usage, error) {
	handle, err := e.handle(ctx, app)
	if err != nil {
		return nil, err
	}
	list, err := e.engine.Usage(ctx, handle)
	if err != nil {
		return nil, err
	}
	for i, u := range list {
		if list[i].App, err = e.store.Named(ctx, u.App); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (e *handling) Details(ctx context.Context, id string) ([]byte, error) {
	return e.engine.Details(ctx, id)
}

func (e *handling) Logs(ctx context.Context, id string, opts appliance.LogOptions, w io.Writer) error {
	return e.engine.Logs(ctx, id, opts, w)
}

func (e *handling) Listening(ctx context.Context, id string) ([]netip.AddrPort, error) {
	return e.engine.Listening(ctx, id)
}

func (e *handling) Exec(ctx context.Context, id string, spec appliance.ExecSpec) (int, error) {
	return e.engine.Exec(ctx, id, spec)
}

func (e *handling) Watch(ctx context.Context, changed func(appliance.AppName)) error {
	return e.engine.Watch(ctx, func(app appliance.AppName) {
		if app != "" {
			name, err := e.store.Named(ctx, app)
			if err != nil {
				name = "" // it may be any
			}
			app = name
		}
		changed(app)
	})
}

func (e *handling) Images(ctx context.Context, app appliance.AppName) ([]appliance.Image, error) {
	handle, err := e.handle(ctx, app)
	if err != nil {
		return nil, err
	}
	return e.engine.Images(ctx, handle)
}

func (e *handling) Pin(ctx context.Context, app appliance.AppName, images ...appliance.Image) error {
	handle, err := e.handle(ctx, app)
	if err != nil {
		return err
	}
	return e.engine.Pin(ctx, handle, images...)
}

func (e *handling) Prune(ctx context.Context, app appliance.AppName, keep ...appliance.Image) error {
	handle, err := e.handle(ctx, app)
	if err != nil {
		return err
	}
	return e.engine.Prune(ctx, handle, keep...)
}

func (e *handling) Clear(ctx context.Context, app appliance.AppName, keep ...appliance.Image) (appliance.Freed, error) {
	handle, err := e.handle(ctx, app)
	if err != nil {
		return appliance.Freed{}, err
	}
	return e.engine.Clear(ctx, handle, keep...)
}

func (e *handling) RemoveVolumes(ctx context.Context, app appliance.AppName, volumes ...string) ([]string, error) {
	handle, err := e.handle(ctx, app)
	if err != nil {
		return nil, err
	}
	return e.engine.RemoveVolumes(ctx, handle, volumes...)
}

func (e *handling) CreateNetwork(ctx context.Context, name string) error {
	return e.engine.CreateNetwork(ctx, name)
}

func (e *handling) RemoveNetwork(ctx context.Context, name string) error {
	return e.engine.RemoveNetwork(ctx, name)
}

func (e *handling) Networks(ctx context.Context) ([]appliance.Network, error) {
	return e.engine.Networks(ctx)
}

func (e *handling) Sweep(ctx context.Context, before time.Time) error {
	return e.engine.Sweep(ctx, before)
}

func (e *handling) Destroy(ctx context.Context, app appliance.AppName) error {
	handle, err := e.handle(ctx, app)
	if err != nil {
		return err
	}
	return e.engine.Destroy(ctx, handle)
}
