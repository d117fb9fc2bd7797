package builder_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
	"github.com/berthhq/berth/appliance/enginetest"
	"github.com/berthhq/berth/appliance/progress"
)

// compose builds source with a compose file on a fake engine that has the
// image redis:7.
func compose(t *testing.T, files, env map[string]string) (builder.Result, *enginetest.Fake, string, error) {
	t.Helper()
	engine := new(enginetest.Fake)
	t.Cleanup(engine.Close)
	engine.AddImage("redis:7", appliance.ImageInfo{Ports: []int{6379}, Entrypoint: []string{"entry.sh"}, Cmd: []string{"redis-server"}})
	var out strings.Builder
	p := progress.New(&out)
	result, err := builder.Compose{}.Build(t.Context(), engine, builder.Request{
		App: "blog", Tag: "blog:1", Source: source(t, files), Env: env, Out: p, Step: p.Step,
	})
	return result, engine, out.String(), err
}

func TestComposeServicesBecomeProcessTypes(t *testing.T) {
	r, engine, out, err := compose(t, map[string]string{
		"app/Dockerfile": "FROM scratch\nENTRYPOINT [\"/app\"]\nCMD [\"serve\"]\nEXPOSE 9000\n",
		".env":           "TAG=7\n",
		"db.env":         "export MODE='from file'\nSIZE=1\n# A=B\n",
		"compose.yaml": `
name: example
x-env: &env {LANG: C}
services:
  front:
    build: ./app
    ports: ["127.0.0.1:80:8000", {target: 9229}]
    environment:
      <<: *env
      GREETING: "hello ${NAME:-nobody}"
      VERSION: 1.10
      TOKEN:
    depends_on: {cache: {condition: service_started}, gone: {}}
    restart: always
  worker:
    build: {context: app}
    command: work "all day" $$HOME
  cache:
    image: redis:${TAG}
    command: ["redis-server", "--requirepass", "$PASSWORD"]
    env_file: [db.env]
    environment: [SIZE=2, TOKEN]
    volumes: ["data:/data", {type: volume, source: more, target: /more/}]
    expose: [7000]
volumes: {data: , more: }
`}, map[string]string{"NAME": "ada", "PASSWORD": "sEcReT", "TOKEN": "x"})
	if err != nil {
		t.Fatalf("%v\n%s", err, appliance.HintOf(err))
	}

	want := builder.Result{
		Image: "blog:1", Port: 8000,
		Procfile: appliance.Procfile{"web": "", "worker": "", "cache": ""},
		Services: map[string]appliance.Service{
			"web": {Image: "blog:1", Port: 8000, Aliases: []string{"front"}, After: []string{"cache"},
				Env: map[string]string{"LANG": "C", "GREETING": "hello ada", "VERSION": "1.10"}},
			"worker": {Image: "blog:1", Port: 9000, Aliases: []string{"worker"}, Env: map[string]string{}, Command: []string{"/app", "work", "all day", "$HOME"}},
			"cache": {Image: "blog:1-cache", Port: 7000, Aliases: []string{"cache"}, Env: map[string]string{"MODE": "from file", "SIZE": "2"},
				Command: []string{"entry.sh", "redis-server", "--requirepass", "sEcReT"},
				Mounts:  []appliance.Mount{{Volume: "data", Path: "/data"}, {Volume: "more", Path: "/more"}}},
		},
	}
	if !reflect.DeepEqual(r, want) {
		t.Errorf("result =\n%+v, want\n%+v", r, want)
	}
	// What two services share is built once.
	if built := engine.Built(); len(built) != 2 {
		t.Errorf("built %+v, want 2", built)
	}
	for _, line := range []string{
		"       front: built from app/Dockerfile, gets the traffic as process type web\n",
		"       cache: redis:7\n",
		"-----> Building service front\n",
	} {
		if !strings.Contains(out, line) {
			t.Errorf("want %q in\n%s", line, out)
		}
	}
	if strings.Contains(out, "ignored") || strings.Contains(out, "sEcReT") {
		t.Errorf("nothing was to be ignored, and no value printed:\n%s", out)
	}
}

