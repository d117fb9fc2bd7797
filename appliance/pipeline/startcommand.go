package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"github.com/berthhq/berth/appliance"
)

// ProcfileSetting is where an app's Procfile is, relative to what is built;
// "Procfile" unless it is set.
const ProcfileSetting = "procfile-path"

// StartCommandSetting is what starts the processes of an app that a Dockerfile
// or an image makes and that has no Procfile, by type.
const StartCommandSetting = "start-cmd"

// startCommands lets one person at a time change start commands.
var startCommands sync.Mutex

// StartCommands returns what starts an app's processes where there is no
// Procfile, by type.
func (p *Pipeline) StartCommands(ctx context.Context, app appliance.AppName) (appliance.Procfile, error) {
	return Kept[appliance.Procfile](ctx, p, app, StartCommandSetting)
}

// SetStartCommand changes what starts one type; "" takes it back. It holds from
// the next build on.
func (p *Pipeline) SetStartCommand(ctx context.Context, app appliance.AppName, typ, command string) error {
	startCommands.Lock()
	defer startCommands.Unlock()
	commands, err := p.StartCommands(ctx, app)
	if err != nil {
		return err
	}
	if commands == nil {
		commands = appliance.Procfile{}
	}
	if commands[typ] = command; command == "" {
		delete(commands, typ)
	}
	if len(commands) == 0 {
		return p.Store.SetApp(ctx, app, StartCommandSetting, "")
	}
	return p.Keep(ctx, app, StartCommandSetting, commands)
}

// placeProcfile puts the Procfile that the app was told to have where every
// builder looks for it.
func (r *run) placeProcfile(ctx context.Context, source *os.Root) error {
	path, err := r.Store.AppSetting(ctx, r.app, ProcfileSetting)
	if err != nil || path == "" || path == "Procfile" {
		return err
	}
	text, err := source.ReadFile(path)
	if err != nil {
		reason := err
		if errors.Is(err, fs.ErrNotExist) {
			reason = errors.New("it is not in the commit")
		}
		return appliance.WithHint(fmt.Errorf("the Procfile %s: %w", path, reason),
			fmt.Sprintf("commit it, or name another: ps:set %s procfile-path <path>; without one it is Procfile", r.app))
	}
	// Not through a link that the source has in its place.
	if err := source.RemoveAll("Procfile"); err != nil {
		return err
	}
	return source.WriteFile("Procfile", text, 0o644)
}
