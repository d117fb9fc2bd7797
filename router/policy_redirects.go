package router

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// A Redirect sends visitors elsewhere. From is a host (www.example.com), a path
// (/old), or both (example.com/old). To is a host, a path or a whole URL
// (https://example.com/new). A path may end in "/*", which stands for all
// that follows and goes where To ends in "/*". Where To is only a host, the
// visitor's path is kept.
type Redirect struct {
	From   string `json:"from"`
	To     string `json:"to"`
	Status int    `json:"status,omitempty"` // 301 if 0; or 302, 303, 307, 308
}

// A redirect is a Redirect taken apart.
type redirect struct {
	host, path     string // what it is for; an empty one is for any
	scheme, toHost string // an empty one stays as it is
	toPath         string // the visitor's own if empty
	below, toBelow bool   // path, toPath stand for what is below it too; they end in "/"
	query          bool   // toPath has a query, so the visitor's is dropped
	status         int
}

func (p Policy) validateRedirects() error {
	seen := map[string]bool{}
	for _, r := range p.Redirects {
		c, err := r.compile()
		if err != nil {
			return fmt.Errorf("redirect %s: %w", r.From, err)
		}
		if from := c.host + c.path; seen[from] {
			return fmt.Errorf("redirect %s: there are two", r.From)
		} else {
			seen[from] = true
		}
	}
	return nil
}

func (r Redirect) compile() (redirect, error) {
	c := redirect{status: r.Status}
	switch r.Status {
	case 0:
		c.status = 301
	case 301, 302, 303, 307, 308:
	default:
		return c, fmt.Errorf("%d is no status of a redirect: 301, 302, 303, 307 or 308", r.Status)
	}
	var err error
	if c.host, c.path, err = hostAndPath(r.From); err != nil {
		return c, err
	}
	if c.host != "" {
		c.host = canonicalHost(c.host)
	}
	if c.host == "" && c.path == "" {
		return c, fmt.Errorf("it has to be for a host or a path")
	}
	to := r.To
	for _, scheme := range []string{"https", "http"} {
		if rest, ok := strings.CutPrefix(to, scheme+"://"); ok {
			c.scheme, to = scheme, rest
			if strings.HasPrefix(to, "/") || to == "" {
				return c, fmt.Errorf("%s has no host", r.To)
			}
			break
		}
	}
	if c.toHost, c.toPath, err = hostAndPath(to); err != nil {
		return c, err
	}
	if c.toHost == "" && c.toPath == "" {
		return c, fmt.Errorf("it leads nowhere")
	}
	c.path, c.below = strings.CutSuffix(c.path, "*")
	c.toPath, c.toBelow = strings.CutSuffix(c.toPath, "*")
	if c.toBelow && !c.below && c.path != "" {
		return c, fmt.Errorf("%s ends in * but %s does not", r.To, r.From)
	}
	c.query = strings.Contains(c.toPath, "?")
	if c.loops() {
		return c, fmt.Errorf("%s leads to itself", r.To)
	}
	return c, nil
}

// loops reports whether what it leads to is something that it is for.
func (c *redirect) loops() bool {
	if c.toHost != "" && c.host != c.toHost {
		// It may be for any host, and then also for where it leads.
		return c.host == "" && (c.toPath == "" || c.covers(c.toPath))
	}
	return c.toPath == "" || c.path == "" || c.covers(c.toPath)
}

func (c *redirect) covers(path string) bool {
	path, _, _ = strings.Cut(path, "?")
	return c.path == "" || path == c.path || c.below && strings.HasPrefix(path, c.path)
}

// hostAndPath takes "host", "/path" or "host/path" apart. The path can be what
// a request line has, no more.
func hostAndPath(s string) (host, path string, err error) {
	host, path = s, ""
	if i := strings.IndexByte(s, '/'); i >= 0 {
		host, path = s[:i], s[i:]
	}
	if host != "" {
		bare, port, hasPort := strings.Cut(host, ":")
		if hasPort && (port == "" || !isDigits(port)) || bare == "" || !isToken(bare, "._") {
			return "", "", fmt.Errorf("%q is no host", host)
		}
		host = strings.ToLower(host)
	}
	if path != "" {
		if err := validPattern(path); err != nil {
			return "", "", err
		}
	}
	return host, path, nil
}

// validPattern refuses a path that no request has, and a * that is not the
// last of it.
func validPattern(path string) error {
	bare := strings.TrimSuffix(path, "*")
	if !strings.HasPrefix(path, "/") || bare != path && !strings.HasSuffix(bare, "/") {
		return fmt.Errorf("%q is no path, such as /old or /old/*", path)
	}
	u, err := url.ParseRequestURI(bare)
	if err != nil || strings.ContainsAny(bare, " *\"<>\\^`{|}#") || strings.ContainsFunc(bare, func(c rune) bool { return c > 0x7e }) || strings.HasPrefix(u.Path, "//") {
		return fmt.Errorf("%q is no path: write it as it stands in a URL", path)
	}
	return nil
}

func isDigits(s string) bool { return strings.Trim(s, "0123456789") == "" }

func newRedirects(all []Redirect) []redirect {
	var redirects []redirect
	for _, r := range all {
		if c, err := r.compile(); err == nil {
			redirects = append(redirects, c)
		}
	}
	return redirects
}

// redirect answers with the first redirect that is for the request.
func (p *policy) redirect(x *exchange) bool {
	if len(p.redirects) == 0 {
		return false
	}
	host, path := canonicalHost(x.req.Host), x.req.URL.EscapedPath()
	if strings.HasPrefix(path, "/.well-known/acme-challenge/") {
		return false
	}
	for i := range p.redirects {
		if r := &p.redirects[i]; (r.host == "" || r.host == host) && r.covers(path) {
			x.w.Header().Set("Location", r.location(x, host, path))
			p.hsts.set(x, x.w.Header())
			leaveBody(x.w, x.req)
			x.w.WriteHeader(r.status)
			return true
		}
	}
	return false
}

// location is a whole URL, so that no path of a visitor's (//evil.test) can be
// read as a host.
func (r *redirect) location(x *exchange, host, path string) string {
	var b strings.Builder
	b.WriteString(cmp.Or(r.scheme, x.from.proto))
	b.WriteString("://")
	if r.toHost != "" {
		b.WriteString(r.toHost)
	} else {
		b.WriteString(urlHost(host))
	}
	if _, port, err := net.SplitHostPort(x.req.Host); err == nil && r.scheme == "" && isDigits(port) && !strings.Contains(r.toHost, ":") {
		b.WriteString(":" + port)
	}
	switch {
	case r.toPath == "":
		b.WriteString(cmp.Or(path, "/"))
	case r.toBelow:
		b.WriteString(r.toPath)
		b.WriteString(strings.TrimPrefix(path[len(r.path):], "/"))
	default:
		b.WriteString(r.toPath)
	}
	if q := x.req.URL.RawQuery; q != "" && !r.query {
		b.WriteString("?" + q)
	}
	return b.String()
}
