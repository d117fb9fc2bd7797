package static

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// A Pattern matches paths: * stands for anything but a slash, ** for anything.
type Pattern struct {
	text  string
	match *regexp.Regexp
}

// ParsePattern reads one.
func ParsePattern(s string) (Pattern, error) {
	if !strings.HasPrefix(s, "/") {
		return Pattern{}, errors.New("a path begins with a slash")
	}
	if len(s) > 1000 {
		return Pattern{}, errors.New("it is too long for a path")
	}
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	for i, part := range strings.Split(s, "**") {
		if i > 0 {
			b.WriteString(`.*`)
		}
		for j, plain := range strings.Split(part, "*") {
			if j > 0 {
				b.WriteString(`[^/]*`)
			}
			b.WriteString(regexp.QuoteMeta(plain))
		}
	}
	b.WriteString(`\z`)
	match, err := regexp.Compile(b.String())
	if err != nil {
		return Pattern{}, fmt.Errorf("%.100q is no pattern: %w", s, err)
	}
	return Pattern{s, match}, nil
}

// Matches tells whether a path is one of those that the pattern stands for.
// The zero Pattern matches nothing.
func (p Pattern) Matches(path string) bool { return p.match != nil && p.match.MatchString(path) }

func (p Pattern) String() string { return p.text }
