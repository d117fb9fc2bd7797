package builder_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
)

// wholeAppJSON has everything that app.json can say, in Heroku's and Dokku's forms.
const wholeAppJSON = `{
	// JSON with comments, and commas after the last of a list
	"name": "blog", "description": "A blog", "$schema": "x",
	"stack": "heroku-24",
	"buildpacks": [{"url": "heroku/nodejs"}, "https://example.test/pack.git#v1",],
	"env": {
		"TITLE": "hello",
		"SECRET_KEY": {"description": "signs cookies", "generator": "secret"},
		"DEBUG": {"required": false},
		"THEME": {"value": "dark", "sync": true, "required": null},
		"API_KEY": {},
	},
	"formation": {"web": {"quantity": 2, "size": "eco"}, "worker": {"quantity": 0}, "clock": {}},
	"healthchecks": {
		"web": [
			{"type": "startup", "name": "up", "path": "/up", "attempts": 7, "timeout": 1, "wait": 2, "initialDelay": 3,
			 "port": 8080, "content": "ready", "scheme": "HTTPS", "warn": true,
			 "httpHeaders": [{"name": "Accept", "value": "text/html"}]},
			{"type": "startup", "content": "hello"},
			{"type": "liveness", "listening": true},
		],
		"worker": [{"type": "startup", "command": ["./ready", "now"]}, {"uptime": 10}],
	},
	"cron": [{"command": "./clean", "schedule": "0 3 * * *", "concurrency_policy": "forbid"}],
	"scripts": {
		"dokku": {"predeploy": "touch /app/built", "postdeploy": "curl x"},
		"postdeploy": "./seed", "test": "npm test",
	},
	"addons": ["heroku-postgresql"], "image": "heroku/x",
}`

