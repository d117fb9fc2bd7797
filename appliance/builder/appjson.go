package builder

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/berthhq/berth/appliance"
)

// maxAppJSON is far more than an app.json needs. What is nested deeper than
// its parser likes does not fit.
const maxAppJSON = 256 << 10

// AppJSONFile is where the source has its app.json, unless somebody has said
// otherwise.
const AppJSONFile = "app.json"

// ReadAppJSON reads the app.json that the source has by this name. Without one
// it returns the zero AppJSON. As in Dokku, there may be comments in it, and
// commas after the last of a list.
func ReadAppJSON(source fs.FS, name string) (appliance.AppJSON, error) {
	text, err := readFile(source, path.Clean(name), maxAppJSON)
	if text == nil || err != nil {
		return appliance.AppJSON{}, err
	}
	return parseAppJSON(name, text)
}

// ParseAppJSON reads an app.json.
func ParseAppJSON(text []byte) (appliance.AppJSON, error) { return parseAppJSON(AppJSONFile, text) }

func parseAppJSON(name string, text []byte) (appliance.AppJSON, error) {
	doc, root, err := parseDocument(name, text)
	if err != nil {
		return appliance.AppJSON{}, err
	}
	var a appliance.AppJSON
	err = root.object(fields{
		"buildpacks":   func(v value) error { return readBuildpacks(v, &a.Buildpacks) },
		"stack":        func(v value) error { return v.string(&a.Stack) },
		"env":          func(v value) error { return readEnv(v, &a.Env) },
		"formation":    func(v value) error { return readFormation(v, &a.Formation) },
		"healthchecks": func(v value) error { return readHealthchecks(v, &a.Healthchecks) },
		"cron":         func(v value) error { return readCron(v, &a.Cron) },
		"scripts":      func(v value) error { return readScripts(v, &a.Scripts) },
		// What says nothing about how to run the app is not worth a word.
		"name": nothing, "description": nothing, "keywords": nothing, "repository": nothing, "website": nothing,
		"logo": nothing, "success_url": nothing, "$schema": nothing,
	})
	a.Ignored = doc.ignored
	return a, err
}

func nothing(value) error { return nil }

