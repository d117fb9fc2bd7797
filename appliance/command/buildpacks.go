package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
	"github.com/berthhq/berth/appliance/pipeline"
)

type buildpacks struct {
	*pipeline.Pipeline
}

// Buildpacks returns the commands that say which buildpacks build an app.
func Buildpacks(p *pipeline.Pipeline) []Command {
	b := buildpacks{p}
	return []Command{
		{Name: "buildpacks:add", Args: "<app> <buildpack>", Short: "add a buildpack: a name, owner/name, or the address of a repository or archive", For: Deployer, Run: b.add, Flags: index},
		{Name: "buildpacks:set", Args: "<app> <buildpack>...", Short: "put a buildpack in another's place, or with --replace several in place of all", For: Deployer, Run: b.set, Flags: func(fs *pflag.FlagSet) {
			index(fs)
			fs.Bool("replace", false, "in place of all")
		}},
		{Name: "buildpacks:remove", Args: "<app> [<buildpack>]", Short: "remove a buildpack, by its name or its place", For: Deployer, Run: b.remove, Flags: index},
		{Name: "buildpacks:clear", Args: "<app>", Short: "remove all buildpacks, so that the source decides", For: Deployer, Run: b.clear},
		{Name: "buildpacks:detect", Args: "<app>", Short: "show which buildpacks a build would use, without building", For: Viewer, Reads: true, Run: b.detect, Flags: func(fs *pflag.FlagSet) {
			listing(fs)
			fs.String("branch", "", "the branch to look at, in place of the deployed one")
		}},
		{Name: "buildpacks:list", Args: "<app>", Short: "list the buildpacks that were set", For: Viewer, Reads: true, Run: b.list, Flags: listing},
		{Name: "buildpacks:report", Args: "<app>", Short: "show the buildpacks that were set, and the stack", For: Viewer, Reads: true, Run: b.report, Flags: listing},
		{Name: "buildpacks:set-property", Args: "<app> <property> [<value>]", Short: "set stack, as stack:set", For: Deployer, Global: true, Run: b.setProperty},
	}
}

func index(fs *pflag.FlagSet) { fs.Int("index", 0, "the place in the list, from 1") }

// place returns the value of --index, or 0.
func place(c *Call) (int, error) {
	n, err := c.Flags.GetInt("index")
	if err != nil {
		panic(err)
	}
	if n < 0 || c.Flags.Changed("index") && n == 0 {
		return 0, fmt.Errorf("%w: --index counts from 1", ErrUsage)
	}
	return n, nil
}

// read returns the buildpacks that were set, in their order.
func (b buildpacks) read(ctx context.Context, app appliance.AppName) ([]string, error) {
	return b.List(ctx, app, pipeline.BuildpacksSetting)
}

// write keeps the list, and says what it is now.
func (b buildpacks) write(ctx context.Context, c *Call, list []string) error {
	if err := b.KeepList(ctx, c.App, pipeline.BuildpacksSetting, list); err != nil {
		return err
	}
	if len(list) == 0 {
		fmt.Fprintf(c.Stdout, "-----> The source of %s decides from the next build on\n", c.App)
		return nil
	}
	fmt.Fprintf(c.Stdout, "-----> From the next build on, %s is built by\n", c.App)
	for i, name := range list {
		fmt.Fprintf(c.Stdout, "       %d. %s\n", i+1, name)
	}
	return nil
}

// parseBuildpack returns the one form of a buildpack's name in which it is kept.
func parseBuildpack(text string) (string, error) {
	pack, err := builder.ParseBuildpack(text)
	if err != nil {
		return "", err
	}
	if pack.Secret() {
		return "", appliance.WithHint(fmt.Errorf("%w buildpack %s: its address holds credentials, which would be shown in lists", appliance.ErrInvalid, pack),
			"keep them in the config: config:set <app> BUILDPACK_URL=https://user:token@…")
	}
	return pack.String(), nil
}

func (b buildpacks) add(ctx context.Context, c *Call) error {
	at, err := place(c)
	if err != nil {
		return err
	}
	name, err := parseBuildpack(c.Args[1])
	if err != nil {
		return err
	}
	list, err := b.read(ctx, c.App)
	if err != nil {
		return err
	}
	if slices.Contains(list, name) {
		return appliance.WithHint(fmt.Errorf("buildpack %s %w in the list", name, appliance.ErrExists), "buildpacks:list shows it")
	}
	if at == 0 || at > len(list) {
		at = len(list) + 1
	}
	return b.write(ctx, c, slices.Insert(list, at-1, name))
}

