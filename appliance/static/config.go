package static

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"
)

// A Config says what to serve, and how. It is what Heroku's buildpack for
// static sites reads from static.json, but for what passes requests on to
// other servers.
type Config struct {
	Root          string // the directory
	Encoding      string // of text; "utf-8" if ""
	CleanURLs     bool   // /about is about.html
	ErrorPage     string // the page for what is not found, relative to Root; "404.html" if ""
	HTTPSOnly     bool   // who came by http is sent to https
	CanonicalHost string // who came by another host is sent there; all are welcome if ""
	Log           bool   // a line for each request on standard output
	Auth          *Auth  // who may come; everybody if nil
	Routes        []Route
	Redirects     map[string]Redirect // by path
	Headers       []Headers
	Proxies       []string // paths that are another server's, which we do not ask
}

// A Route answers with one file for the paths that match, where there is no
// file of that path.
type Route struct {
	Pattern Pattern
	Target  string // relative to Root
}

// A Redirect sends the browser elsewhere.
type Redirect struct {
	URL    string
	Status int
}

// Headers are added to the answers for the paths that match. The last that
// match count, alone.
type Headers struct {
	Pattern Pattern
	Values  http.Header
}

// maxConfig is what a static.json may have: it is read at each start.
const maxConfig = 1 << 20

// ReadConfig reads static.json, and tells what in it will not do what it says.
// It is no error when there is none.
func ReadConfig(name string, getenv func(string) string) (c Config, warnings []string, err error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return Config{Root: "."}, nil, nil
	}
	if err != nil {
		return Config{}, nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return Config{}, nil, err
	}
	if len(text) > maxConfig {
		return Config{}, nil, fmt.Errorf("%s: it is larger than 1 MB", name)
	}
	r := reading{getenv: getenv, config: Config{Root: "."}}
	if err := r.object("", strings.TrimPrefix(string(text), "\ufeff"), r.field); err != nil {
		return Config{}, nil, fmt.Errorf("%s: %w", name, err)
	}
	return r.config, r.warnings, nil
}

// expand puts in config variables, as ${NAME}. One that is not set stays as it
// is, as on Heroku.
func expand(s string, getenv func(string) string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(s, "${")
		name, after, closed := strings.Cut(rest, "}")
		if !ok || !closed {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(before)
		if value := getenv(name); value != "" {
			b.WriteString(value)
		} else {
			b.WriteString("${" + name + "}")
		}
		s = after
	}
}
