package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
)

func TestOtherNamesOfTheBinaryHaveTheirHabits(t *testing.T) {
	env := map[string]string{}
	for _, tt := range []struct {
		program, line, want string // "" for an error
	}{
		{"berth", "apps:list", "apps:list"},
		{"dokku", "apps:list", "--as=dokku --app=blog --quiet --force apps:list"},
		{"sshcommand", "acl-add dokku ada", "ssh-keys:add --admin ada"},
		{"berth", "sshcommand acl-add dokku ada key.pub", "ssh-keys:add --admin ada key.pub"},
		{"sshcommand", "acl-remove dokku ada", "ssh-keys:remove ada"},
		{"sshcommand", "acl-remove-by-fingerprint berth SHA256:x", "ssh-keys:remove --fingerprint SHA256:x"},
		{"sshcommand", "list dokku", "ssh-keys:list"},
		{"sshcommand", "list dokku ada json", "ssh-keys:list ada --format=json"},
		{"sshcommand", "acl-add git ada", ""},
		{"sshcommand", "acl-add dokku", ""},
		{"sshcommand", "create dokku /usr/bin/dokku", ""},
		{"sshcommand", "", ""},
	} {
		if tt.program == "dokku" {
			env = map[string]string{"DOKKU_APP_NAME": "blog", "DOKKU_QUIET_OUTPUT": "1", "DOKKU_APPS_FORCE_DELETE": "1"}
		}
		got, err := calledAs(tt.program, strings.Fields(tt.line), func(key string) string { return env[key] })

		if strings.Join(got, " ") != tt.want || errors.Is(err, appliance.ErrInvalid) != (tt.want == "") || err != nil && appliance.HintOf(err) == "" {
			t.Errorf("%s %s = %q, %v, want %q", tt.program, tt.line, got, err, tt.want)
		}
		if err == nil {
			if _, rest, err := parseConfig(got, func(string) string { return "" }); err != nil || len(rest) != len(got) {
				t.Errorf("%s %s reaches the appliance as %q, %v", tt.program, tt.line, rest, err)
			}
		}
	}
}

func TestKeyIsReadFromTheFileThatIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ada.pub")
	if err := os.WriteFile(path, []byte("the key"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"ssh-keys:add", "ada", path}, {"--quiet", "ssh-keys:add", "--admin", "ada", path}, {"ssh-keys:add", "ada", path, "--admin"}} {
		rest, file, err := keyFile(args)
		if err != nil || file == nil || slices.Contains(rest, path) || !slices.Contains(rest, "ada") || len(rest) != len(args)-1 {
			t.Fatalf("%q = %q, %v, %v", args, rest, file, err)
		}
		if text, err := io.ReadAll(file); err != nil || string(text) != "the key" {
			t.Errorf("%q: %q, %v", args, text, err)
		}
		file.Close()
	}
	for _, args := range [][]string{{"ssh-keys:add", "ada"}, {"config:set", "ssh-keys:add", "ada", path}, {"ssh-keys:add"}, nil} {
		if rest, file, err := keyFile(args); err != nil || file != nil || !slices.Equal(rest, args) {
			t.Errorf("%q = %q, %v, %v, want it left alone", args, rest, file, err)
		}
	}
	for _, path := range []string{"/nonexistent", t.TempDir()} {
		if _, file, err := keyFile([]string{"ssh-keys:add", "ada", path}); err == nil || file != nil {
			t.Errorf("%s: %v, want an error", path, err)
		}
	}
}
