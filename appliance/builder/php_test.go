package builder_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/await"
)

// ask asks a process for a path, in the way that the router does.
func (w *world) ask(p appliance.Process, path string) string {
	w.Helper()
	w.get(p, "/") // it serves
	r, err := http.NewRequestWithContext(w.Context(), http.MethodGet, "http://"+p.Addr+path, nil)
	if err != nil {
		w.Fatal(err)
	}
	r.Header.Set("X-Forwarded-Proto", "https")
	r.Header.Set("X-Forwarded-For", "203.0.113.7")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		w.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		w.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Sprint(answer.StatusCode)
	}
	return string(body)
}

// phpPage says who asked for what, and how.
const phpPage = `<?php error_log("a page was asked for"); echo $_SERVER["REQUEST_URI"], " ", $_SERVER["HTTPS"] ?? "http", " ", $_SERVER["REMOTE_ADDR"], " ", $_GET["to"] ?? "-";`

func TestPHPAppAnswersBehindApache(t *testing.T) {
	w := newWorld(t)

	r, out := w.mustBuild(source(t, map[string]string{
		"index.php":        phpPage,
		".htaccess":        "RewriteEngine On\nRewriteRule ^go/(.*)$ index.php?to=$1 [L]\n",
		"vendor/lib.php":   "<?php echo 'inside';",
		"composer.json":    `{"require": {"php": ">=8.1", "ext-mbstring": "*", "ext-pdo_mysql": "*"}}`,
		"css/site.css":     "b{}",
		".well-known/acme": "known",
	}), nil)
	p := w.start(r, "web")

	for path, want := range map[string]string{
		"/":                 "/ on 203.0.113.7 -",
		"/go/there":         "/go/there on 203.0.113.7 there",
		"/css/site.css":     "b{}",
		"/.well-known/acme": "known",
		"/nothing.php":      "404",
		"/.htaccess":        "403",
		"/.release":         "403",
		"/.heroku/php-web":  "403",
		"/vendor/lib.php":   "403",
		"/composer.json":    "403",
	} {
		if got := w.ask(p, path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	if r.Procfile["web"] != "vendor/bin/heroku-php-apache2" || !strings.Contains(out, "-----> PHP app (composer.json), buildpack php (built in)") {
		t.Errorf("process types = %q\n%s", r.Procfile, out)
	}
	await.That(t, "what PHP logs is in the app's log", func() bool { return strings.Contains(w.logs(p), "a page was asked for") })
}

func TestProcfileOfHerokusPHPChoosesServerAndDirectory(t *testing.T) {
	w := newWorld(t)

	r, _ := w.mustBuild(source(t, map[string]string{
		"Procfile":         "web: vendor/bin/heroku-php-nginx -C nginx.inc -F fpm.inc public/\n",
		"nginx.inc":        "location / { try_files $uri @front; }\nlocation @front { rewrite ^ /index.php?to=front last; }\nlocation ~ ^/raw\\.php { try_files @heroku-fcgi @heroku-fcgi; }\n",
		"fpm.inc":          "php_value[memory_limit] = 64M\n",
		"public/index.php": phpPage,
		"public/raw.php":   "<?php echo ini_get('memory_limit');",
		"secret.txt":       "secret",
		"public/.env":      "secret",
		"composer.json":    `{}`,
	}), nil)
	p := w.start(r, "web")

	for path, want := range map[string]string{"/": "/ on 203.0.113.7 front", "/any": "/any on 203.0.113.7 front", "/raw.php": "64M", "/.env": "403", "/../secret.txt": "400"} {
		if got := w.ask(p, path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// A request that is under way when the app is told to stop gets its answer.
func TestPHPAppFinishesItsRequestsWhenItIsStopped(t *testing.T) {
	w := newWorld(t)
	r, _ := w.mustBuild(source(t, map[string]string{
		"public/index.php": "<?php if (isset($_GET['slow'])) { error_log('it has begun'); usleep(1500000); } echo 'done';",
	}), nil)
	p := w.start(r, "web")
	w.get(p, "/")
	answer := make(chan string, 1)
	go func() { answer <- w.ask(p, "/?slow") }()
	await.That(t, "the request is under way", func() bool { return strings.Contains(w.logs(p), "it has begun") })

	begun := time.Now()
	if err := w.engine.Stop(t.Context(), 20*time.Second, p.ID); err != nil {
		t.Fatal(err)
	}

	if got := <-answer; got != "done" || r.Procfile["web"] != "vendor/bin/heroku-php-apache2 public/" {
		t.Errorf("answer = %q, process types %q", got, r.Procfile)
	}
	if took := time.Since(begun); took > 15*time.Second {
		t.Errorf("stopping took %s", took)
	}
}

// composerApp has a package in the repository, in the way that Composer calls
// a path repository.
func composerApp() map[string]string {
	return map[string]string{
		"composer.json":                   `{"repositories": [{"type": "path", "url": "packages/greeting", "options": {"symlink": false}}, {"packagist.org": false}], "require": {"ours/greeting": "1.0.0"}, "scripts": {"compile": "echo compiled > compiled.txt"}}`,
		"composer.lock":                   `{"content-hash": "0", "packages": [{"name": "ours/greeting", "version": "1.0.0", "dist": {"type": "path", "url": "packages/greeting", "reference": "1"}, "type": "library", "autoload": {"files": ["greeting.php"]}, "transport-options": {"symlink": false, "relative": true}}], "packages-dev": [], "aliases": [], "minimum-stability": "stable", "stability-flags": [], "prefer-stable": false, "prefer-lowest": false, "platform": [], "platform-dev": [], "plugin-api-version": "2.3.0"}`,
		"packages/greeting/composer.json": `{"name": "ours/greeting", "version": "1.0.0", "autoload": {"files": ["greeting.php"]}}`,
		"packages/greeting/greeting.php":  "<?php function greet() { return 'greeted'; }",
		"index.php":                       "<?php require 'vendor/autoload.php'; echo greet(), ' ', trim(file_get_contents('compiled.txt'));",
	}
}

func TestComposerInstallsWhatTheLockFileHolds(t *testing.T) {
	w := newWorld(t)
	r, first := w.mustBuild(source(t, composerApp()), nil)
	_, body := w.get(w.start(r, "web"), "/")
	_, second := w.mustBuild(source(t, composerApp()), nil)

	if body != "greeted compiled" || !strings.Contains(first, "Installing ours/greeting (1.0.0)") {
		t.Errorf("answer = %q\n%s", body, first)
	}
	if !strings.Contains(second, "Nothing to install, update or remove") {
		t.Errorf("the second build installs again:\n%s", second)
	}
}

func TestPHPAppSaysWhatItLacks(t *testing.T) {
	w := newWorld(t)
	page := map[string]string{"index.php": "<?php"}
	with := func(composer string) string {
		page["composer.json"] = composer
		return source(t, page)
	}

	w.mustFail(with(`{"require": {"php": "^7.4"}}`), "asks for PHP ^7.4 (composer.json), and the stack has 8.2.", "buildpacks:set blog heroku/php")
	w.mustFail(with(`{"require": {"ext-imagick": "*", "ext-intl": "*"}}`), "lacks what composer.json requires: ext-imagick", "heroku/php")
	w.mustFail(with(`{"require": {"monolog/monolog": "^3"}}`), "no composer.lock", "composer update")
	w.mustFail(with(`{"require": `), "composer.json is not valid JSON", "composer validate")
}