func TestAppJSONSaysHowAnAppWantsToRun(t *testing.T) {
	got, err := builder.ReadAppJSON(fstest.MapFS{"api/app.json": {Data: []byte("\ufeff" + wholeAppJSON)}}, "api/app.json")
	if err != nil {
		t.Fatal(err)
	}

	zero, two := 0, 2
	plain := appliance.Check{Attempts: 3, Timeout: 5 * time.Second, Wait: 5 * time.Second}
	check := func(change func(*appliance.Check)) appliance.Check {
		c := plain
		change(&c)
		return c
	}
	want := appliance.AppJSON{
		Stack:      "heroku-24",
		Buildpacks: []string{"heroku/nodejs", "https://example.test/pack.git#v1"},
		Env: map[string]appliance.EnvVar{
			"TITLE":      {Value: "hello", Required: true},
			"SECRET_KEY": {Generator: "secret", Required: true},
			"DEBUG":      {},
			"THEME":      {Value: "dark", Sync: true, Required: true},
			"API_KEY":    {Required: true},
		},
		Formation: map[string]appliance.Wanted{"web": {Quantity: &two}, "worker": {Quantity: &zero}, "clock": {}},
		Healthchecks: map[string][]appliance.Check{
			"web": {
				{
					Type: "startup", Name: "up", Path: "/up", Attempts: 7, Timeout: time.Second, Wait: 2 * time.Second, InitialDelay: 3 * time.Second,
					Port: 8080, Content: "ready", Scheme: "https", Warn: true, Headers: map[string]string{"Accept": "text/html"},
				},
				check(func(c *appliance.Check) { c.Type, c.Content, c.Path = "startup", "hello", "/" }),
				check(func(c *appliance.Check) { c.Type, c.Listening = "liveness", true }),
			},
			"worker": {
				check(func(c *appliance.Check) { c.Type, c.Command = "startup", []string{"./ready", "now"} }),
				check(func(c *appliance.Check) { c.Uptime = 10 * time.Second }),
			},
		},
		Cron:    []appliance.CronJob{{Command: "./clean", Schedule: "0 3 * * *", Concurrency: "forbid"}},
		Scripts: appliance.Scripts{Predeploy: "touch /app/built", Postdeploy: "curl x", FirstPostdeploy: "./seed"},
		Ignored: []string{
			"formation.web.size", "healthchecks.worker[1] (it has no type: startup is what decides about a deploy)", "scripts.test", "addons", "image",
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("app.json =\n%+v\nwant\n%+v", got, want)
	}
}

func TestSourceWithoutAnAppJSONHasNothingToSay(t *testing.T) {
	for _, name := range []string{"app.json", "api/app.json"} {
		got, err := builder.ReadAppJSON(fstest.MapFS{"other/app.json": {Data: []byte("{")}}, name)
		if err != nil || !reflect.DeepEqual(got, appliance.AppJSON{}) {
			t.Errorf("%q: %+v, %v, want nothing", name, got, err)
		}
	}
}

func TestAppJSONThatMakesNoSenseNamesTheLine(t *testing.T) {
	for text, want := range map[string]string{
		"":                                "app.json",
		"{":                               "line 1, column 2",
		"{\n\n\"env\" {}}":                "line 3, column 7",
		"[]":                              "line 1: it is a list",
		"{\n\"formation\": {\"web\": 2}}": "line 2: formation.web: it is a number",
		`{"formation": {"web": {"quantity": "2"}}}`: "formation.web.quantity: it is a string",
		`{"formation": {"web": {"quantity": 2.5}}}`: "formation.web.quantity",
		`{"formation": {"web": {"quantity": -1}}}`:  "formation.web.quantity",
		`{"formation": {"web": {"quantity": 51}}}`:  "formation.web.quantity",
		`{"formation": {"we b": {"quantity": 1}}}`:  `formation."we b"`,
		`{"env": []}`:                                             "env: it is a list",
		`{"env": {"A B": "x"}}`:                                   `invalid config key "A B"`,
		`{"env": {"A": 5}}`:                                       "env.A: it is a number",
		`{"env": {"A": {"required": "yes"}}}`:                     "env.A.required: it is a string",
		`{"env": {"A": {"generator": "echo 5"}}}`:                 "env.A.generator",
		`{"env": {"PORT": "http"}}`:                               "invalid value of PORT",
		`{"env": {"A": "1", "A": "2"}}`:                           "env.A",
		`{"env": {"A": "\u0000"}}`:                                "env.A",
		`{"buildpacks": {}}`:                                      "buildpacks: it is an object",
		`{"buildpacks": [{}]}`:                                    "buildpacks[0]",
		`{"stack": true}`:                                         "stack: it is true",
		`{"healthchecks": {"web": {}}}`:                           "healthchecks.web: it is an object",
		`{"healthchecks": {"web": [{"type": "start"}]}}`:          "healthchecks.web[0].type",
		`{"healthchecks": {"web": [{"command": "x"}]}}`:           "healthchecks.web[0].command: it is a string",
		`{"healthchecks": {"web": [{"command": []}]}}`:            "healthchecks.web[0].command",
		`{"healthchecks": {"web": [{"port": 0}]}}`:                "healthchecks.web[0].port",
		`{"healthchecks": {"web": [{"attempts": 0}]}}`:            "healthchecks.web[0].attempts",
		`{"healthchecks": {"web": [{"wait": 3601}]}}`:             "healthchecks.web[0].wait",
		`{"healthchecks": {"web": [{"path": "/", "uptime": 3}]}}`: "healthchecks.web[0]",
		"{\"healthchecks\": {\"web\": [{\"httpHeaders\": [{\"name\": \"A\\r\\nB\"}]}]}}":           "healthchecks.web[0].httpHeaders[0]",
		"{\"healthchecks\": {\"web\": [{\"httpHeaders\": [{\"name\":\"A\",\"value\":\"\\n\"}]}]}}": "healthchecks.web[0].httpHeaders[0]",
		`{"cron": [{"schedule": "* * * * *"}]}`:                                                    "cron[0]",
		`{"cron": [{"command": "x", "schedule": "* * * *"}]}`:                                      "cron[0]",
		`{"cron": [{"command": "x", "schedule": "61 * * * *"}]}`:                                   "cron[0]",
		`{"scripts": "x"}`:              "scripts: it is a string",
		`{"scripts": {"dokku": "x"}}`:   "scripts.dokku: it is a string",
		`{"scripts": {"postdeploy":1}}`: "scripts.postdeploy: it is a number",
		strings.Repeat("[", 200<<10):    "app.json",
		strings.Repeat(" ", 300<<10):    "more than 256 KB",
		`{"env": {"\u001b[31m": "x"}}`:  `invalid config key "\x1b[31m"`,
	} {
		_, err := builder.ReadAppJSON(fstest.MapFS{"app.json": {Data: []byte(text)}}, "app.json")
		if !errors.Is(err, appliance.ErrInvalid) || !strings.Contains(err.Error(), want) || appliance.HintOf(err) == "" {
			t.Errorf("%.80s\nerror = %v (%s), want %s and a hint", text, err, appliance.HintOf(err), want)
		}
		if err != nil && (strings.ContainsRune(err.Error(), 0x1b) || len(err.Error()) > 500) {
			t.Errorf("%.80s\nerror = %q, want nothing in it that moves a terminal", text, err)
		}
	}
}

func TestAppJSONHasToBeAFile(t *testing.T) {
	_, err := builder.ReadAppJSON(fstest.MapFS{"app.json/x": {}}, "app.json")
	if !errors.Is(err, appliance.ErrInvalid) || appliance.HintOf(err) == "" {
		t.Errorf("error = %v, want ErrInvalid and a hint", err)
	}
}

// A repository can fill the pusher's screen, but not through us.
func TestIgnoredKeysOfAppJSONAreShownAsTextAndNotForever(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"\u001b[2J": 1`)
	for i := range 1000 {
		b.WriteString(`, "` + strings.Repeat("k", i%90) + string(rune('A'+i%26)) + strings.Repeat("j", i/90) + `": 1`)
	}

	got, err := builder.ParseAppJSON([]byte(b.String() + "}"))

	list := strings.Join(got.Ignored, ", ")
	if err != nil || len(got.Ignored) != 21 || got.Ignored[0] != `"\x1b[2J"` || got.Ignored[20] != "…" || len(list) > 2000 {
		t.Errorf("ignored = %q, %v, want twenty and a sign that there are more", got.Ignored, err)
	}
}

func TestScheduleOfACronJob(t *testing.T) {
	for schedule, good := range map[string]bool{
		"0 3 * * *":                   true,
		"*/10 0-5,22 1 jan,3 mon-fri": true,
		"59 23 31 12 7":               true,
		"0-30/5 * * * SUN":            true,
		"@daily":                      true,
		"":                            false,
		"0 3 * *":                     false,
		"0 0 3 * * *":                 false,
		"60 * * * *":                  false,
		"* 24 * * *":                  false,
		"* * 0 * *":                   false,
		"* * * 13 *":                  false,
		"* * * * 8":                   false,
		"5-1 * * * *":                 false,
		"*/0 * * * *":                 false,
		"a * * * *":                   false,
		"1,,2 * * * *":                false,
		"* * * * *; rm":               false,
		"@reboot":                     false,
	} {
		_, err := builder.ParseAppJSON([]byte(`{"cron": [{"command": "x", "schedule": "` + schedule + `"}]}`))
		if good != (err == nil) {
			t.Errorf("schedule %q: error = %v, want one: %v", schedule, err, !good)
		}
	}
}
