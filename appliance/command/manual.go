package command

import (
	"embed"
	"io/fs"
	"slices"
	"strings"
)

// The manual says of each command what it does, with examples. It is apart
// from the commands, whose tables stay tables. Each file is of a group.
//
//go:embed manual/*.txt
var manualFiles embed.FS

// addManual gives the commands that say nothing about themselves what the
// manual says.
func (s *Set) addManual() {
	for name, entry := range manual() {
		c, ok := s.commands[name]
		if !ok {
			continue // of a part of the appliance that this set is without
		}
		if c.Long == "" {
			c.Long = entry.long
		}
		if c.Examples == nil {
			c.Examples = entry.examples
		}
		s.commands[name] = c
	}
}

// An entry is what the manual has on a command.
type entry struct {
	long     string
	examples []string
}

// manual reads the manual: a line with the name of a command after "# ",
// paragraphs, and examples, which are indented. Several names, with a space
// between, have one entry together, and of its examples each has its own.
func manual() map[string]entry {
	entries := map[string]entry{}
	files, _ := fs.Glob(manualFiles, "manual/*.txt") // the pattern is right
	for _, file := range files {
		text, _ := manualFiles.ReadFile(file) // it is in the binary
		for _, part := range strings.Split("\n"+string(text), "\n# ")[1:] {
			names, body, _ := strings.Cut(part, "\n")
			var e entry
			var prose []string
			for line := range strings.Lines(body) {
				if example, ok := strings.CutPrefix(line, "    "); ok {
					e.examples = append(e.examples, strings.TrimSpace(example))
					continue
				}
				prose = append(prose, line)
			}
			e.long = strings.TrimSpace(strings.Join(prose, ""))
			for _, name := range strings.Fields(names) {
				entries[name] = entry{e.long, slices.DeleteFunc(slices.Clone(e.examples), func(example string) bool {
					return strings.Fields(example)[0] != name
				})}
			}
		}
	}
	return entries
}
