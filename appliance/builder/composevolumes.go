package builder

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/berthhq/berth/appliance"
)

var volumeName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

// volumes reads which named volumes a service has where. The directories of
// the machine are not the app's.
func (r *composeReader) volumes(s *composeService, v any) error {
	list, ok := v.([]any)
	if !ok {
		return errors.New("a list")
	}
	for _, one := range list {
		var source, target, mode, kind string
		switch m := one.(type) {
		case string:
			parts := strings.Split(m, ":")
			if len(parts) == 1 {
				target = m
				break
			}
			source, target = parts[0], parts[1]
			mode = strings.Join(parts[2:], ":")
		case map[string]any:
			source, _ = m["source"].(string)
			target, _ = m["target"].(string)
			kind, _ = m["type"].(string)
			if m["read_only"] == "true" {
				mode = "ro"
			}
		}
		shown := fmt.Sprintf("volume %.80s", strings.Trim(source+":"+target, ":"))
		switch {
		case kind == "bind" || strings.ContainsAny(source, "/~") || source == ".":
			r.ignore(s.name, shown+" (the machine's directories are not an app's; COPY what the image needs)")
		case kind != "" && kind != "volume":
			r.ignore(s.name, shown+" ("+kind+")")
		case source == "":
			r.ignore(s.name, shown+" (it has no name, so nothing in it would be kept)")
		case !volumeName.MatchString(source) || !path.IsAbs(target) || path.Clean(target) == "/":
			return fmt.Errorf("%.80q is no volume and path, as in data:/var/data", fmt.Sprint(one))
		default:
			if mode != "" && mode != "rw" && mode != "z" && mode != "Z" {
				r.ignore(s.name, fmt.Sprintf("%s: %.20s", shown, mode))
			}
			s.mounts = append(s.mounts, appliance.Mount{Volume: source, Path: path.Clean(target)})
		}
	}
	return nil
}
