package command_test

import (
	"encoding/base64"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/command"
)

// What no process could be given is refused as a whole, however it comes.
func TestValuesThatNoProcessCanHaveAreRefused(t *testing.T) {
	w := newWorld(t)
	w.ok("config:set", "blog", "KEPT=as it was")
	w.deploy("blog", "")
	before, err := w.Store.Config(t.Context(), "blog")
	w.must(err)
	big, nul := strings.Repeat("hunter2.", 128<<10), "hunter2\x00hunter2"
	encoded := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

	for name, tt := range map[string]struct {
		stdin string
		line  []string
		says  string
	}{
		"1 MB on the command line":      {"", []string{"config:set", "blog", "KEPT=changed", "NEW=1", "BIG=" + big}, "value of BIG: 1048576 bytes, of at most 122880"},
		"1 MB on stdin":                 {big, []string{"config:set", "blog", "BIG"}, "value of BIG"},
		"1 MB in base64":                {"", []string{"config:set", "blog", "--encoded", "KEPT=" + encoded("x"), "BIG=" + encoded(big)}, "value of BIG: 1048576 bytes"},
		"1 MB of a file":                {"KEPT=changed\nBIG=" + big + "\n", []string{"config:import", "blog"}, "value of BIG: 1048576 bytes"},
		"1 MB of JSON, in place of all": {`{"NEW":"1","BIG":"` + big + `"}`, []string{"config:import", "blog", "--replace", "--format", "json"}, "value of BIG: 1048576 bytes"},
		"1 MB for all apps":             {"", []string{"config:set", "--global", "BIG=" + big}, "value of BIG"},
		"a NUL on the command line":     {"", []string{"config:set", "blog", "KEPT=changed", "NUL=" + nul}, "value of NUL: it has a NUL byte"},
		"a NUL on stdin":                {nul, []string{"config:set", "blog", "NUL"}, "value of NUL: it has a NUL byte"},
		"a NUL in base64":               {"", []string{"config:set", "blog", "--encoded", "NUL=" + encoded(nul)}, "value of NUL: it has a NUL byte"},
		"a NUL of a file":               {"KEPT=changed\nNUL=" + nul + "\n", []string{"config:import", "blog"}, "value of NUL: it has a NUL byte"},
		"a NUL of JSON":                 {`{"NUL":"hunter2\u0000"}`, []string{"config:import", "blog", "--format", "json"}, "value of NUL: it has a NUL byte"},
		"a NUL in a key":                {"", []string{"config:set", "blog", "N\x00UL=hunter2"}, "config key"},
		"without a restart, 1 MB":       {"", []string{"config:set", "--no-restart", "blog", "KEPT=changed", "BIG=" + big}, "value of BIG"},
		"1 MB of a key":                 {"", []string{"config:set", "blog", big + "=x"}, "config key"},
	} {
		r := w.runWith(tt.stdin, ada, tt.line...)

		if !errors.Is(r.err, appliance.ErrInvalid) || command.ExitStatus(r.err) != command.ExitFailed || !strings.Contains(r.err.Error(), tt.says) {
			t.Errorf("%s: %.200v (exit %d), want it to say %q, and 1", name, r.err, command.ExitStatus(r.err), tt.says)
		}
		e := w.last()
		if text := r.err.Error() + r.stdout + r.stderr + e.Detail + e.Error; strings.Contains(text, "hunter2") || len(text) > 3000 {
			t.Errorf("%s: what was typed is told: %.300q", name, text)
		}
		after, err := w.Store.Config(t.Context(), "blog")
		w.must(err)
		global, err := w.Store.Config(t.Context(), "")
		w.must(err)
		if app, err := w.Store.App(t.Context(), "blog"); err != nil || !maps.Equal(after, before) || len(global) > 0 || app.LiveRelease != 1 {
			t.Errorf("%s: the config has %d keys (%d for all), release v%d, %v; want nothing done", name, len(after), len(global), app.LiveRelease, err)
		}
	}
}
