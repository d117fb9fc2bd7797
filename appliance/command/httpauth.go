package command

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
	"github.com/berthhq/berth/router"
)

func httpAuth(d door) []Command {
	return []Command{
		{Name: "http-auth:on", Args: "<app>", Short: "ask visitors of an app for a name and a password", For: Manager, Run: d.authOn},
		{Name: "http-auth:off", Args: "<app>", Short: "ask them no more", For: Manager, Run: d.authOff},
		{Name: "http-auth:enable", Args: "<app>", Short: "http-auth:on, as Dokku calls it", For: Manager, Run: d.authOn},
		{Name: "http-auth:disable", Args: "<app>", Short: "http-auth:off, as Dokku calls it", For: Manager, Run: d.authOff},
		{Name: "http-auth:add-user", Args: "<app> <visitor>", Short: "let somebody in, with the password on stdin", For: Manager, Run: d.addUser, Flags: func(fs *pflag.FlagSet) {
			fs.Bool("generate", false, "make up a password, and print it")
		}},
		{Name: "http-auth:remove-user", Args: "<app> <visitor>", Short: "let somebody in no more", For: Manager, Run: d.removeUser},
		{Name: "http-auth:add-allowed-ip", Args: "<app> <ip>...", Short: "do not ask visitors from an address or network", For: Manager, Run: d.authAllow},
		{Name: "http-auth:remove-allowed-ip", Args: "<app> <ip>...", Short: "ask them again", For: Manager, Run: d.authDisallow},
		{Name: "http-auth:set", Args: "<app> <auth-property> [<value>...]", Short: "set open-paths, for which nobody is asked, or realm, what browsers show; no value takes it back", For: Manager, Run: d.authSet},
		{Name: "http-auth:report", Args: "<app>", Short: "show whom an app lets in", For: Viewer, Reads: true, Run: d.authReport, Flags: listing},
	}
}

// ask changes whom an app asks, and says so.
func (d door) ask(ctx context.Context, c *Call, done string, change func(*pipeline.HTTPAuth) error) error {
	if err := pipeline.ChangeDoor(ctx, d.Pipeline, c.App, pipeline.HTTPAuthSetting, change); err != nil {
		return err
	}
	fmt.Fprintf(c.Stdout, "=====> %s\n", done)
	return nil
}

func (d door) authOn(ctx context.Context, c *Call) error {
	return d.ask(ctx, c, fmt.Sprintf("%s asks its visitors for a password", c.App), func(a *pipeline.HTTPAuth) error {
		if len(a.Users) == 0 {
			return appliance.WithHint(fmt.Errorf("%s has no users that could come in", c.App), fmt.Sprintf("add one first: http-auth:add-user %s ada --generate", c.App))
		}
		a.On = true
		return nil
	})
}

func (d door) authOff(ctx context.Context, c *Call) error {
	return d.ask(ctx, c, fmt.Sprintf("%s lets everybody in", c.App), func(a *pipeline.HTTPAuth) error {
		a.On = false
		return nil
	})
}

// maxUsers is how many users an app may have.
const maxUsers = 500

func (d door) addUser(ctx context.Context, c *Call) error {
	password := ""
	if c.Bool("generate") {
		password = rand.Text()
	} else {
		text, err := c.password(ctx)
		if err != nil {
			return err
		}
		password = text
	}
	if password == "" || strings.ContainsAny(password, "\r\n\x00") {
		return appliance.WithHint(fmt.Errorf("%w password: there is no line with one on stdin", appliance.ErrInvalid),
			fmt.Sprintf("pipe it in, or have one made up: http-auth:add-user %s %s --generate", c.App, c.Args[1]))
	}
	hash, err := router.HashPassword(password)
	if err != nil {
		return fmt.Errorf("%w password: %w", appliance.ErrInvalid, err)
	}
	if err := (router.Policy{Auth: router.Auth{Users: map[string]string{c.Args[1]: hash}}}).Validate(); err != nil {
		return fmt.Errorf("%w user: %w", appliance.ErrInvalid, err)
	}
	on := false
	err = d.ask(ctx, c, fmt.Sprintf("Adding %s to the users of %s", c.Args[1], c.App), func(a *pipeline.HTTPAuth) error {
		if a.Users == nil {
			a.Users = map[string]string{}
		}
		a.Users[c.Args[1]] = hash
		if len(a.Users) > maxUsers {
			return fmt.Errorf("%w number of users: more than %d", appliance.ErrInvalid, maxUsers)
		}
		on = a.On
		return nil
	})
	if err != nil {
		return err
	}
	if c.Bool("generate") {
		fmt.Fprintln(c.Stdout, password)
	}
	if !on {
		fmt.Fprintf(c.Stderr, " !     nobody is asked yet: http-auth:on %s\n", c.App)
	}
	return nil
}

