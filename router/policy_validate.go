package router

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/bcrypt"
)

// maxHTML bounds the pages that owners give us, which stay in memory.
const maxHTML = 512 << 10

// Validate says what is wrong with the policy, in words for its owner.
func (p Policy) Validate() error {
	if p.MaxBody < 0 || p.MaxRequests < 0 {
		return fmt.Errorf("a limit is 0 (none) or more")
	}
	for _, d := range []time.Duration{p.Timeouts.Connect, p.Timeouts.FirstByte, p.Timeouts.Idle} {
		if d < 0 || d > 0 && d < time.Millisecond {
			return fmt.Errorf("%v is no time to wait: 0 (for ever), or from 1ms", d)
		}
	}
	for _, validate := range []func() error{
		p.HSTS.validate, p.Auth.validate, p.Maintenance.validate, p.Compression.validate,
		p.validateHeaders, p.validatePages, p.validateRedirects,
	} {
		if err := validate(); err != nil {
			return err
		}
	}
	_, err := networks(p.Allow)
	return err
}

func (h HSTS) validate() error {
	const year = 365 * 24 * time.Hour
	switch {
	case h.MaxAge < 0 || h.MaxAge%time.Second != 0:
		return fmt.Errorf("hsts: %v is no age in whole seconds", h.MaxAge)
	case h.Preload && (!h.Subdomains || h.MaxAge < year):
		return fmt.Errorf("hsts: browsers preload only what includes the subdomains, for a year (31536000) or more")
	}
	for _, host := range h.Except {
		if ascii := inASCII(host); ascii == "" || !isToken(ascii, "._") {
			return fmt.Errorf("hsts: %q is no host, such as old.example.org", host)
		}
	}
	return nil
}

func (a Auth) validate() error {
	for _, user := range slices.Sorted(maps.Keys(a.Users)) {
		if user == "" || strings.ContainsFunc(user, func(c rune) bool { return c == ':' || c < ' ' || c == 0x7f }) {
			return fmt.Errorf("%q is no name of a user: a colon ends it", user)
		}
		if _, err := bcrypt.Cost([]byte(a.Users[user])); err != nil {
			return fmt.Errorf("the password of %s is not a bcrypt hash", user)
		}
	}
	if !isToken(a.Realm, " .'()/:,@") {
		return fmt.Errorf("the realm %q has other characters than letters, digits and spaces", a.Realm)
	}
	for _, path := range a.Paths {
		if err := validPattern(path); err != nil {
			return err
		}
	}
	_, err := networks(a.Allow)
	return err
}

func (m Maintenance) validate() error {
	if m.RetryAfter < 0 {
		return fmt.Errorf("%v is no time to wait", m.RetryAfter)
	}
	if err := validHTML(m.HTML); err != nil {
		return err
	}
	_, err := networks(m.Allow)
	return err
}

func (c Compression) validate() error {
	if c.MinSize < 0 {
		return fmt.Errorf("%d is no size", c.MinSize)
	}
	for _, t := range c.Types {
		main, sub, ok := strings.Cut(t, "/")
		if !ok || main == "" || sub == "" || !isToken(main, "") || sub != "*" && !isToken(sub, "+.") {
			return fmt.Errorf("%q is no media type, such as application/json or text/*", t)
		}
	}
	return nil
}

// ours are the headers that say how a message is carried, or that have a
// setting of their own.
var ours = []string{
	"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
	"Content-Length", "Content-Encoding", "Content-Range", "Content-Type", "Date", "Host",
}

// maxHeaderBytes leaves room for the service's own in what clients take, which
// is 16 KB for some.
const maxHeaderBytes = 8 << 10

func (p Policy) validateHeaders() error {
	bytes := 0
	for _, name := range slices.Sorted(maps.Keys(p.Headers)) {
		canonical := http.CanonicalHeaderKey(name)
		switch value := p.Headers[name]; {
		case name == "" || !isToken(name, "!#$%&'*+.^_`|~"):
			return fmt.Errorf("%q is no name of a header", name)
		case canonical == "Strict-Transport-Security":
			return fmt.Errorf("%s is made by the hsts settings", canonical)
		case slices.Contains(ours, canonical):
			return fmt.Errorf("%s is not for you to set: it says how an answer is carried", canonical)
		case strings.ContainsFunc(value, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }):
			return fmt.Errorf("%s: the value has a control character in it", canonical)
		case !utf8.ValidString(value):
			return fmt.Errorf("%s: the value is not UTF-8", canonical)
		}
		if bytes += len(name) + len(p.Headers[name]); bytes > maxHeaderBytes {
			return fmt.Errorf("%s is too much: the headers may have %d KB together, or visitors would refuse every answer", canonical, maxHeaderBytes>>10)
		}
	}
	return nil
}

func (p Policy) validatePages() error {
	for _, name := range slices.Sorted(maps.Keys(p.Pages)) {
		if !isPageName(name) {
			return fmt.Errorf("%q is no error: a status from 400 to 599, a code such as H14, or default", name)
		}
		if err := validHTML(p.Pages[name]); err != nil {
			return fmt.Errorf("page %s: %w", name, err)
		}
	}
	return nil
}

func validHTML(html string) error {
	if len(html) > maxHTML {
		return fmt.Errorf("the page has %d KB, the most is %d KB: let it load its pictures from elsewhere", len(html)>>10, maxHTML>>10)
	}
	return nil
}

// isToken reports whether s has nothing but letters, digits, dashes and the
// further characters. The empty one has.
func isToken(s, further string) bool {
	for _, c := range []byte(s) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || strings.IndexByte(further, c) >= 0) {
			return false
		}
	}
	return true
}
