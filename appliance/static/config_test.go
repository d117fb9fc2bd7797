package static_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/berthhq/berth/appliance/static"
)

// read reads text as a static.json.
func read(t *testing.T, text string, env map[string]string) (static.Config, []string, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "static.json")
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return static.ReadConfig(name, func(key string) string { return env[key] })
}

// siteOf serves the files of site as text, a static.json, says.
func siteOf(t *testing.T, text string, env map[string]string) server {
	t.Helper()
	c, _, err := read(t, text, env)
	if err != nil {
		t.Fatal(err)
	}
	return site(t, c)
}

func TestFirstRouteThatMatchesAnswers(t *testing.T) {
	s := siteOf(t, `{"routes": {"/docs/*.html": "about.html", "/assets/**": "empty/", "/api-*/**": "/docs/", "/**": "index.html"}}`, nil)

	for path, want := range map[string]string{
		"/docs/old.html":     "200 about us",
		"/docs/a/old.html":   "200 home",
		"/assets/app.js":     "404 lost",
		"/assets/":           "404 lost",
		"/api-v1/x":          "200 docs",
		"/anything/at/all":   "200 home",
		"/about.html":        "200 about us",
		"/docs/":             "200 docs",
		"/lost.js":           "404 lost",
		"/no/such/page.html": "200 home",
	} {
		r, body := ask(t, s, "GET", path)
		if got := strings.TrimPrefix(r.Status[:4]+body, " "); got != want {
			t.Errorf("%s = %q, want %q", path, got, want)
		}
	}
}

func TestRedirectsAreForWhatIsNoFile(t *testing.T) {
	s := siteOf(t, `{"redirects": {"/old/": {"url": "/new/"}, "/blog": {"url": "https://${BLOG}/", "status": 302}, "/about.html": {"url": "/never"}}, "routes": {"/**": "index.html"}}`,
		map[string]string{"BLOG": "blog.example.com"})

	for path, want := range map[string]string{
		"/old/": "301 /new/", "/blog": "302 https://blog.example.com/", "/about.html": "200 ", "/old": "200 ",
	} {
		r, _ := ask(t, s, "GET", path)
		if got := r.Status[:4] + r.Header.Get("Location"); got != want {
			t.Errorf("%s = %q, want %q", path, got, want)
		}
	}
}

func TestLastHeadersThatMatchCountAlone(t *testing.T) {
	s := siteOf(t, `{"headers": {"/**": {"X-Foo": "bar", "X-Bar": "baz"}, "/": {"x-foo": "root"}, "/docs/*": {"Cache-Control": "public, max-age=512000", "X-Number": 7}}}`, nil)

	for path, want := range map[string]map[string]string{
		"/":               {"X-Foo": "root", "X-Bar": "", "Cache-Control": "no-cache"},
		"/about.html":     {"X-Foo": "bar", "X-Bar": "baz"},
		"/nothing":        {"X-Foo": "bar", "Cache-Control": "no-store"},
		"/docs/":          {"Cache-Control": "public, max-age=512000", "X-Number": "7", "X-Foo": ""},
		"/docs/.hidden":   {"X-Number": "7"},
		"/docs/a/b/c.txt": {"X-Number": "", "X-Foo": "bar"},
	} {
		r, _ := ask(t, s, "GET", path)
		for name, value := range want {
			if got := r.Header.Get(name); got != value {
				t.Errorf("%s: %s = %q, want %q", path, name, got, value)
			}
		}
	}
	first, _ := ask(t, s, "GET", "/docs/")
	if again, _ := ask(t, s, "GET", "/docs/", "If-None-Match: "+first.Header.Get("ETag")); again.StatusCode != 304 || again.Header.Get("X-Number") != "7" {
		t.Errorf("the second visit = %d, X-Number %q", again.StatusCode, again.Header.Get("X-Number"))
	}
}

func TestEverybodyIsSentToHTTPSAndToOneHost(t *testing.T) {
	https, canonical := siteOf(t, `{"https_only": true}`, nil), siteOf(t, `{"https_only": true, "canonical_host": "www.example.com"}`, nil)

	for _, test := range []struct {
		site              server
		host, proto, want string
	}{
		{https, "example.com:8080", "http", "https://example.com/docs/?q=1"},
		{https, "[::1]:8080", "http", "https://[::1]/docs/?q=1"},
		{https, "example.com", "https", ""},
		{https, "example.com", "", ""}, // nobody but a health check comes without the router
		{canonical, "example.com", "http", "https://www.example.com/docs/?q=1"},
		{canonical, "example.com", "https", "https://www.example.com/docs/?q=1"},
		{canonical, "WWW.example.com", "https", ""},
	} {
		r := httptest.NewRequest("GET", "/docs/?q=1", nil)
		r.Host = test.host
		if test.proto != "" {
			r.Header.Set("X-Forwarded-Proto", test.proto)
		}
		w := httptest.NewRecorder()
		test.site.Config.Handler.ServeHTTP(w, r)
		if got := w.Header().Get("Location"); got != test.want {
			t.Errorf("%s by %q goes to %q, want %q", test.host, test.proto, got, test.want)
		}
	}
}