func (d door) removeUser(ctx context.Context, c *Call) error {
	return d.ask(ctx, c, fmt.Sprintf("Removing %s from the users of %s", c.Args[1], c.App), func(a *pipeline.HTTPAuth) error {
		if _, ok := a.Users[c.Args[1]]; !ok {
			return appliance.WithHint(fmt.Errorf("user %.60q of %s %w", c.Args[1], c.App, appliance.ErrNotFound), fmt.Sprintf("http-auth:report %s lists them", c.App))
		}
		delete(a.Users, c.Args[1])
		if len(a.Users) == 0 && a.On {
			return appliance.WithHint(fmt.Errorf("%s is the last user of %s: without one it would be open to everybody", c.Args[1], c.App),
				fmt.Sprintf("add another first, or say that it may be open: http-auth:off %s", c.App))
		}
		return nil
	})
}

func (d door) authAllow(ctx context.Context, c *Call) error {
	return d.ask(ctx, c, fmt.Sprintf("Not asking visitors of %s from %s", c.App, strings.Join(c.Args[1:], ", ")), func(a *pipeline.HTTPAuth) error {
		return allow(&a.Allow, c.Args[1:])
	})
}

func (d door) authDisallow(ctx context.Context, c *Call) error {
	return d.ask(ctx, c, fmt.Sprintf("Asking visitors of %s from %s again", c.App, strings.Join(c.Args[1:], ", ")), func(a *pipeline.HTTPAuth) error {
		return disallow(&a.Allow, c.Args[1:])
	})
}

// maxOpenPaths is how many an app may have: each request is compared with them.
const maxOpenPaths = 100

func (d door) authSet(ctx context.Context, c *Call) error {
	name, values := c.Args[1], slices.DeleteFunc(c.Args[2:], func(s string) bool { return s == "" })
	done := fmt.Sprintf("Setting http-auth %s of %s to %s", name, c.App, strings.Join(values, " "))
	if len(values) == 0 {
		done = fmt.Sprintf("Unsetting http-auth %s of %s", name, c.App)
	}
	switch name {
	case "open-paths":
		if len(values) > maxOpenPaths {
			return fmt.Errorf("%w number of paths: more than %d", appliance.ErrInvalid, maxOpenPaths)
		}
		return d.ask(ctx, c, done, func(a *pipeline.HTTPAuth) error {
			a.Paths = values
			return nil
		})
	case "realm":
		return d.ask(ctx, c, done, func(a *pipeline.HTTPAuth) error {
			a.Realm = strings.Join(values, " ")
			return nil
		})
	default:
		return unknownProperty(name, "open-paths", "realm")
	}
}

func (d door) authReport(ctx context.Context, c *Call) error {
	a, err := pipeline.Kept[pipeline.HTTPAuth](ctx, d.Pipeline, c.App, pipeline.HTTPAuthSetting)
	if err != nil {
		return err
	}
	return c.Report(string(c.App)+" http-auth information", properties{
		{"http-auth-enabled", strconv.FormatBool(a.On)}, {"http-auth-users", strings.Join(slices.Sorted(maps.Keys(a.Users)), " ")}, {"http-auth-allowed-ips", strings.Join(a.Allow, " ")},
		{"http-auth-open-paths", strings.Join(a.Paths, " ")}, {"http-auth-realm", a.Realm},
	})
}
