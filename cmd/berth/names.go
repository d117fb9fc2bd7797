package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/berthhq/berth/appliance"
)

// calledAs returns the command line of berth for one of a binary that is called
// by another name: dokku, or sshcommand.
func calledAs(program string, args []string, getenv func(string) string) ([]string, error) {
	switch program {
	case "dokku":
		return append(asDokku(getenv), args...), nil
	case "sshcommand":
		return sshcommand(args)
	}
	if len(args) > 0 && args[0] == "sshcommand" {
		return sshcommand(args[1:])
	}
	return args, nil
}

// asDokku returns the flags that Dokku's environment stands for, and has the
// appliance answer as Dokku does.
func asDokku(getenv func(string) string) []string {
	flags := []string{"--as=dokku"}
	if app := getenv("DOKKU_APP_NAME"); app != "" {
		flags = append(flags, "--app="+app)
	}
	if getenv("DOKKU_QUIET_OUTPUT") != "" {
		flags = append(flags, "--quiet")
	}
	if getenv("DOKKU_APPS_FORCE_DELETE") != "" {
		flags = append(flags, "--force")
	}
	return flags
}

const sshcommandUsage = `sshcommand acl-add USER NAME [FILE]            let a public key in, as an admin, from stdin or a file
sshcommand acl-remove USER NAME                lock it out
sshcommand acl-remove-by-fingerprint USER FINGERPRINT
sshcommand list USER [NAME] [json]             list the keys
USER is dokku or berth: berth has its own door, and no account of the machine has its keys.
`

// sshcommand is what Dokku manages keys with, on the machine itself.
func sshcommand(args []string) ([]string, error) {
	bad := appliance.WithHint(fmt.Errorf("%w command line of sshcommand", appliance.ErrInvalid), strings.TrimSpace(sshcommandUsage))
	if len(args) == 0 || args[0] == "help" || args[0] == "--help" {
		return nil, bad
	}
	verb, rest := args[0], args[1:]
	if verb == "version" || verb == "--version" {
		return []string{"version"}, nil
	}
	if len(rest) == 0 {
		return nil, bad
	}
	user, rest := rest[0], rest[1:]
	if user != "dokku" && user != "berth" {
		return nil, appliance.WithHint(fmt.Errorf("%w user %.40q", appliance.ErrInvalid, user), "this sshcommand has the keys of dokku, which are berth's")
	}
	switch {
	case verb == "acl-add" && (len(rest) == 1 || len(rest) == 2):
		// Who could come in could do everything.
		return append([]string{"ssh-keys:add", "--admin"}, rest...), nil
	case verb == "acl-remove" && len(rest) == 1:
		return []string{"ssh-keys:remove", rest[0]}, nil
	case verb == "acl-remove-by-fingerprint" && len(rest) == 1:
		return []string{"ssh-keys:remove", "--fingerprint", rest[0]}, nil
	case verb == "list" && len(rest) <= 2:
		list := []string{"ssh-keys:list"}
		for _, arg := range rest {
			switch arg {
			case "json":
				list = append(list, "--format=json")
			case "":
			default:
				list = append(list, arg)
			}
		}
		return list, nil
	}
	return nil, bad
}

// keyFile opens the file that ssh-keys:add may name after the key's name, and
// returns the command line without it. It is read here, where it was typed.
func keyFile(args []string) (rest []string, file io.ReadCloser, err error) {
	i := slices.Index(args, "ssh-keys:add")
	if i < 0 || slices.ContainsFunc(args[:i], func(arg string) bool { return !strings.HasPrefix(arg, "--") }) {
		return args, nil, nil
	}
	var words []int
	for j := i + 1; j < len(args); j++ {
		if !strings.HasPrefix(args[j], "-") {
			words = append(words, j)
		}
	}
	if len(words) != 2 {
		return args, nil, nil
	}
	path := args[words[1]]
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	if stat, err := f.Stat(); err != nil || !stat.Mode().IsRegular() {
		return nil, nil, errors.Join(fmt.Errorf("%w key: %s is no file", appliance.ErrInvalid, path), f.Close())
	}
	return slices.Delete(slices.Clone(args), words[1], words[1]+1), f, nil
}
