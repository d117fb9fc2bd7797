package static

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"regexp"
	"strings"
)

// A reading is one of a static.json.
type reading struct {
	getenv   func(string) string
	config   Config
	warnings []string
}

// object reads an object and gives each of its members to field. An error
// names the member.
func (r *reading) object(name, text string, field func(key string, v json.RawMessage) error) error {
	members, err := object([]byte(text))
	if err != nil {
		return within(name, err)
	}
	for _, m := range members {
		if err := field(m.key, m.value); err != nil {
			return within(name, within(fmt.Sprintf("%.100q", m.key), err))
		}
	}
	return nil
}

func within(name string, err error) error {
	if name == "" {
		return err
	}
	return fmt.Errorf("%s: %w", name, err)
}

func (r *reading) warn(format string, args ...any) {
	r.warnings = append(r.warnings, fmt.Sprintf(format, args...))
}

var hostname = regexp.MustCompile(`^[A-Za-z0-9._-]{1,253}(:[0-9]{1,5})?$`)

var charset = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,40}$`)

func (r *reading) field(key string, v json.RawMessage) (err error) {
	c := &r.config
	switch key {
	case "root":
		c.Root, err = str(v)
		if c.Root = strings.TrimPrefix(c.Root, "/"); c.Root == "" {
			c.Root = "."
		}
	case "encoding":
		c.Encoding, err = str(v)
		if err == nil && !charset.MatchString(c.Encoding) {
			return fmt.Errorf("is %s, which is no name of a character set", short(v))
		}
	case "clean_urls":
		c.CleanURLs, err = boolean(v)
	case "https_only":
		c.HTTPSOnly, err = boolean(v)
	case "error_page":
		c.ErrorPage, err = r.file(v)
	case "canonical_host":
		// false is Heroku's default.
		if string(v) == "false" {
			return nil
		}
		c.CanonicalHost, err = str(v)
		c.CanonicalHost = expand(c.CanonicalHost, r.getenv)
		if strings.Contains(c.CanonicalHost, "${") {
			r.warn("static.json: %q names a config variable that is not set, and is left alone until then", key)
			c.CanonicalHost = ""
		} else if err == nil && !hostname.MatchString(c.CanonicalHost) {
			return fmt.Errorf("is %s, which is no name of a host", short(v))
		}
	case "basic_auth":
		var wanted bool
		if wanted, err = boolean(v); wanted {
			c.Auth = &Auth{}
		}
	case "logging":
		return r.object("", string(v), func(key string, v json.RawMessage) error {
			if key == "access" {
				c.Log, err = boolean(v)
			}
			return err
		})
	case "routes":
		return r.object("", string(v), r.route)
	case "redirects":
		c.Redirects = map[string]Redirect{}
		return r.object("", string(v), r.redirect)
	case "headers":
		return r.object("", string(v), r.headers)
	case "proxies":
		return r.object("", string(v), func(key string, _ json.RawMessage) error {
			c.Proxies = append(c.Proxies, key)
			r.warn("static.json: the proxy %.100q is not done here; requests for it are answered with 501", key)
			return nil
		})
	case "$schema", "name", "description":
	default:
		r.warn("static.json: %.100q is not known here and left alone", key)
	}
	return err
}

// file reads the name of a file below the root.
func (r *reading) file(v json.RawMessage) (string, error) {
	name, err := str(v)
	if err != nil {
		return "", err
	}
	clean := strings.TrimPrefix(path.Clean("/"+name), "/")
	if strings.Contains("/"+name+"/", "/../") || !public(clean) {
		return "", fmt.Errorf("is %s, which is no file of the site", short(v))
	}
	return clean, nil
}

func (r *reading) route(pattern string, v json.RawMessage) error {
	target, err := r.file(v)
	if err != nil {
		return err
	}
	p, err := ParsePattern(pattern)
	r.config.Routes = append(r.config.Routes, Route{p, target})
	return err
}

func (r *reading) redirect(from string, v json.RawMessage) error {
	to := Redirect{Status: http.StatusMovedPermanently}
	err := r.object("", string(v), func(key string, v json.RawMessage) (err error) {
		switch key {
		case "url":
			to.URL, err = str(v)
			to.URL = expand(to.URL, r.getenv)
		case "status":
			if to.Status, err = integer(v); err == nil && (to.Status < 301 || to.Status > 308 || to.Status > 303 && to.Status < 307) {
				err = fmt.Errorf("is %d, want 301, 302, 303, 307 or 308", to.Status)
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	if to.URL == "" || strings.ContainsAny(to.URL, "\r\n\x00") {
		return fmt.Errorf("has no url to redirect to")
	}
	if strings.Contains(to.URL, "${") {
		r.warn("static.json: the redirect of %.100q goes to %.100q, with a config variable that is not set", from, to.URL)
	}
	r.config.Redirects[from] = to
	return nil
}

// token is what the name of a header is made of (RFC 9110, 5.6.2).
var token = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

// own are the headers without which an answer could not be read.
var own = map[string]bool{"Content-Length": true, "Transfer-Encoding": true, "Connection": true, "Content-Encoding": true, "Content-Range": true, "Trailer": true, "Upgrade": true}

func (r *reading) headers(pattern string, v json.RawMessage) error {
	p, err := ParsePattern(pattern)
	if err != nil {
		return err
	}
	values := http.Header{}
	err = r.object("", string(v), func(key string, v json.RawMessage) error {
		name := http.CanonicalHeaderKey(key)
		if !token.MatchString(key) || own[name] {
			return fmt.Errorf("is no header that a site can set")
		}
		value, err := str(v)
		if err != nil {
			// Heroku's takes numbers and the like for what they look like.
			value = string(v)
		}
		if value == "" || strings.ContainsAny(value, "\r\n\x00{[") && err != nil || strings.ContainsAny(value, "\r\n\x00") {
			return fmt.Errorf("is %s, want a text of one line", short(v))
		}
		values.Set(name, value)
		return nil
	})
	r.config.Headers = append(r.config.Headers, Headers{p, values})
	return err
}
