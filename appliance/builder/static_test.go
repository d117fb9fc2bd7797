package builder_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestStaticSiteDoesWhatStaticJSONSays(t *testing.T) {
	w := newWorld(t)

	r, out := w.mustBuild(source(t, map[string]string{
		"static.json": `{"root": "dist/", "clean_urls": true, "error_page": "oops.html",
			"routes": {"/app/**": "index.html"}, "redirects": {"/old": {"url": "${NEW}", "status": 302}},
			"headers": {"/app/**": {"X-App": "yes"}}, "proxies": {"/api/": {"origin": "https://example.com"}}}`,
		"dist/index.html": "home", "dist/about.html": "about us", "dist/oops.html": "lost", "secret.txt": "SECRET",
	}), map[string]string{"NEW": "/about"})
	p := w.start(r, "web", "NEW=/about")

	for path, want := range map[string]string{
		"/": "200 home", "/about": "200 about us", "/app/users/7": "200 home", "/old": "200 about us", "/nothing": "404 lost", "/../secret.txt": "404 lost",
	} {
		status, body := w.get(p, path)
		if got := fmt.Sprint(status, " ", body); got != want {
			t.Errorf("%s = %q, want %q", path, got, want)
		}
	}
	if !strings.Contains(out, ` !     static.json: the proxy "/api/" is not done here`) {
		t.Errorf("nothing is said of the proxy:\n%s", out)
	}
}

// A site that could not start is found out before it is deployed.
func TestStaticJSONThatMakesNoSenseFailsTheBuild(t *testing.T) {
	w := newWorld(t)
	for name, test := range map[string]struct{ text, what string }{
		"routes that lead out": {`{"routes": {"/**": "../../etc/passwd"}}`, `static.json is not valid: static.json: "routes": "/**": is "../../etc/passwd", which is no file of the site`},
		"headers of two lines": {`{"headers": {"/": {"X-A": "b\nc"}}}`, "want a text of one line"},
		"a root that is none":  {`{"root": ["a"]}`, "root is no text"},
		"no object":            {`"root"`, "it is no object"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{T: t, engine: w.engine, app: w.app}
			w.mustFail(source(t, map[string]string{"static.json": test.text, "index.html": "x"}), test.what, "correct it")
		})
	}
}
