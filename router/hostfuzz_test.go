package router

import (
	"net/url"
	"path"
	"regexp"
	"strings"
	"testing"
)

// However a host is spelt, it is the same.
func FuzzCanonicalHost(f *testing.F) {
	for _, seed := range []string{"Blog.Example.org.:443", "[::1]:80", "bücher.example", "xn--bcher-kva.example", "a_b.c", "*.x.y", "%41.test", "。", "[", ":", "::", "a..", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, host string) {
		if !strings.ContainsAny(host, "[:") && !strings.HasSuffix(inASCII(host), ".") && !strings.HasSuffix(host, ".") {
			want := canonicalHost(host)
			for _, spelling := range []string{host + ":443", host + ".", host + ".:1"} {
				if got := canonicalHost(spelling); got != want && isASCII(host) {
					t.Errorf("canonicalHost(%q) = %q, want %q as of %q", spelling, got, want, host)
				}
			}
			if got := canonicalHost(strings.ToUpper(host)); got != want && isASCII(host) {
				t.Errorf("canonicalHost(%q) = %q, want %q", strings.ToUpper(host), got, want)
			}
		}
		if s := parseSpot(host); s.path != "" && s.path[0] != '/' {
			t.Errorf("parseSpot(%q) has the path %q", host, s.path)
		}
	})
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 })
}

// An app that tidies a path up in one of the usual ways must never come to
// another's prefix, or away from its own.
func FuzzPathsLeadWhereTheirReadersThink(f *testing.F) {
	for _, seed := range []string{"/api", "/x/../api", "/%61pi", "//api", `/\api`, "/api;x/..", "/api/%2e%2e/x", "/x%2f..%2fapi", "/%25%36%31pi", "//api/%2e%2e", "*"} {
		f.Add(seed)
	}
	root, api := new(place), new(place)
	exact := ways{}.with("", root).with("/api", api)
	t0 := &table{}
	e := &edit{table: t0}
	e.hosts.all = &t0.hosts
	e.hosts.put("example.org", exact)
	readers := map[string]func(string) string{
		"as it is":            func(s string) string { return s },
		"decoded":             decoded,
		"cleaned":             path.Clean,
		"decoded and cleaned": func(s string) string { return path.Clean("/" + decoded(s)) },
		"without parameters":  func(s string) string { return path.Clean("/" + ofJava.ReplaceAllString(s, "")) },
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := url.ParseRequestURI(raw)
		if err != nil || u.Host != "" || !strings.HasPrefix(raw, "/") {
			return
		}
		to, clear := t0.lead("example.org", u)
		if !clear {
			return
		}
		for name, read := range readers {
			if got := follow(exact, ways{}, read(u.EscapedPath())); got != to {
				t.Errorf("%q is for another app when it is read %s", raw, name)
			}
		}
	})
}

// ofJava are the parameters that Java's servers take from each segment of a path.
var ofJava = regexp.MustCompile(`;[^/]*`)

func decoded(s string) string {
	if d, err := url.PathUnescape(s); err == nil {
		return d
	}
	return s
}
