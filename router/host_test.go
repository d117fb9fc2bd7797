package router_test

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/berthhq/berth/router"
)

// A site is a router with an app for each list of hosts, which answers with
// its name.
func site(t *testing.T, apps map[string][]string) *router.Router {
	t.Helper()
	r := router.New(nil)
	for name, hosts := range apps {
		if _, err := r.Swap(router.Service{Name: name, Hosts: hosts, Targets: []string{app(t, says(name))}}); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// asked returns who answers at a URL without its scheme: the name of an app,
// or the status.
func asked(r *router.Router, url string) string {
	host, path, _ := strings.Cut(url, "/")
	w, req := httptest.NewRecorder(), httptest.NewRequest("GET", "/"+path, nil)
	req.Host = host
	r.ServeHTTP(w, req)
	if w.Code != 200 {
		return w.Result().Status[:3]
	}
	return w.Body.String()
}

func wantAnswers(t *testing.T, r *router.Router, answers map[string]string) {
	t.Helper()
	for url, want := range answers {
		if got := asked(r, url); got != want {
			t.Errorf("%s is answered by %s, want %s", url, got, want)
		}
	}
}

func TestAWildcardCoversOneLabelAndLosesToWhatIsMoreSpecific(t *testing.T) {
	r := site(t, map[string][]string{
		"any":  {"*.example.org"},
		"blog": {"blog.example.org"},
		"deep": {"*.blog.example.org"},
	})
	r.Handle("berth.example.org", says("appliance"))

	wantAnswers(t, r, map[string]string{
		"wiki.example.org/":          "any",
		"WIKI.Example.Org.:443/":     "any",
		"a_b.example.org/":           "any",
		"xn--bcher-kva.example.org/": "any",
		"blog.example.org/":          "blog",
		"a.blog.example.org/":        "deep",
		"berth.example.org/":         "appliance",
		"example.org/":               "404",
		".example.org/":              "404",
		"a.b.example.org/":           "404",
		"example.org.evil.test/":     "404",
		"org/":                       "404",
	})
	for host, want := range map[string]bool{"wiki.example.org": true, "*.example.org": true, "example.org": false, "a.b.example.org": false} {
		if r.Serves(host) != want {
			t.Errorf("Serves(%s) = %v, want %v", host, !want, want)
		}
	}
	r.Remove("blog")
	wantAnswers(t, r, map[string]string{"blog.example.org/": "any"})
	r.Remove("any")
	wantAnswers(t, r, map[string]string{"wiki.example.org/": "404", "a.blog.example.org/": "deep"})
}

func TestAPathPrefixLeadsToItsAppBySegments(t *testing.T) {
	r := site(t, map[string][]string{
		"root": {"example.org", "www.example.org"},
		"api":  {"example.org/api"},
		"v2":   {"Example.org/api/v2/"},
		"only": {"only.example.org/docs", "*.example.org/any"},
		"wild": {"*.example.org"},
	})

	wantAnswers(t, r, map[string]string{
		"example.org/":                "root",
		"example.org/api":             "api",
		"example.org/api/":            "api",
		"example.org/api?x=/api/v2":   "api",
		"example.org/api/v2":          "v2",
		"example.org/api/v2/x":        "v2",
		"example.org/api/v22":         "api",
		"example.org/apis":            "root",
		"example.org/API":             "root",
		"example.org/x/api":           "root",
		"www.example.org/api":         "root",
		"only.example.org/docs/x":     "only",
		"only.example.org/":           "wild",
		"other.example.org/any/thing": "only",
		"example.org/a%2Fb":           "root",
		"example.org/x//y":            "root",
		"example.org/.well-known/x":   "root",
		"example.org/api/%2e%2e/api":  "api",
	})
	if !r.Serves("only.example.org") {
		t.Error("only.example.org is not served, want it to be: there is an app at /docs")
	}
}

// An app may tidy a path up before it looks at it, each in its own way. So
// whatever the router reads, somebody could read otherwise, to get at what the
// other app guards, or at what this one would not serve there.
func TestAPathThatCanBeReadInTwoWaysReachesNobody(t *testing.T) {
	r := site(t, map[string][]string{"root": {"example.org"}, "api": {"example.org/api"}, "wild": {"*.example.org"}})

	for _, path := range []string{
		"/x/../api", "/./api", "//api", "/api/..", "/api/../x", "/api/%2e%2e/x", "/api/.%2E/x", "/%61pi", "/api%2fx", "/x/%2e%2e/api/y",
		"/x/..%2fapi", "/api/..%2fx", "/x%5c..%5capi", "/api;v=1/x", "/x/..;/api", "/api/..;/x", "/%2561pi", "/x/%252e%252e/api", "/%2fapi",
		"//api/%2e%2e", "//api/..;/", "/x//../api", "/x/;/../../api",
	} {
		if got := asked(r, "example.org"+path); got != "400" {
			t.Errorf("%s is answered by %s, want 400", path, got)
		}
	}
	// Where nothing else is, nobody is protected from anything.
	if got := asked(r, "www.example.org/x/../api"); got != "wild" {
		t.Errorf("a host without prefixes answers %s, want wild", got)
	}
}

func TestAnInternationalHostIsTheSameInBothSpellings(t *testing.T) {
	r := site(t, map[string][]string{"books": {"Bücher.example", "*.straße.example"}})

	wantAnswers(t, r, map[string]string{
		"xn--bcher-kva.example/":           "books",
		"XN--BCHER-KVA.example:443/":       "books",
		"bücher.example/":                  "books",
		"BÜCHER.example./":                 "books",
		"www.xn--strae-oqa.example/":       "books",
		"b\xfccher.example/":               "404",
		"xn--bcher-kva.example.evil.test/": "404",
		"b%C3%BCcher.example/":             "404",
	})
}

func TestEachWayInCanBeTakenOnce(t *testing.T) {
	r := site(t, map[string][]string{"a": {"example.org", "*.example.org", "example.org/api", "EXAMPLE.org."}})
	r.Handle("berth.test", says("appliance"))

	for _, host := range []string{"example.org", "*.Example.org", "example.org/api/", "berth.test", "berth.test/x"} {
		if _, err := r.Swap(router.Service{Name: "b", Hosts: []string{"free.test", host}}); !errors.Is(err, router.ErrHostTaken) {
			t.Errorf("Swap with %s = %v, want ErrHostTaken", host, err)
		}
	}
	if r.Serves("free.test") {
		t.Error("free.test is served, want a refused swap to change nothing")
	}
	for _, host := range []string{"example.org/api/v2", "b.example.org", "*.berth.test", "*.a.example.org"} {
		if _, err := r.Swap(router.Service{Name: "b", Hosts: []string{host}}); err != nil {
			t.Errorf("Swap with %s = %v, want it to be free", host, err)
		}
	}
}
