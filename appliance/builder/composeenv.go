package builder

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"strings"

	"github.com/berthhq/berth/appliance"
)

// pairs reads a mapping, or a list of NAME=value. A name alone takes its value
// from others; where there is none, it is left out, as Compose does.
func pairs(v any, others map[string]string) (map[string]string, error) {
	all := map[string]any{}
	switch v := v.(type) {
	case map[string]any:
		all = v
	case []any:
		for _, one := range v {
			text, ok := one.(string)
			if !ok {
				return nil, errors.New("a list of NAME=value")
			}
			name, value, has := strings.Cut(text, "=")
			all[name] = value
			if !has {
				all[name] = nil
			}
		}
	default:
		return nil, errors.New("a mapping, or a list of NAME=value")
	}
	found := map[string]string{}
	for name, value := range all {
		switch value := value.(type) {
		case string:
			if _, _, err := appliance.ParseConfigPair(name + "=" + value); err != nil {
				return nil, err
			}
			found[name] = value
		case nil:
			if set, ok := others[name]; ok {
				found[name] = set
			}
		default:
			return nil, fmt.Errorf("%.60s has no plain value", name)
		}
	}
	return found, nil
}

// environment is what the service has besides the app's config, which goes
// before it.
func (r *composeReader) environment(s *composeService, v any) error {
	env, err := pairs(v, nil) // a name alone is in the config, which every process has
	maps.Copy(s.env, env)
	return err
}

// envFiles reads files of the source. One that is not there is most often a
// .env that git was told to leave out.
func (r *composeReader) envFiles(s *composeService, v any) error {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	for _, one := range list {
		if long, ok := one.(map[string]any); ok {
			one = long["path"]
		}
		name, ok := one.(string)
		if !ok || !filepath.IsLocal(name) {
			return fmt.Errorf("%.80q is no file of the commit", fmt.Sprint(one))
		}
		env, err := r.envFile(path.Clean(name))
		if errors.Is(err, fs.ErrNotExist) {
			r.ignore(s.name, fmt.Sprintf("env_file %s (it is not in the commit: config:set what it holds)", name))
			continue
		}
		if err != nil {
			return err
		}
		maps.Copy(s.env, env)
	}
	return nil
}

// envFile reads a file of NAME=value lines. Errors do not quote it: it holds
// secrets.
func (r *composeReader) envFile(name string) (map[string]string, error) {
	if _, err := fs.Stat(r.source, name); err != nil {
		return nil, err
	}
	text, err := readFile(r.source, name, maxCompose)
	if err != nil {
		return nil, err
	}
	env, number := map[string]string{}, 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimPrefix(strings.TrimSpace(line), "export ")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, value, has := strings.Cut(line, "=")
		key, value = strings.TrimSpace(key), unquote(strings.TrimSpace(value))
		if !has {
			continue // the name of a config value, which the service has anyway
		}
		if _, _, err := appliance.ParseConfigPair(key + "=" + value); err != nil {
			return nil, fmt.Errorf("%s, line %d: not NAME=value", name, number)
		}
		env[key] = value
	}
	return env, nil
}

func unquote(s string) string {
	for _, quote := range []string{`"`, `'`} {
		if rest, ok := strings.CutPrefix(s, quote); ok {
			if inside, _, ok := strings.Cut(rest, quote); ok {
				return inside
			}
		}
	}
	s, _, _ = strings.Cut(s, " #")
	return strings.TrimSpace(s)
}
