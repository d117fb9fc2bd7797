package builder

import (
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"github.com/berthhq/berth/appliance"
)

var processType = regexp.MustCompile(`^[A-Za-z0-9_-]{1,63}$`)

// ParseProcfile reads a Procfile: lines of "type: command", with comments and
// blank lines between them, and line ends of either kind.
func ParseProcfile(text []byte) (appliance.Procfile, error) {
	p := appliance.Procfile{}
	number := 0
	for line := range strings.Lines(strings.TrimPrefix(string(text), "\uFEFF")) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, command, ok := strings.Cut(line, ":")
		name, command = strings.TrimSpace(name), strings.TrimSpace(command)
		switch {
		case !ok || !processType.MatchString(name) || strings.ContainsRune(command, 0):
			return nil, badProcfile(number, line, "a line is a process type, a colon and a command, as in web: node server.js")
		case command == "":
			return nil, badProcfile(number, line, "say what starts it, as in "+name+": node server.js")
		case p[name] != "":
			return nil, badProcfile(number, line, "there are two lines for "+name+": remove one")
		}
		p[name] = command
	}
	return p, nil
}

func badProcfile(number int, line, advice string) error {
	if r := []rune(line); len(r) > 80 {
		line = string(r[:80]) + "…"
	}
	return appliance.WithHint(fmt.Errorf("%w Procfile, line %d: %q", appliance.ErrInvalid, number, line), advice)
}

// maxProcfile is far more than a Procfile needs.
const maxProcfile = 1 << 20

// readProcfile reads the Procfile in the root of the source. Without one it
// returns nil.
func readProcfile(source fs.FS) (appliance.Procfile, error) {
	text, err := readFile(source, "Procfile", maxProcfile)
	if text == nil || err != nil {
		return nil, err
	}
	return ParseProcfile(text)
}
