package command_test

import (
	"testing"

	"github.com/berthhq/berth/appliance/command"
)

// What the manual says of a command that is gone, or that was mistyped, nobody
// is shown.
func TestManualIsOfCommandsThereAre(t *testing.T) {
	all := map[string]bool{}
	for _, c := range newWorld(t).All() {
		all[c.Name] = true
	}
	for name, e := range command.Manual() {
		if !all[name] {
			t.Errorf("the manual tells of %s, which is no command", name)
		}
		if e.Long == "" || e.Examples == 0 {
			t.Errorf("the manual says %q of %s, with %d examples", e.Long, name, e.Examples)
		}
	}
}
