package builder

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/anmitsu/go-shlex"

	"github.com/berthhq/berth/appliance"
)

// serviceKeys are the keys of a service that have a meaning here.
var serviceKeys = map[string]func(*composeReader, *composeService, any) error{
	"image":   (*composeReader).image,
	"build":   (*composeReader).build,
	"command": func(_ *composeReader, s *composeService, v any) (err error) { s.command, err = command(v); return err },
	"entrypoint": func(_ *composeReader, s *composeService, v any) (err error) {
		s.entrypoint, err = command(v)
		return err
	},
	"env_file":    (*composeReader).envFiles,
	"environment": (*composeReader).environment,
	"ports":       (*composeReader).ports,
	"expose":      (*composeReader).expose,
	"volumes":     (*composeReader).volumes,
	"depends_on":  (*composeReader).dependsOn,
	"healthcheck": (*composeReader).healthcheck,
	"user":        (*composeReader).user,
	"working_dir": (*composeReader).workingDir,
	"restart":     (*composeReader).restart,
	"extends":     func(*composeReader, *composeService, any) error { return errors.New("not supported: write it out") },

	// As every process of an app has it.
	"init":       nothingMore,
	"stdin_open": nothingMore,
	"tty":        nothingMore,
	"profiles":   nothingMore,
}

func nothingMore(*composeReader, *composeService, any) error { return nil }

func (r *composeReader) image(s *composeService, v any) error {
	name, _ := v.(string)
	_, err := appliance.ParseImage(name)
	s.image = name
	return err
}

func (r *composeReader) build(s *composeService, v any) (err error) {
	b := &composeBuild{context: ".", dockerfile: "Dockerfile"}
	s.build = b
	fields, ok := v.(map[string]any)
	if text, short := v.(string); short {
		fields, ok = map[string]any{"context": text}, true
	}
	if !ok {
		return errors.New("neither a directory nor a mapping")
	}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		text, isText := fields[key].(string)
		switch {
		case key == "context" && isText:
			if b.context = path.Clean(text); !filepath.IsLocal(b.context) {
				return fmt.Errorf("context %.80q is not a directory of the commit", text)
			}
		case key == "dockerfile" && isText:
			if b.dockerfile = path.Clean(text); !filepath.IsLocal(b.dockerfile) {
				return fmt.Errorf("dockerfile %.80q is not in the build's context", text)
			}
		case key == "target" && isText:
			if b.target = text; !stageName.MatchString(text) {
				return fmt.Errorf("target %.80q is no name of a stage", text)
			}
		case key == "args":
			if b.args, err = pairs(fields[key], r.config); err != nil {
				return err
			}
		case key == "context" || key == "dockerfile" || key == "target" || key == "dockerfile_inline" || key == "additional_contexts":
			return fmt.Errorf("%s is not supported so", key)
		case fields[key] != nil:
			r.ignore(s.name, "build."+key)
		}
	}
	return nil
}

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

// command reads a list, or a line as a shell would split it. An empty one
// clears the image's own.
func command(v any) ([]string, error) {
	if line, ok := v.(string); ok {
		list, err := shlex.Split(line, true)
		if err != nil {
			return nil, errors.New("a quote is not closed")
		}
		return append([]string{}, list...), nil
	}
	list, ok := words(v)
	if !ok {
		return nil, errors.New("a line, or a list of words")
	}
	return append([]string{}, list...), nil
}

// words reads a list of strings.
func words(v any) (list []string, ok bool) {
	all, ok := v.([]any)
	for _, one := range all {
		s, is := one.(string)
		list, ok = append(list, s), ok && is
	}
	return list, ok
}

