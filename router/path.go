package router

import (
	"net/http"
	"net/url"
	"strings"
)

var unclear = &page{http.StatusBadRequest, "bad-path", "Which page is that?",
	"The address has a path that can be read in two ways, and they lead to different apps.", 0}

// isPlain reports whether there is only one way to read a path.
func isPlain(path string) bool {
	return !strings.ContainsAny(path, `%\;`) && !strings.Contains(path, "//") && !strings.Contains(path, "/.")
}

// asRead is a path as the most liberal app may read it: decoded as often as
// it can be, with backslashes for slashes, without parameters behind a
// semicolon, empty segments and dots.
func asRead(path string) string {
	for range 3 {
		decoded, err := url.PathUnescape(path)
		if err != nil || decoded == path {
			break
		}
		path = decoded
	}
	var segments []string
	for s := range strings.SplitSeq(strings.ReplaceAll(path, `\`, "/"), "/") {
		switch s, _, _ = strings.Cut(s, ";"); s {
		case "", ".":
		case "..":
			segments = segments[:max(0, len(segments)-1)]
		default:
			segments = append(segments, s)
		}
	}
	return "/" + strings.Join(segments, "/")
}