// A command may hold config values, and what an image holds is everybody's who
// has the image.
func TestComposeKeepsConfigOutOfImages(t *testing.T) {
	_, engine, _, err := compose(t, map[string]string{"compose.yaml": `
services:
  web:
    image: redis:7
    ports: [6379]
    command: redis-server --requirepass ${PASSWORD}
    environment: {ALSO: "${PASSWORD}"}
    user: "1000:1000"
`}, map[string]string{"PASSWORD": "sEcReT"})

	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range engine.Built() {
		if strings.Contains(fmt.Sprintf("%+v", spec), "sEcReT") {
			t.Errorf("built %+v", spec)
		}
	}
	if info, err := engine.Inspect(t.Context(), "blog:1"); err != nil || strings.Contains(fmt.Sprintf("%+v", info), "sEcReT") {
		t.Errorf("image = %+v, %v", info, err)
	}
}

func TestComposeListsOnceWhatItIgnores(t *testing.T) {
	_, _, out, err := compose(t, map[string]string{"compose.yaml": `
networks: {front: {}}
services:
  web:
    image: redis:7
    ports: ["80:8000", "53:53/udp", "9000-9010:9000-9010"]
    volumes: ["./src:/app", "/var/run/docker.sock:/var/run/docker.sock", "/tmp/cache", "conf:/etc/x:ro", {type: bind, source: /etc, target: /etc}]
    networks: [front]
    privileged: true
    cap_add: [SYS_ADMIN]
    env_file: .env
    prots: [1]
    environment: {A: "$MISSING"}
    x-mine: 1
  db:
    image: redis:7
    container_name: mydb
    ports: ["5432:5432"]
    restart: "no"
  tool:
    image: nothing:1
    profiles: [tools]
`}, nil)
	if err != nil {
		t.Fatal(err)
	}

	want := `       db: redis:7
       web: redis:7, gets the traffic
       not set, so empty: MISSING (config:set gives them a value)
       ignored in compose.yaml:
         networks
         db: container_name (services reach each other by the service's name)
         db: restart: no (every process of an app is started again when it ends)
         tool: the whole service: it has profiles, so Compose does not start it by itself either
         web: env_file .env (it is not in the commit: config:set what it holds)
         web: cap_add (no process of an app has the machine's rights)
         web: networks (all services of an app share one network)
         web: port 53/udp (the router speaks HTTP only)
         web: ports 9000-9010 (only 9000 of them)
         web: privileged (no process of an app has the machine's rights)
         web: prots
         web: volume ./src:/app (the machine's directories are not an app's; COPY what the image needs)
         web: volume /var/run/docker.sock:/var/run/docker.sock (the machine's directories are not an app's; COPY what the image needs)
         web: volume /tmp/cache (it has no name, so nothing in it would be kept)
         web: volume conf:/etc/x: ro
         web: volume /etc:/etc (the machine's directories are not an app's; COPY what the image needs)
         db: ports (only web is reached from outside; other services reach it at db:5432)
`
	if !strings.HasPrefix(out, want) {
		t.Errorf("output =\n%s\nwant\n%s", out, want)
	}
}

func TestComposeGivesTheTrafficToTheServiceThatIsMeant(t *testing.T) {
	for name, tt := range map[string]struct {
		services string
		port     int
		problem  string
	}{
		"called web":          {"{a: {image: 'redis:7', ports: [1000]}, web: {image: 'redis:7', ports: [2000]}}", 2000, ""},
		"web without ports":   {"{a: {image: 'redis:7', ports: [1000]}, web: {image: 'redis:7'}}", 6379, ""},
		"web that exposes":    {"{web: {image: 'redis:7', expose: ['5000']}}", 5000, ""},
		"the lowest port":     {"{web: {image: 'redis:7', ports: ['3443:3443', '9229:9229', '80:3000'], expose: [80]}}", 3000, ""},
		"the only with ports": {"{a: {image: 'redis:7', ports: [1000]}, b: {image: 'redis:7'}}", 1000, ""},
		"nothing to run":      {"{web: {build: empty}}", 0, "service web: neither its image nor docker-compose.yml says what to run"},
		"the only built":      {"{db: {image: 'redis:7', ports: [5432]}, site: {build: site, ports: [3000]}}", 3000, ""},
		"two that are built":  {"{a: {build: site, ports: [1]}, b: {build: site, ports: [2]}}", 0, "a and b have ports, and none is called web"},
		"none":                {"{a: {image: 'redis:7'}, b: {image: 'redis:7'}}", 0, "no service is called web and none has ports"},
		"several":             {"{a: {image: 'redis:7', ports: [1]}, b: {image: 'redis:7', ports: [2]}}", 0, "a and b have ports, and none is called web"},
	} {
		r, _, _, err := compose(t, map[string]string{"docker-compose.yml": "services: " + tt.services, "empty/Dockerfile": "FROM scratch\n", "site/Dockerfile": "FROM scratch\nCMD [\"/x\"]\n"}, nil)

		if tt.problem == "" && (err != nil || r.Port != tt.port) {
			t.Errorf("%s: port %d, %v, want %d", name, r.Port, err, tt.port)
		}
		if tt.problem != "" && (err == nil || !strings.Contains(err.Error(), tt.problem) || appliance.HintOf(err) == "") {
			t.Errorf("%s: %v, hint %q", name, err, appliance.HintOf(err))
		}
	}
}