func TestPasswordLetsIn(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("password"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	s := site(t, static.Config{Auth: &static.Auth{Users: map[string]string{
		"apr1":   "$apr1$abcd1234$rx4bf7/O84i3nP7Fv.xDe/",
		"bcrypt": string(hash),
		"sha":    "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
		"plain":  "password", "marked": "{PLAIN}password", "empty": "",
		"long": "$apr1$x$8nE1AjqUh20DKY/naRJis/", "unknown": "$6$salt$hash",
	}}})

	for _, test := range []struct {
		user, password string
		status         int
	}{
		{"apr1", "pass word", 200}, {"apr1", "password", 401},
		{"sha", "password", 200}, {"sha", "", 401},
		{"plain", "password", 200}, {"plain", "passwor", 401}, {"marked", "password", 200},
		{"bcrypt", "password", 200}, {"bcrypt", "wrong", 401},
		{"long", "a-password-that-is-longer-than-sixteen-bytes", 200},
		// Neither nobody's password nor no password at all is one.
		{"empty", "", 401}, {"nobody", "", 401}, {"", "", 401}, {"unknown", "$6$salt$hash", 401},
	} {
		for _, path := range []string{"/", "/nothing"} {
			r, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.SetBasicAuth(test.user, test.password)
			answer, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if in := answer.StatusCode != 401; in != (test.status == 200) {
				t.Errorf("%s as %s with %q = %d", path, test.user, test.password, answer.StatusCode)
			}
		}
	}
	if r, _ := ask(t, s, "GET", "/"); r.StatusCode != 401 || !strings.HasPrefix(r.Header.Get("WWW-Authenticate"), "Basic ") {
		t.Errorf("without a password = %d, %q", r.StatusCode, r.Header.Get("WWW-Authenticate"))
	}
}

func TestProxyIsNotPretendedTo(t *testing.T) {
	const text = `{"proxies": {"/api/": {"origin": "https://example.com"}}, "routes": {"/**": "index.html"}}`
	s := siteOf(t, text, nil)
	_, warnings, _ := read(t, text, nil)

	if r, body := ask(t, s, "GET", "/api/users"); r.StatusCode != 501 || !strings.Contains(body, "/api/") {
		t.Errorf("answer = %d %q", r.StatusCode, body)
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0], `the proxy "/api/" is not done here`) {
		t.Errorf("warnings = %q", warnings)
	}
}

func TestEncodingIsThatOfText(t *testing.T) {
	s := siteOf(t, `{"encoding": "ISO-8859-1"}`, nil)

	for path, want := range map[string]string{"/": "text/html; charset=ISO-8859-1", "/photo.bin": "application/octet-stream"} {
		if r, _ := ask(t, s, "GET", path); r.Header.Get("Content-Type") != want {
			t.Errorf("%s = %q, want %q", path, r.Header.Get("Content-Type"), want)
		}
	}
}

// A static.json comes with a push, and what it says must not reach further
// than the site, nor stop the server when it starts.
func TestStaticJSONThatMakesNoSenseIsExplained(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 "it ends too early",
		"{\n  \"root\": \"a\",\n  oops\n}": "line 3: invalid character",
		`[]`:                               "[] is no object",
		`{} {}`:                            "something follows",
		`{"root": 7}`:                      `"root": is 7, want a text in quotes`,
		`{"clean_urls": "yes"}`:            `"clean_urls": is "yes", want true or false`,
		`{"routes": ["/**"]}`:              `"routes": ["/**"] is no object`,
		`{"routes": {"/**": "../secret"}}`: `"routes": "/**": is "../secret", which is no file of the site`,
		`{"routes": {"/**": ".env"}}`:      "which is no file of the site",
		`{"routes": {"index": "a.html"}}`:  "a path begins with a slash",
		`{"error_page": "a/../../b"}`:      "which is no file of the site",
		`{"redirects": {"/a": {}}}`:        "has no url",
		`{"redirects": {"/a": {"url": "/b", "status": 200}}}`:     `"redirects": "/a": "status": is 200, want 301`,
		`{"redirects": {"/a": {"url": "/b\r\nSet-Cookie: x=y"}}}`: "has no url",
		`{"headers": {"/": {"X": "a\nb"}}}`:                       "want a text of one line",
		`{"headers": {"/": {"a b": "c"}}}`:                        "no header that a site can set",
		`{"headers": {"/": {"Content-Length": "5"}}}`:             "no header that a site can set",
		`{"encoding": "utf-8\r\nX: y"}`:                           "no name of a character set",
		`{"canonical_host": "example.com/../evil"}`:               "no name of a host",
		`{"routes": ` + strings.Repeat(`{"a":`, 20000) + `}`:      "exceeded max depth",
		`{"root": "` + strings.Repeat("x", 1<<20) + `"}`:          "larger than 1 MB",
	} {
		_, _, err := read(t, text, nil)
		if err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 500 {
			t.Errorf("%.60s: error = %.300v, want %q", text, err, want)
		}
	}
}

func TestUnknownFieldsAreLeftAloneAndNamed(t *testing.T) {
	c, warnings, err := read(t, "\ufeff"+`{"worker_connections": 5, "root": "/dist", "logging": {"access": true, "error": "warn"}, "canonical_host": "${WHERE}", "basic_auth": false}`, nil)

	if err != nil || c.Root != "dist" || !c.Log || c.CanonicalHost != "" || c.Auth != nil {
		t.Errorf("config = %+v, error %v", c, err)
	}
	if len(warnings) != 2 || !strings.Contains(warnings[0], "worker_connections") || !strings.Contains(warnings[1], "canonical_host") {
		t.Errorf("warnings = %q", warnings)
	}
}

func TestCheckOnlyReads(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("static.json", []byte(`{"routes": {"/**": "index.html"}}`), 0o644); err != nil {
		t.Fatal(err)
	}

	// It would serve until the end of the test.
	if err := static.Main(t.Context(), []string{"--check"}); err != nil {
		t.Errorf("check = %v", err)
	}
}