// ports reads what the service listens on. Where that would be on the machine
// does not matter: the router has the machine's ports.
func (r *composeReader) ports(s *composeService, v any) error {
	list, ok := v.([]any)
	if !ok {
		return errors.New("a list")
	}
	for _, one := range list {
		target, protocol := "", "tcp"
		switch p := one.(type) {
		case string:
			target, protocol, _ = strings.Cut(p[strings.LastIndex(p, ":")+1:], "/")
		case map[string]any:
			target, _ = p["target"].(string)
			protocol, _ = p["protocol"].(string)
		}
		if protocol != "" && protocol != "tcp" {
			r.ignore(s.name, fmt.Sprintf("port %.20s/%.10s (the router speaks HTTP only)", target, protocol))
			continue
		}
		first, _, isRange := strings.Cut(target, "-")
		port, err := appliance.ParsePort(first)
		if err != nil {
			return fmt.Errorf("%.80q is no port", fmt.Sprint(one))
		}
		if isRange {
			r.ignore(s.name, fmt.Sprintf("ports %.20s (only %d of them)", target, port))
		}
		s.published = append(s.published, port)
	}
	return nil
}

func (r *composeReader) expose(s *composeService, v any) error {
	list, ok := words(v)
	if !ok {
		return errors.New("a list")
	}
	for _, one := range list {
		port, err := appliance.ParsePort(strings.TrimSuffix(one, "/tcp"))
		if err != nil {
			r.ignore(s.name, fmt.Sprintf("expose %.20s", one))
			continue
		}
		s.exposed = append(s.exposed, port)
	}
	return nil
}

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

// dependsOn reads which services to start first.
func (r *composeReader) dependsOn(s *composeService, v any) error {
	if on, ok := v.(map[string]any); ok {
		s.after = slices.Sorted(maps.Keys(on))
		return nil
	}
	list, ok := words(v)
	if !ok {
		return errors.New("a list of services")
	}
	s.after = list
	return nil
}

// restart: every process of an app is started again when it ends.
func (r *composeReader) restart(s *composeService, v any) error {
	if v == "no" || v == "false" {
		r.ignore(s.name, "restart: no (every process of an app is started again when it ends)")
	}
	return nil
}

var userName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,31})?$`)

func (r *composeReader) user(s *composeService, v any) error {
	name, _ := v.(string)
	if !userName.MatchString(name) {
		return errors.New("neither a name nor a number")
	}
	s.lines = append(s.lines, "USER "+name)
	return nil
}

func (r *composeReader) workingDir(s *composeService, v any) error {
	dir, _ := v.(string)
	if !path.IsAbs(dir) || strings.ContainsFunc(dir, func(c rune) bool { return c < ' ' || strings.ContainsRune(`$\"'`, c) }) {
		return errors.New("no absolute path")
	}
	s.lines = append(s.lines, "WORKDIR "+path.Clean(dir))
	return nil
}

// healthcheck becomes that of the image.
func (r *composeReader) healthcheck(s *composeService, v any) error {
	fields, ok := v.(map[string]any)
	if !ok {
		return errors.New("a mapping")
	}
	test, isList := words(fields["test"])
	if line, ok := fields["test"].(string); ok {
		test, isList = []string{"CMD-SHELL", line}, true
	}
	if fields["disable"] == "true" || len(test) > 0 && test[0] == "NONE" {
		s.lines = append(s.lines, "HEALTHCHECK NONE")
		return nil
	}
	if !isList || len(test) < 2 {
		r.ignore(s.name, "healthcheck (it has no test)")
		return nil
	}
	run := test[1:]
	if test[0] == "CMD-SHELL" {
		run = []string{"/bin/sh", "-c", strings.Join(run, " ")}
	}
	line := "HEALTHCHECK"
	for _, key := range []string{"interval", "timeout", "start_period"} {
		text, ok := fields[key].(string)
		if !ok {
			continue
		}
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 {
			return fmt.Errorf("%s %.40q is no time, as in 10s", key, text)
		}
		line += fmt.Sprintf(" --%s=%s", strings.ReplaceAll(key, "_", "-"), d)
	}
	if text, ok := fields["retries"].(string); ok {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return fmt.Errorf("retries %.40q is no number", text)
		}
		line += fmt.Sprintf(" --retries=%d", n)
	}
	argv, err := json.Marshal(run)
	if err != nil {
		return err
	}
	s.lines = append(s.lines, line+" CMD "+string(argv))
	return nil
}