func TestComposeFillsInVariables(t *testing.T) {
	env := map[string]string{"A": "a", "EMPTY": "", "B": "b"}
	for value, want := range map[string]string{
		"$A": "a", "${A}": "a", "x${A}y$B": "xayb", "$$A": "$A", "$${A}": "${A}", "$MISSING": "", "${MISSING}": "",
		"${MISSING-d}": "d", "${MISSING:-d}": "d", "${EMPTY-d}": "", "${EMPTY:-d}": "d", "${A:-d}": "a",
		"${A:+there}": "there", "${EMPTY:+there}": "", "${EMPTY+there}": "there", "${MISSING+there}": "",
		"${A:?must}": "a", "${EMPTY?must}": "", "${MISSING:-${B}}": "b", "${MISSING:-{x}}": "{x}", "${A-}": "a", "100%": "100%",
	} {
		r, _, _, err := compose(t, map[string]string{"compose.yaml": "services: {web: {image: 'redis:7', environment: {V: '" + value + "'}}}"}, env)

		if got := r.Services["web"].Env["V"]; got != want || err != nil {
			t.Errorf("%s = %q, %v, want %q", value, got, err, want)
		}
	}
}

func TestComposeFileThatMakesNoSenseIsExplained(t *testing.T) {
	laughs := "x-0: &x0 [ha, ha, ha, ha, ha, ha, ha, ha, ha, ha]\n"
	for i := range 12 {
		laughs += fmt.Sprintf("x-%d: &x%d [*x%d, *x%d, *x%d, *x%d, *x%d, *x%d, *x%d, *x%d]\n", i+1, i+1, i, i, i, i, i, i, i, i)
	}
	outside := source(t, map[string]string{"Dockerfile": "FROM scratch\n", "secret.env": "SECRET\n"})
	web := func(rest string) string { return "services: {web: {image: 'redis:7', " + rest + "}}" }
	for name, tt := range map[string]struct {
		text, what string
	}{
		"nothing":                         {"", "it is empty"},
		"no mapping":                      {"- a\n", "it is no mapping"},
		"broken YAML":                     {"services:\n  web:\n image: x\n", "did not find expected key"},
		"no services":                     {"web: {image: x}\n", "it has no services"},
		"a service that is a word":        {"services: {web: x}\n", "services.web: a service is a mapping"},
		"a service of nothing":            {"services: {web: {ports: [1]}}\n", "services.web: it has neither build nor image"},
		"a service called release":        {"services: {release: {image: x}}\n", "give the service another name"},
		"a name that is none":             {"services: {a.b: {image: x}}\n", "services.a.b: the name of a process type"},
		"the same service twice":          {"services:\n  web: {image: x}\n  web: {image: y}\n", `line 3: "web" is there twice`},
		"include":                         {"include: [/etc/passwd]\n" + web(""), "include is not supported"},
		"extends":                         {web("extends: {file: /etc/passwd, service: x}"), "extends: not supported"},
		"a variable that must be set":     {web("environment: {A: '${DATABASE_URL:?say where}'}"), "DATABASE_URL must be set: say where"},
		"a lone dollar":                   {web("environment: {A: 'a $ b'}"), "a dollar that is meant is written $$"},
		"an open brace":                   {web("environment: {A: '${A'}"), "is no variable"},
		"an image with a line end":        {`services: {web: {image: "x\nRUN evil"}}`, "invalid image"},
		"a port that is none":             {web("ports: ['80:http']"), `"80:http" is no port`},
		"a user with a line end":          {web(`user: "x\nRUN evil"`), "user: neither a name nor a number"},
		"a directory with a line end":     {web(`working_dir: "/x\nRUN evil"`), "working_dir: no absolute path"},
		"a health check in words":         {web(`healthcheck: {test: x, interval: soon}`), `interval "soon" is no time`},
		"an open quote":                   {web(`command: "sh -c 'x"`), "command: a quote is not closed"},
		"a context above the source":      {"services: {web: {build: ../..}}", "is not a directory of the commit"},
		"a context of the machine":        {"services: {web: {build: /etc}}", "is not a directory of the commit"},
		"a context of the net":            {"services: {web: {build: {context: 'https://example.com/x.git'}}}", "build context"},
		"a context through a link":        {"services: {web: {build: link}}", "build context link: path escapes"},
		"a context that is not there":     {"services: {web: {build: gone}}", "build context gone: no such file"},
		"a Dockerfile that is not there":  {"services: {web: {build: sub}}", "there is no file sub/Dockerfile"},
		"a Dockerfile through a link":     {"services: {web: {build: {context: ., dockerfile: link/Dockerfile}}}", "there is no file link/Dockerfile"},
		"a Dockerfile in the file":        {"services: {web: {build: {dockerfile_inline: FROM x}}}", "dockerfile_inline is not supported"},
		"an env_file above the source":    {web("env_file: ../secret.env"), "is no file of the commit"},
		"an env_file through a link":      {web("env_file: link/secret.env"), "path escapes"},
		"an env_file of something else":   {web("env_file: broken.env"), "broken.env, line 3: not NAME=value"},
		"a volume of everything":          {web("volumes: ['data:/']"), "is no volume and path"},
		"a key of config that is none":    {web("environment: {'A B': x}"), "invalid config key"},
		"an argument that is a list":      {"services: {web: {build: {context: sub, args: {A: [1]}}}}", "A has no plain value"},
		"more than anybody can take in":   {laughs + "services: {web: {image: x}}", "it stands for too much"},
		"a mapping within itself":         {"services: &a {web: {image: x, labels: *a}}", "it stands for too much"},
		"variables within each other":     {web("environment: {A: '" + strings.Repeat("${X:-", 20) + strings.Repeat("}", 20) + "'}"), "it stands for too much"},
		"a value that grows as it stands": {web("environment: {A: '" + strings.Repeat("$BIG", 4000) + "'}"), "it stands for too much"},
		"a file of the wrong kind":        {strings.Repeat("# padding\n", 30_000), "more than 256 KB"},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			_, _, _, err := compose(t, map[string]string{
				"compose.yaml": tt.text, "link": "-> " + outside, "sub/x": "", "broken.env": "A=1\nSECRET\nSECRET ME=1\n",
			}, map[string]string{"BIG": strings.Repeat("x", 1000)})

			if err == nil || !strings.Contains(err.Error(), tt.what) {
				t.Fatalf("error = %v, want %q", err, tt.what)
			}
			if appliance.HintOf(err) == "" || strings.Contains(err.Error(), "SECRET") || len(err.Error()) > 500 {
				t.Errorf("error = %.600v, hint %q", err, appliance.HintOf(err))
			}
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("it took %s to find out", took)
			}
		})
	}
}