func (b buildpacks) set(ctx context.Context, c *Call) error {
	at, err := place(c)
	if err != nil {
		return err
	}
	switch replace := c.Bool("replace"); {
	case replace && at != 0:
		return fmt.Errorf("%w: --index and --replace are not for the same call", ErrUsage)
	case !replace && len(c.Args) > 2:
		return fmt.Errorf("%w: several buildpacks are set with --replace, in place of all", ErrUsage)
	}
	var names []string
	for _, arg := range c.Args[1:] {
		name, err := parseBuildpack(arg)
		if err != nil {
			return err
		}
		names = append(names, name)
	}
	if c.Bool("replace") {
		return b.write(ctx, c, names)
	}
	list, err := b.read(ctx, c.App)
	if err != nil {
		return err
	}
	if at = max(at, 1); at > len(list) {
		return b.write(ctx, c, append(list, names[0]))
	}
	list[at-1] = names[0]
	return b.write(ctx, c, list)
}

func (b buildpacks) remove(ctx context.Context, c *Call) error {
	at, err := place(c)
	if err != nil {
		return err
	}
	if named := len(c.Args) > 1; named == (at != 0) {
		return fmt.Errorf("%w: buildpacks:remove <app> <buildpack>, or: buildpacks:remove <app> --index N", ErrUsage)
	}
	list, err := b.read(ctx, c.App)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return appliance.WithHint(fmt.Errorf("buildpacks of %s %w", c.App, appliance.ErrNotFound), "none were set: the source decides")
	}
	if at == 0 {
		name, err := parseBuildpack(c.Args[1])
		if err != nil {
			return err
		}
		at = slices.Index(list, name) + 1
	}
	if at == 0 || at > len(list) {
		return appliance.WithHint(fmt.Errorf("that buildpack %w in the list", appliance.ErrNotFound), "the list is: "+strings.Join(list, ", "))
	}
	fmt.Fprintf(c.Stdout, "-----> Removing %s\n", list[at-1])
	return b.write(ctx, c, slices.Delete(list, at-1, at))
}

func (b buildpacks) clear(ctx context.Context, c *Call) error { return b.write(ctx, c, nil) }

func (b buildpacks) list(ctx context.Context, c *Call) error {
	list, err := b.read(ctx, c.App)
	if err != nil {
		return err
	}
	var rows []string
	for _, name := range list {
		rows = append(rows, "       "+name)
	}
	return c.List(string(c.App)+" buildpack urls", list, rows)
}

func (b buildpacks) report(ctx context.Context, c *Call) error {
	list, err := b.read(ctx, c.App)
	if err != nil {
		return err
	}
	own, err := b.Store.AppSetting(ctx, c.App, pipeline.StackSetting)
	if err != nil {
		return err
	}
	machine, err := b.Store.Setting(ctx, pipeline.StackSetting)
	if err != nil {
		return err
	}
	return c.Report(string(c.App)+" buildpacks information", properties{
		{"buildpacks-computed-stack", cmp.Or(own, machine, builder.OwnStack)}, {"buildpacks-global-stack", machine},
		{"buildpacks-list", strings.Join(list, ",")}, {"buildpacks-stack", own},
	})
}

// setProperty is stack:set with Dokku's words.
func (b buildpacks) setProperty(ctx context.Context, c *Call) error {
	if property := c.Args[1]; property != "stack" {
		return unknownProperty(property, "stack")
	}
	call := *c
	call.Args = append([]string{c.Args[0]}, c.Args[2:]...)
	return stack(b).set(ctx, &call)
}

// A detection is which buildpacks a build would use, as scripts are shown it.
type detection struct {
	App     string   `json:"app"`
	Branch  string   `json:"branch"`
	Commit  string   `json:"commit"`
	Details []string `json:"details"`
}

// detect says what buildpacks would do with the source, also of an app that
// something else builds.
func (b buildpacks) detect(ctx context.Context, c *Call) (err error) {
	branch, _ := c.Flags.GetString("branch")
	if branch != "" {
		if branch, err = ParseBranch(branch); err != nil {
			return err
		}
	}
	plan, err := b.DetectBuildpacks(ctx, c.App, branch, c.Stderr)
	if errors.Is(err, pipeline.ErrNothingPushed) {
		return c.List("", struct{}{}, []string{fmt.Sprintf("Nothing has been pushed to %s yet", c.App)})
	}
	if err != nil {
		return err
	}
	var rows []string
	for _, line := range plan.Lines {
		rows = append(rows, "       "+line)
	}
	return c.List(fmt.Sprintf("Buildpacks of %s (%.7s on %s)", c.App, plan.Commit, plan.Branch), detection{string(c.App), plan.Branch, plan.Commit, plan.Lines}, rows)
}
