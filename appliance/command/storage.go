package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

type storage struct {
	*pipeline.Pipeline
}

// Storage returns the commands about what of an app outlives its containers.
func Storage(p *pipeline.Pipeline) []Command {
	s := storage{p}
	return []Command{
		{Name: "storage:mount", Args: "<app> <mount>", Short: "keep a path of an app's containers, as data:/app/data", For: Manager, Run: s.mount},
		{Name: "storage:unmount", Args: "<app> <mount>", Short: "take a mount back; what is in it stays", For: Manager, Run: s.unmount},
		{Name: "storage:list", Args: "<app>", Short: "list what is mounted", For: Viewer, Reads: true, Run: s.list, Flags: listing},
		{Name: "storage:report", Args: "<app>", Short: "show what is mounted", For: Viewer, Reads: true, Run: s.report, Flags: listing},
		{Name: "storage:ensure-directory", Args: "<directory>", Short: "make a directory that can be mounted", Run: s.ensure, Flags: chownFlag},
	}
}

func chownFlag(fs *pflag.FlagSet) {
	fs.String("chown", "herokuish", "whose it is: herokuish (32767), heroku (1000), paketo (2000), root (0), false, or a number")
}

// maxMounts is more than anybody needs.
const maxMounts = 20

func (s storage) mount(ctx context.Context, c *Call) error {
	m, err := pipeline.ParseStorage(c.Args[1])
	if err != nil {
		return err
	}
	list, err := s.StorageOf(ctx, c.App)
	if err != nil {
		return err
	}
	for _, other := range list {
		if other.Path == m.Path {
			return appliance.WithHint(fmt.Errorf("a mount at %s of %s %w: %s", m.Path, c.App, appliance.ErrExists, other.Source), fmt.Sprintf("take it back first: storage:unmount %s %s", c.App, other))
		}
	}
	if len(list) >= maxMounts {
		return fmt.Errorf("%w: more than %d mounts", appliance.ErrInvalid, maxMounts)
	}
	if m.IsDir() {
		if err := s.mayMount(c, m, list); err != nil {
			return err
		}
	}
	if err := s.Keep(ctx, c.App, pipeline.StorageSetting, append(list, m)); err != nil {
		return err
	}
	fmt.Fprintf(c.Stdout, "-----> Mounted %s in %s\n       it is there from the next deploy or ps:restart on\n", m, c.App)
	return nil
}

// mayMount lets admins mount what may be mounted at all. Others have the one
// directory below the storage that is called as their app: in another, an app
// could lay a link to anywhere, and what an app of the same name has left there
// is not for them.
func (s storage) mayMount(c *Call, m pipeline.Storage, list []pipeline.Storage) error {
	if c.Actor.Admin {
		_, err := s.Directory(m.Source)
		return appliance.WithHint(err, "storage:ensure-directory makes one below "+s.Storage)
	}
	own := s.OwnDir(c.App)
	if m.Source != own {
		return appliance.WithHint(fmt.Errorf("storage:mount %s %s: %w", c.App, m.Source, appliance.ErrDenied),
			fmt.Sprintf("mount a volume, as data:%s, or %s, or ask an admin", m.Path, own))
	}
	entries, err := os.ReadDir(own)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return s.makeDir(own, 32767)
	case err != nil:
		return err
	}
	mine := slices.ContainsFunc(list, func(other pipeline.Storage) bool { return other.Source == own })
	if len(entries) > 0 && !mine {
		return appliance.WithHint(fmt.Errorf("storage:mount %s %s: there is something in it already: %w", c.App, own, appliance.ErrDenied), "ask an admin, who can see whose it is")
	}
	_, err = s.Directory(own)
	return err
}

func (s storage) unmount(ctx context.Context, c *Call) error {
	m, err := pipeline.ParseStorage(c.Args[1])
	if err != nil {
		return err
	}
	list, err := s.StorageOf(ctx, c.App)
	if err != nil {
		return err
	}
	i := slices.Index(list, m)
	if i < 0 {
		return appliance.WithHint(fmt.Errorf("mount %s of %s %w", m, c.App, appliance.ErrNotFound), "storage:list "+string(c.App)+" shows them as they are removed")
	}
	if err := s.keepStorage(ctx, c.App, slices.Delete(list, i, i+1)); err != nil {
		return err
	}
	fmt.Fprintf(c.Stdout, "-----> Unmounted %s from %s\n       what is in it stays; it is gone from the containers with the next deploy or ps:restart\n", m, c.App)
	return nil
}

func (s storage) keepStorage(ctx context.Context, app appliance.AppName, list []pipeline.Storage) error {
	if len(list) == 0 {
		return s.Store.SetApp(ctx, app, pipeline.StorageSetting, "")
	}
	return s.Keep(ctx, app, pipeline.StorageSetting, list)
}

func (s storage) list(ctx context.Context, c *Call) error {
	list, err := s.StorageOf(ctx, c.App)
	if err != nil {
		return err
	}
	var rows []string
	for _, m := range list {
		rows = append(rows, m.String())
	}
	return c.List(string(c.App)+" volume bind-mounts:", append([]pipeline.Storage{}, list...), rows)
}

func (s storage) report(ctx context.Context, c *Call) error {
	list, err := s.StorageOf(ctx, c.App)
	if err != nil {
		return err
	}
	var rows []string
	for _, m := range list {
		rows = append(rows, "-v "+m.String())
	}
	all := strings.Join(rows, " ")
	return c.Report(string(c.App)+" storage information", properties{
		{"storage-build-mounts", ""}, {"storage-deploy-mounts", all}, {"storage-run-mounts", all}, {"storage-directory", s.OwnDir(c.App)},
	})
}

// owners are the users of images that Dokku knows by name.
var owners = map[string]int{"herokuish": 32767, "heroku": 1000, "paketo": 2000, "packeto": 2000, "root": 0, "false": -1}

func (s storage) ensure(ctx context.Context, c *Call) error {
	name := c.Args[0]
	dir, err := appliance.ParseAppName(name)
	if err != nil {
		return appliance.WithHint(fmt.Errorf("%w directory %.80q", appliance.ErrInvalid, name), "give a name of lower-case letters, digits and hyphens; it is made below "+s.Storage)
	}
	text, _ := c.Flags.GetString("chown")
	owner, ok := owners[text]
	if !ok {
		if owner, err = strconv.Atoi(text); err != nil || owner < 0 || owner > 1<<31-2 {
			return appliance.WithHint(fmt.Errorf("%w owner %.40q", appliance.ErrInvalid, text), "give herokuish, heroku, paketo, root, false, or the number of a user")
		}
	}
	path := filepath.Join(s.Storage, string(dir))
	if err := s.makeDir(path, owner); err != nil {
		return err
	}
	fmt.Fprintf(c.Stdout, "-----> Ensuring %s exists\n       Directory ready for mounting\n", path)
	return nil
}

// makeDir makes a directory below the storage, if there is none, and gives it
// to a user, unless that is negative. It never follows a link.
func (s storage) makeDir(path string, owner int) error {
	if err := os.MkdirAll(s.Storage, 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%w directory %s: it is a file", appliance.ErrInvalid, path)
	}
	if owner < 0 {
		return nil
	}
	return os.Lchown(path, owner, owner)
}