func TestComposeSharesNoImageBetweenDifferentBuilds(t *testing.T) {
	r, _, _, err := compose(t, map[string]string{
		"Dockerfile": "FROM scratch\nCMD [\"/x\"]\n", "other/Dockerfile": "FROM scratch\nCMD [\"/x\"]\n",
		"compose.yaml": `services:
  web: {build: ., ports: [1]}
  a: {build: ., user: nobody}
  b: {build: {context: ., args: {X: 1}}}
  c: {build: {context: ., target: x}}
  d: {build: other}
  e: {build: .}
`}, nil)
	if err != nil {
		t.Fatal(err)
	}

	images := map[appliance.Image]string{}
	for _, typ := range []string{"web", "a", "b", "c", "d"} {
		image := r.Services[typ].Image
		if other := images[image]; other != "" {
			t.Errorf("%s runs the image of %s: %s", typ, other, image)
		}
		images[image] = typ
	}
	if r.Services["e"].Image != r.Image {
		t.Errorf("e runs %s, want what web runs", r.Services["e"].Image)
	}
}

func TestSourceChoosesItsBuilderInDokkusOrder(t *testing.T) {
	builders := []builder.Builder{builder.Pack{}, builder.Dockerfile{}, builder.Compose{}, builder.Buildpacks{}}
	all := map[string]string{"Dockerfile": "", "compose.yaml": "", "project.toml": "", ".buildpacks": "nodejs\n", "package.json": "{}"}
	without := func(names ...string) map[string]string {
		files := map[string]string{}
		for name, text := range all {
			files[name] = text
		}
		for _, name := range names {
			delete(files, name)
		}
		return files
	}
	for _, tt := range []struct {
		files    map[string]string
		settings builder.Settings
		want     string
	}{
		{all, builder.Settings{Selected: "compose"}, "compose (selected with builder:set)"},
		{all, builder.Settings{Selected: "dockerfile", Buildpacks: []string{"go"}}, "dockerfile (selected with builder:set)"},
		{all, builder.Settings{}, "buildpacks (.buildpacks found)"},
		{without(".buildpacks"), builder.Settings{Buildpacks: []string{"go"}}, "buildpacks (chosen with buildpacks:set)"},
		{without(".buildpacks"), builder.Settings{BuildpackURL: "x"}, "buildpacks (config has BUILDPACK_URL)"},
		{map[string]string{"Dockerfile": "", ".env": "A=1\nexport BUILDPACK_URL=heroku/go\n"}, builder.Settings{}, "buildpacks (.env has BUILDPACK_URL)"},
		{map[string]string{"Dockerfile": "", ".env": "A=1\n", ".buildpacks": "# none\n"}, builder.Settings{}, "dockerfile (Dockerfile found)"},
		{without(".buildpacks"), builder.Settings{}, "pack (project.toml found)"},
		{without(".buildpacks", "project.toml"), builder.Settings{}, "dockerfile (Dockerfile found)"},
		{without(".buildpacks", "project.toml"), builder.Settings{Dockerfile: "deploy/web"}, "dockerfile (dockerfile-path is deploy/web)"},
		{without(".buildpacks", "project.toml", "Dockerfile"), builder.Settings{}, "compose (compose.yaml found)"},
		{map[string]string{"docker-compose.yml": "", "index.html": ""}, builder.Settings{}, "compose (docker-compose.yml found)"},
		{without(".buildpacks", "project.toml", "Dockerfile", "compose.yaml"), builder.Settings{}, "buildpacks (no Dockerfile)"},
	} {
		root, err := os.OpenRoot(source(t, tt.files))
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()

		b, reason, err := builder.For(root.FS(), tt.settings, builders...)

		if err != nil {
			t.Errorf("%v with %+v: %v", tt.files, tt.settings, err)
		} else if got := fmt.Sprintf("%s (%s)", b.Name(), reason); got != tt.want {
			t.Errorf("%v with %+v: %s, want %s", tt.files, tt.settings, got, tt.want)
		}
	}
}

