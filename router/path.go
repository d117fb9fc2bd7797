package router

import (
	"iter"
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

// readings are the ways in which an app may read a path: decoded not at all, or
// as often as it can be; and of the others that are usual (backslashes for
// slashes, without parameters behind a semicolon, without empty segments, dots
// followed) each may be done or not. What only some of them tidy up can lead
// elsewhere than what all of them together make of it.
func readings(path string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for range 4 {
			for ways := range 1 << 4 {
				if !yield(read(path, ways)) {
					return
				}
			}
			decoded, err := url.PathUnescape(path)
			if err != nil || decoded == path {
				return
			}
			path = decoded
		}
	}
}

const (
	backslashes = 1 << iota
	parameters
	empties
	dots
)

// read reads a path in some of those ways.
func read(path string, ways int) string {
	if ways&backslashes != 0 {
		path = strings.ReplaceAll(path, `\`, "/")
	}
	segments := make([]string, 0, 16)
	for s := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if ways&parameters != 0 {
			s, _, _ = strings.Cut(s, ";")
		}
		switch {
		case ways&empties != 0 && s == "", ways&dots != 0 && s == ".":
		case ways&dots != 0 && s == "..":
			segments = segments[:max(0, len(segments)-1)]
		default:
			segments = append(segments, s)
		}
	}
	return "/" + strings.Join(segments, "/")
}
