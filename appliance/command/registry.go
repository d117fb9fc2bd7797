package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

type registry struct {
	*pipeline.Pipeline
}

// Registry returns the commands about registries of images.
func Registry(p *pipeline.Pipeline) []Command {
	r := registry{p}
	return []Command{
		{Name: "registry:login", Args: "<app> <server> <username> [<password>]", Short: "log an app, or the machine, in to a registry; the password can come on stdin", For: Manager, Global: true, Secret: true, Run: r.login, Flags: func(fs *pflag.FlagSet) {
			fs.Bool("password-stdin", false, "read the password from stdin")
		}},
		{Name: "registry:logout", Args: "<app> <server>", Short: "forget the login for a registry", For: Manager, Global: true, Run: r.logout},
		{Name: "registry:report", Args: "<app>", Short: "show where an app's images are pushed to, and who it is there", For: Viewer, Reads: true, Global: true, Run: r.report, Flags: listing},
		{Name: "registry:set", Args: "<app> <property> [<value>]", Short: "set server, image-repo, image-repo-template, push-on-release or push-extra-tags; no value takes it back", Global: true, Run: r.set},
	}
}

func (r registry) login(ctx context.Context, c *Call) error {
	server, err := appliance.ParseRegistry(c.Args[1])
	if err != nil {
		return err
	}
	login := appliance.RegistryLogin{Server: server, User: c.Args[2]}
	switch {
	case len(c.Args) > 3 && c.Bool("password-stdin"):
		return fmt.Errorf("%w: give the password as an argument or on stdin, not both", ErrUsage)
	case len(c.Args) > 3:
		login.Password = c.Args[3]
	default:
		if login.Password, err = c.password(ctx); err != nil {
			return err
		}
	}
	if login.Password == "" {
		return appliance.WithHint(errors.New("missing password"), fmt.Sprintf("pipe it in: echo TOKEN | ssh berth@host registry:login %s %s <username> --password-stdin", cmp.Or(string(c.App), "--global"), server))
	}
	if strings.ContainsAny(login.User+login.Password, "\r\n\x00") || login.User == "" {
		return fmt.Errorf("%w login: it must be one line", appliance.ErrInvalid)
	}
	if err := r.Engine.Login(ctx, login); err != nil {
		return appliance.WithHint(err, "nothing was changed; see whether the registry takes this name and password")
	}
	if _, err := r.KeepRegistryLogin(ctx, c.App, server, &login); err != nil {
		return err
	}
	fmt.Fprintln(c.Stdout, "Login Succeeded")
	return nil
}

func (r registry) logout(ctx context.Context, c *Call) error {
	server, err := appliance.ParseRegistry(c.Args[1])
	if err != nil {
		return err
	}
	there, err := r.KeepRegistryLogin(ctx, c.App, server, nil)
	if err != nil {
		return err
	}
	if !there {
		return appliance.WithHint(fmt.Errorf("login for %s %w", server, appliance.ErrNotFound),
			strings.TrimSpace("those there are: registry:report "+cmp.Or(string(c.App), "--global")))
	}
	fmt.Fprintf(c.Stdout, "Removing login credentials for %s\n", server)
	return nil
}

// registryProperties are the settings behind the properties.
var registryProperties = []struct{ property, setting string }{
	{"server", pipeline.RegistryServerSetting},
	{"image-repo", pipeline.RegistryRepoSetting},
	{"image-repo-template", pipeline.RegistryTemplateSetting},
	{"push-on-release", pipeline.RegistryPushSetting},
	{"push-extra-tags", pipeline.RegistryTagsSetting},
}

// set is for admins: who names the repository that the machine's login pushes
// to could put images in the place of other apps'.
func (r registry) set(ctx context.Context, c *Call) error {
	property, value := c.Args[1], strings.Join(c.Args[2:], "")
	var known []string
	setting := ""
	for _, p := range registryProperties {
		known = append(known, p.property)
		if p.property == property {
			setting = p.setting
		}
	}
	if setting == "" {
		return unknownProperty(property, known...)
	}
	value, err := parseRegistryProperty(property, value)
	if err != nil {
		return err
	}
	if c.Global && property == "image-repo" && value != "" {
		return appliance.WithHint(fmt.Errorf("%w image-repo: apps that share one would replace each other's images", appliance.ErrInvalid),
			"for all apps: registry:set --global image-repo-template 'acme/{{ .AppName }}'")
	}
	if c.Global {
		err = r.Store.Set(ctx, setting, value)
	} else {
		err = r.Store.SetApp(ctx, c.App, setting, value)
	}
	if err != nil {
		return err
	}
	if value == "" {
		fmt.Fprintf(c.Stdout, "=====> Unsetting %s\n", property)
		return nil
	}
	fmt.Fprintf(c.Stdout, "=====> Setting %s to %s\n", property, value)
	return nil
}

var imageTag = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)

// parseRegistryProperty checks a value, and returns it as it is kept.
func parseRegistryProperty(property, value string) (string, error) {
	if value == "" {
		return "", nil
	}
	switch property {
	case "server":
		return appliance.ParseRegistry(strings.TrimSuffix(value, "/"))
	case "image-repo":
		_, err := appliance.ParseImage(value + ":1") // with no tag of its own
		return value, err
	case "image-repo-template":
		return value, pipeline.ParseRepoTemplate(value)
	case "push-on-release":
		if value != "true" && value != "false" {
			return "", fmt.Errorf("%w push-on-release %.40q: give true or false", appliance.ErrInvalid, value)
		}
	case "push-extra-tags":
		tags := strings.Split(value, ",")
		if slices.ContainsFunc(tags, func(tag string) bool { return !imageTag.MatchString(tag) }) {
			return "", appliance.WithHint(fmt.Errorf("%w push-extra-tags %.80q", appliance.ErrInvalid, value), "give tags with commas between them, as in latest,stable")
		}
	}
	return value, nil
}

func (r registry) report(ctx context.Context, c *Call) error {
	var rows properties
	for _, p := range registryProperties {
		all, err := r.Store.Setting(ctx, p.setting)
		if err != nil {
			return err
		}
		if c.Global {
			rows = append(rows, [2]string{"global-" + p.property, all})
			continue
		}
		own, err := r.Store.AppSetting(ctx, c.App, p.setting)
		if err != nil {
			return err
		}
		rows = append(rows, [2]string{p.property, own})
		if p.property != "image-repo" {
			rows = append(rows, [2]string{"global-" + p.property, all}, [2]string{"computed-" + p.property, cmp.Or(own, all)})
		}
	}
	heading := "Global registry information"
	if !c.Global {
		heading = string(c.App) + " registry information"
		repo, err := r.RegistryRepo(ctx, c.App)
		if err != nil {
			repo = err.Error()
		}
		rows = append(rows, [2]string{"computed-image-repo", repo})
	}
	logins, err := pipeline.Kept[map[string]appliance.RegistryLogin](ctx, r.Pipeline, c.App, pipeline.RegistryLoginsSetting)
	if err != nil {
		return err
	}
	var who []string
	for _, login := range logins {
		who = append(who, login.String())
	}
	slices.Sort(who)
	rows = append(rows, [2]string{"logins", strings.Join(who, ", ")})
	return c.Report(heading, rows)
}