// readFile reads an ordinary file of at most max bytes. Without one it
// returns nil.
func readFile(source fs.FS, name string, max int64) ([]byte, error) {
	f, err := source.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	hint := "make " + name + " an ordinary file of the repository"
	if err != nil {
		return nil, appliance.WithHint(fmt.Errorf("read %s: %w", name, err), hint)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, appliance.WithHint(fmt.Errorf("%w %s: not an ordinary file", appliance.ErrInvalid, name), hint)
	}
	text, err := io.ReadAll(io.LimitReader(f, max+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if int64(len(text)) > max {
		return nil, appliance.WithHint(fmt.Errorf("%w %s: more than %d KB", appliance.ErrInvalid, name, max>>10),
			"it is text that a person has written: see what has got into it")
	}
	return append([]byte{}, text...), nil
}

func readBuildpacks(v value, list *[]string) error {
	return v.array(func(v value) error {
		var url string
		err := v.string(&url)
		if v.isObject() {
			err = v.object(fields{"url": func(v value) error { return v.string(&url) }})
		}
		if err == nil && (url == "" || strings.ContainsAny(url, "\x00\n\r")) {
			err = v.wrong("a buildpack has a url, as in {\"url\": \"heroku/nodejs\"}")
		}
		*list = append(*list, url)
		return err
	})
}

func readEnv(v value, env *map[string]appliance.EnvVar) error {
	*env = map[string]appliance.EnvVar{}
	return v.entries(func(key string, v value) error {
		e := appliance.EnvVar{Required: true}
		err := v.string(&e.Value)
		if v.isObject() {
			err = v.object(fields{
				"description": nothing,
				"value":       func(v value) error { return v.string(&e.Value) },
				"required":    func(v value) error { return v.bool(&e.Required) },
				"generator":   func(v value) error { return v.oneOf(&e.Generator, "secret") },
				"sync":        func(v value) error { return v.bool(&e.Sync) },
			})
		}
		if err != nil {
			return err
		}
		if _, err := appliance.ParseConfigKey(key); err != nil {
			return fmt.Errorf("%s: %w", v.place(), err)
		}
		if _, _, err := appliance.ParseConfigPair(key + "=" + e.Value); err != nil && e.Value != "" {
			return fmt.Errorf("%s: %w", v.place(), err)
		}
		(*env)[key] = e
		return nil
	})
}

func readFormation(v value, formation *map[string]appliance.Wanted) error {
	*formation = map[string]appliance.Wanted{}
	return v.entries(func(typ string, v value) error {
		if err := v.processType(typ); err != nil {
			return err
		}
		var w appliance.Wanted
		err := v.object(fields{
			"quantity": func(v value) error {
				w.Quantity = new(int)
				return v.number(w.Quantity, 0, appliance.MaxProcesses)
			},
			"overlap": func(v value) error {
				w.Overlap = new(bool)
				return v.bool(w.Overlap)
			},
		})
		(*formation)[typ] = w
		return err
	})
}

func readHealthchecks(v value, checks *map[string][]appliance.Check) error {
	*checks = map[string][]appliance.Check{}
	return v.entries(func(typ string, v value) error {
		if err := v.processType(typ); err != nil {
			return err
		}
		return v.array(func(v value) error {
			check, err := readCheck(v)
			(*checks)[typ] = append((*checks)[typ], check)
			return err
		})
	})
}

// As Dokku has them.
const (
	defaultAttempts = 3
	defaultTimeout  = 5 * time.Second
	defaultWait     = 5 * time.Second
)

func readCheck(v value) (appliance.Check, error) {
	c := appliance.Check{Attempts: defaultAttempts, Timeout: defaultTimeout, Wait: defaultWait}
	err := v.object(fields{
		"name":         func(v value) error { return v.string(&c.Name) },
		"description":  nothing,
		"type":         func(v value) error { return v.oneOf(&c.Type, appliance.StartupCheck, "readiness", "liveness") },
		"path":         func(v value) error { return v.string(&c.Path) },
		"scheme":       func(v value) error { return v.oneOf(&c.Scheme, "http", "https", "HTTP", "HTTPS") },
		"port":         func(v value) error { return v.number(&c.Port, 1, 65535) },
		"httpHeaders":  func(v value) error { return readHeaders(v, &c.Headers) },
		"content":      func(v value) error { return v.string(&c.Content) },
		"command":      func(v value) error { return v.strings(&c.Command) },
		"listening":    func(v value) error { return v.bool(&c.Listening) },
		"uptime":       func(v value) error { return v.seconds(&c.Uptime) },
		"attempts":     func(v value) error { return v.number(&c.Attempts, 1, 1000) },
		"timeout":      func(v value) error { return v.seconds(&c.Timeout) },
		"wait":         func(v value) error { return v.seconds(&c.Wait) },
		"initialDelay": func(v value) error { return v.seconds(&c.InitialDelay) },
		"warn":         func(v value) error { return v.bool(&c.Warn) },
	})
	if err != nil {
		return c, err
	}
	c.Scheme = strings.ToLower(c.Scheme)
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.Type == "" {
		v.doc.ignore(v.path + " (it has no type: startup is what decides about a deploy)")
	}
	var kinds []string
	for kind, chosen := range map[string]bool{"command": c.Command != nil, "path": c.Path != "", "listening": c.Listening, "uptime": c.Uptime != 0} {
		if chosen {
			kinds = append(kinds, kind)
		}
	}
	if slices.Sort(kinds); len(kinds) > 1 {
		return c, v.wrong("a check has only one of " + strings.Join(kinds, ", ") + ": make one check of each")
	}
	if len(kinds) == 0 && (c.Content != "" || c.Headers != nil || c.Scheme != "") {
		c.Path = "/"
	}
	return c, nil
}

func readHeaders(v value, headers *map[string]string) error {
	*headers = map[string]string{}
	return v.array(func(v value) error {
		var name, content string
		err := v.object(fields{
			"name":  func(v value) error { return v.string(&name) },
			"value": func(v value) error { return v.string(&content) },
		})
		if err == nil && (!headerName.MatchString(name) || strings.ContainsAny(content, "\x00\n\r")) {
			err = v.wrong(`a header has a name and a value, as in {"name": "Accept", "value": "text/html"}`)
		}
		(*headers)[name] = content
		return err
	})
}

func readCron(v value, jobs *[]appliance.CronJob) error {
	return v.array(func(v value) error {
		var job appliance.CronJob
		err := v.object(fields{
			"command":            func(v value) error { return v.string(&job.Command) },
			"schedule":           func(v value) error { return v.string(&job.Schedule) },
			"concurrency_policy": func(v value) error { return v.oneOf(&job.Concurrency, "allow", "forbid", "replace") },
			"maintenance":        func(v value) error { return v.bool(&job.Suspended) },
			"timezone":           func(v value) error { return readPlace(v, &job.Timezone) },
		})
		if err == nil && strings.TrimSpace(job.Command) == "" {
			err = v.wrong(`a cron job has a command, as in {"command": "./clean", "schedule": "0 3 * * *"}`)
		}
		if err == nil {
			if _, err = appliance.ParseSchedule(job.Schedule); err != nil {
				err = v.wrong(err.Error())
			}
		}
		*jobs = append(*jobs, job)
		return err
	})
}

func readPlace(v value, name *string) error {
	if err := v.string(name); err != nil {
		return err
	}
	if _, err := time.LoadLocation(*name); err != nil || *name == "Local" || strings.HasPrefix(*name, "/") {
		return v.wrong(`a time zone is a name of the tz database, as in "Europe/Berlin"`)
	}
	return nil
}

func readScripts(v value, s *appliance.Scripts) error {
	return v.object(fields{
		"dokku": func(v value) error {
			return v.object(fields{
				"predeploy":  func(v value) error { return v.string(&s.Predeploy) },
				"postdeploy": func(v value) error { return v.string(&s.Postdeploy) },
			})
		},
		"postdeploy": func(v value) error {
			if v.isObject() { // Heroku's longer form
				return v.object(fields{"command": func(v value) error { return v.string(&s.FirstPostdeploy) }})
			}
			return v.string(&s.FirstPostdeploy)
		},
	})
}
