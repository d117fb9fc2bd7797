package command

import "strings"

// FullName is fullName.
var FullName = fullName

// Takes tells whether the command takes a flag, as "--force" or "-t".
func (c Command) Takes(flag string) bool {
	if name, ok := strings.CutPrefix(flag, "--"); ok {
		return c.flags().Lookup(name) != nil
	}
	return c.flags().ShorthandLookup(strings.TrimPrefix(flag, "-")) != nil
}

// Manual returns for each command in the manual what it says, and how many
// examples it has.
func Manual() map[string]struct {
	Long     string
	Examples int
} {
	all := map[string]struct {
		Long     string
		Examples int
	}{}
	for name, e := range manual() {
		all[name] = struct {
			Long     string
			Examples int
		}{e.long, len(e.examples)}
	}
	return all
}

// Words returns what the command takes args for: its arguments, with the app
// first if it is about one.
func (c Command) Words(args []string) ([]string, error) {
	call, err := c.parse(&Session{}, args)
	if err != nil {
		return nil, err
	}
	return call.Args, nil
}
