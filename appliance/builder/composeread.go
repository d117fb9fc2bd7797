package builder

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/berthhq/berth/appliance"
)

// A composeReader reads one compose file.
type composeReader struct {
	*composeFile
	app    appliance.AppName
	source fs.FS
	config map[string]string
	unset  []string // variables that it uses and nobody has set
}

// readCompose reads the source's compose file. Variables in it are filled in
// from the app's config and, where that has none, from the .env beside it.
func readCompose(source fs.FS, req Request) (*composeReader, error) {
	name, found := findCompose(source)
	if !found {
		return nil, appliance.WithHint(fmt.Errorf("there is no %s in the commit", name),
			"commit one, or let the source decide how to build: builder:set "+string(req.App)+" selected")
	}
	r := &composeReader{composeFile: &composeFile{name: name}, app: req.App, source: source, config: req.Env}
	if err := r.read(); err != nil {
		hint := appliance.HintOf(err)
		if hint == "" {
			hint = "correct " + name + "; docker compose config checks it on your own machine"
		}
		return nil, appliance.WithHint(fmt.Errorf("%w %s: %w", appliance.ErrInvalid, name, err), hint)
	}
	return r, nil
}

func (r *composeReader) read() error {
	text, err := readFile(r.source, r.name, maxCompose)
	if err != nil {
		return err
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if document.Kind == 0 {
		return errors.New("it is empty")
	}
	dotenv, err := r.envFile(".env")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	tree := composeTree{app: r.app, unset: map[string]bool{}, lookup: func(name string) (string, bool) {
		if v, ok := r.config[name]; ok {
			return v, true
		}
		v, ok := dotenv[name]
		return v, ok
	}}
	whole, err := tree.read(&document)
	if err != nil {
		return err
	}
	r.unset = slices.Sorted(maps.Keys(tree.unset))
	top, ok := whole.(map[string]any)
	if !ok {
		return errors.New("it is no mapping")
	}
	services, ok := top["services"].(map[string]any)
	if !ok || len(services) == 0 {
		return errors.New("it has no services")
	}
	for _, key := range slices.Sorted(maps.Keys(top)) {
		switch {
		case key == "include":
			return errors.New("include is not supported: put it all into one file")
		case key == "services" || key == "version" || key == "name" || key == "volumes" || strings.HasPrefix(key, "x-"):
		default:
			r.ignore("", key)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(services)) {
		if err := r.readService(name, services[name]); err != nil {
			return fmt.Errorf("services.%.60s%w", name, err)
		}
	}
	if err := r.chooseWeb(); err != nil {
		return err
	}
	for _, s := range r.services {
		if s.name != r.web && len(s.published) > 0 {
			r.ignore(s.name, fmt.Sprintf("ports (only web is reached from outside; other services reach it at %s:%d)", s.name, s.published[0]))
		}
	}
	return nil
}

var serviceName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$`)

// readService adds a service. Its errors begin with the key that they are
// about, as in ".ports: …".
func (r *composeReader) readService(name string, v any) error {
	fields, ok := v.(map[string]any)
	switch {
	case !ok:
		return errors.New(": a service is a mapping")
	case !serviceName.MatchString(name):
		return errors.New(": the name of a process type has letters, digits, - and _, at most 63")
	case name == "release":
		return errors.New(": in a Procfile, release is what runs before a deploy: give the service another name")
	case len(r.services) == maxServices:
		return fmt.Errorf(": more than %d services", maxServices)
	}
	if profiles, _ := words(fields["profiles"]); len(profiles) > 0 {
		r.ignore(name, "the whole service: it has profiles, so Compose does not start it by itself either")
		return nil
	}
	s := &composeService{name: name, env: map[string]string{}}
	// env_file before environment, which overrides it.
	keys := slices.Sorted(maps.Keys(fields))
	slices.SortStableFunc(keys, func(a, b string) int { return rank(a) - rank(b) })
	for _, key := range keys {
		if fields[key] == nil || strings.HasPrefix(key, "x-") {
			continue
		}
		read, known := serviceKeys[key]
		if !known {
			r.ignore(name, why(key))
			continue
		}
		if err := read(r, s, fields[key]); err != nil {
			return fmt.Errorf(".%s: %w", key, err)
		}
	}
	if s.image == "" && s.build == nil {
		return errors.New(": it has neither build nor image")
	}
	if s.build != nil && s.image != "" {
		s.image = "" // only a name for what is built
	}
	r.services = append(r.services, *s)
	return nil
}

func rank(key string) int {
	if key == "env_file" {
		return 0
	}
	return 1
}

// chooseWeb finds out which service gets the app's traffic: the one called web,
// else the only one that has ports, else the only one of those that is built
// here: databases have ports too, for whoever develops.
func (r *composeReader) chooseWeb() error {
	var published, built []string
	for _, s := range r.services {
		if s.name == "web" {
			r.web = s.name
			return nil
		}
		if len(s.published) > 0 {
			published = append(published, s.name)
			if s.build != nil {
				built = append(built, s.name)
			}
		}
	}
	switch {
	case len(published) == 1:
		r.web = published[0]
		return nil
	case len(built) == 1:
		r.web = built[0]
		return nil
	case len(published) == 0:
		return appliance.WithHint(errors.New("no service is called web and none has ports, so nothing would answer"),
			"give the service that answers requests its port, as in ports: [\"8000\"], or call it web")
	}
	return appliance.WithHint(fmt.Errorf("%s have ports, and none is called web", strings.Join(published, " and ")),
		"call the one that answers requests web; the others are reached by it under their names, and need no ports")
}
