package command

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/git"
	"github.com/berthhq/berth/appliance/pipeline"
)

func noSSH(fs *pflag.FlagSet) { fs.Bool("no-ssh", false, "it has no SSH: only let everybody reach it") }

func ofApp(fs *pflag.FlagSet) {
	fs.String("app", "", "for this app only, whoever works on it; if not given it is for admins, and any app")
}

// allowHost keeps a host's keys. What it shows the first time is believed, so
// it is shown to the admin, who can compare.
func (g repository) allowHost(ctx context.Context, c *Call) error {
	host, err := git.ParseHost(c.Args[0])
	if err != nil {
		return err
	}
	hosts, err := pipeline.Kept[map[string][]string](ctx, g.Pipeline, "", pipeline.AllowedHostsSetting)
	if err != nil {
		return err
	}
	if hosts == nil {
		hosts = map[string][]string{}
	}
	lines := []string{}
	if !c.Bool("no-ssh") {
		keys, err := (git.Access{Anywhere: true}).HostKeys(ctx, host)
		if err != nil {
			return appliance.WithHint(err, "for a host that is reached over https only: git:allow-host --no-ssh "+c.Args[0])
		}
		for _, key := range keys {
			fmt.Fprintf(c.Stdout, "       %s %s\n", key.Fingerprint, key.Type)
			lines = append(lines, key.Line)
		}
	}
	hosts[host] = lines
	if err := g.Keep(ctx, "", pipeline.AllowedHostsSetting, hosts); err != nil {
		return err
	}
	fmt.Fprintf(c.Stdout, "-----> %s added to known hosts\n", host)
	return nil
}

// owner returns the app that a login is for; "" for the machine.
func (g repository) owner(ctx context.Context, c *Call) (appliance.AppName, error) {
	name, _ := c.Flags.GetString("app")
	if name == "" {
		return "", nil
	}
	return g.existing(ctx, name)
}

func (g repository) existing(ctx context.Context, name string) (appliance.AppName, error) {
	app, err := appliance.ParseAppName(name)
	if err != nil {
		return "", err
	}
	_, err = g.Store.App(ctx, app)
	return app, err
}

// loginFor reads whom a login is for, and the login: nil if none is given.
func (g repository) loginFor(ctx context.Context, c *Call) (origin string, login *git.Login, err error) {
	scheme, name, ok := strings.Cut(c.Args[0], "://")
	if !ok {
		scheme, name = "https", c.Args[0]
	}
	host, err := git.ParseHost(name)
	if err != nil || scheme != "https" && scheme != "http" {
		return "", nil, cmp.Or(err, fmt.Errorf("%w host: a login is for https, or http", appliance.ErrInvalid))
	}
	if strings.HasPrefix(host, "[") { // a port: as an address has it
		host = name
	}
	origin = scheme + "://" + host
	if len(c.Args) == 1 {
		return origin, nil, nil
	}
	login = &git.Login{User: c.Args[1]}
	if len(c.Args) > 2 {
		login.Password = c.Args[2]
	} else if login.Password, err = c.password(ctx); err != nil {
		return "", nil, err
	}
	if login.Password == "" {
		return "", nil, appliance.WithHint(errors.New("missing password for netrc auth entry"), "pipe it in: echo TOKEN | ssh berth@host git:auth "+c.Args[0]+" <username>")
	}
	if strings.ContainsAny(login.User+login.Password, "\r\n\x00") || login.User == "" {
		return "", nil, fmt.Errorf("%w login: it must be one line", appliance.ErrInvalid)
	}
	return origin, login, nil
}

// logins returns whose logins are meant, and what they are.
func (g repository) logins(ctx context.Context, c *Call) (app appliance.AppName, logins map[string]git.Login, err error) {
	if app, err = g.owner(ctx, c); err != nil {
		return "", nil, err
	}
	logins, err = pipeline.Kept[map[string]git.Login](ctx, g.Pipeline, app, pipeline.LoginsSetting)
	return app, logins, err
}

func (g repository) auth(ctx context.Context, c *Call) error {
	app, logins, err := g.logins(ctx, c)
	if err != nil {
		return err
	}
	origin, login, err := g.loginFor(ctx, c)
	if err != nil {
		return err
	}
	if login == nil {
		fmt.Fprintf(c.Stdout, "-----> Removing netrc auth entry for host %s\n", c.Args[0])
		delete(logins, origin)
	} else {
		fmt.Fprintf(c.Stdout, "-----> Setting netrc auth entry for host %s\n", c.Args[0])
		if logins == nil {
			logins = map[string]git.Login{}
		}
		logins[origin] = *login
	}
	return g.Keep(ctx, app, pipeline.LoginsSetting, logins)
}

func (g repository) authStatus(ctx context.Context, c *Call) error {
	_, logins, err := g.logins(ctx, c)
	if err != nil {
		return err
	}
	origin, login, err := g.loginFor(ctx, c)
	if err != nil {
		return err
	}
	kept, ok := logins[origin]
	if login == nil && !ok || login != nil && ok && kept.User == login.User &&
		subtle.ConstantTimeCompare([]byte(kept.Password), []byte(login.Password)) == 1 {
		return nil
	}
	return fmt.Errorf("the login for %s is another one", c.Args[0])
}

func (g repository) deployKey(ctx context.Context, app appliance.AppName) (git.DeployKey, error) {
	return pipeline.Kept[git.DeployKey](ctx, g.Pipeline, app, pipeline.DeployKeySetting)
}

func (g repository) generateKey(ctx context.Context, c *Call) error {
	app := c.App // "" for the machine
	key, err := g.deployKey(ctx, app)
	if err != nil {
		return err
	}
	if key.Private != "" {
		fmt.Fprintf(c.Stderr, " !     A deploy key already exists for %s\n", cmp.Or(string(app), "this host"))
		return nil
	}
	domain, err := g.Domain(ctx)
	if err != nil {
		return err
	}
	if key, err = git.NewDeployKey(strings.Trim("berth@"+string(app)+"."+domain, ".")); err != nil {
		return err
	}
	if err := g.Keep(ctx, app, pipeline.DeployKeySetting, key); err != nil {
		return err
	}
	fmt.Fprintf(c.Stdout, "-----> Generated an ed25519 deploy key for %s\n       %s\n       %s\n",
		cmp.Or(string(app), "this host"), key.Fingerprint(), key.Public)
	return nil
}

func (g repository) publicKey(ctx context.Context, c *Call) error {
	app := c.App // "" for the machine
	key, err := g.deployKey(ctx, app)
	if err != nil {
		return err
	}
	if key.Public == "" {
		return appliance.WithHint(fmt.Errorf("deploy key of %s %w", cmp.Or(string(app), "this host"), appliance.ErrNotFound),
			strings.TrimSpace("make one: git:generate-deploy-key "+string(app))+"\nor give it a login instead: git:auth <host> <username>")
	}
	fmt.Fprintln(c.Stdout, key.Public)
	return nil
}
