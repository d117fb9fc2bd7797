package appliance

import (
	"fmt"
	"regexp"
	"time"
)

// An AppName is a name that has passed ParseAppName. It is safe to use as a
// host name's first label, a directory, and part of an image tag, and it never
// starts with a hyphen, so no program takes it for an option.
type AppName string

// An App is one deployable thing: a name, a git repository, and whatever has
// been released from it.
type App struct {
	Name      AppName
	CreatedAt time.Time

	// Provisional is true from an app's first push until something of it has
	// been deployed. A push that is refused takes a provisional app with it.
	Provisional bool

	// Live is the generation of processes that should serve the app, and
	// LiveRelease the version it was started from. Both are zero for an app
	// that has never been deployed.
	Live        Generation
	LiveRelease int
}

// A Generation names what one deploy started. Two deploys of the same release
// have two generations.
type Generation string

var appName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// ParseAppName checks that s can name an app. The strictest of the things a
// name becomes, the host label (RFC 1123), decides: 1 to 63 lower-case
// letters, digits and hyphens, with no hyphen at either end. Punycode labels
// ("xn--…") are refused, because what a browser shows for them is another
// name.
func ParseAppName(s string) (AppName, error) {
	if !appName.MatchString(s) || len(s) > 3 && s[2:4] == "--" {
		return "", WithHint(
			fmt.Errorf("%w app name %q", ErrInvalid, clip(s, 80)),
			"use 1 to 63 lower-case letters, digits and hyphens, with no hyphen at either end, as in my-blog")
	}
	return AppName(s), nil
}

// clip shortens s to at most n bytes, for an error that quotes it.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}