// The attack: a build-dir whose last part is a link to a directory of the
// machine.
func TestBuildDirStaysInTheSource(t *testing.T) {
	outside := source(t, map[string]string{"Dockerfile": "FROM scratch\n"})
	dir := source(t, map[string]string{"services/web/Procfile": "web: x\n", "out": "-> " + outside, "up": "-> ../..", "in": "-> services/web"})
	for name, want := range map[string]bool{"": true, "services/web": true, "in": true, "out": false, "up": false, "../x": false, "gone": false, "services/web/Procfile": false} {
		root, path, err := builder.Enter("blog", dir, name)

		if (err == nil) != want {
			t.Errorf("Enter %q = %v, want it to work: %v", name, err, want)
		}
		if err != nil {
			if !strings.Contains(appliance.HintOf(err), "builder:set blog build-dir") || strings.Contains(err.Error(), dir) {
				t.Errorf("Enter %q = %v, hint %q", name, err, appliance.HintOf(err))
			}
			continue
		}
		defer root.Close()
		if _, err := root.Stat("Procfile"); path != filepath.Join(dir, name) || (err != nil) != (name == "") {
			t.Errorf("Enter %q = %s, %v", name, path, err)
		}
	}
	if _, _, err := builder.Enter("blog", dir, "gone"); errors.Is(err, appliance.ErrNotFound) {
		t.Errorf("error = %v, which a door would take for a missing app", err)
	}
}
