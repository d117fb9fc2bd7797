package builder

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/berthhq/berth/appliance"
)

// A Buildpack is a classic buildpack that somebody has asked for: a built-in
// one, or one that the build fetches.
type Buildpack struct {
	Name    string // of a built-in one, else ""
	URL     string // of a git repository or an archive, by http or https; may hold credentials
	Ref     string // of the repository: a branch, a tag or a commit; "" for what it gives out itself
	Archive bool
}

var (
	builtInName  = regexp.MustCompile(`^(berth/)?([a-z0-9-]{1,40})$`)
	shortName    = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9-]{0,99})/([A-Za-z0-9_][A-Za-z0-9_.-]{0,99})$`)
	scpName      = regexp.MustCompile(`^git@([A-Za-z0-9.-]{1,250}):([^/].*)$`)
	urlText      = regexp.MustCompile(`^[A-Za-z0-9._~:/?@!$&()*+,;=%-]{1,1000}$`)
	refName      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/+-]{0,199}$`)
	archiveName  = regexp.MustCompile(`\.(tgz|tar|tar\.gz|tbz|tbz2|tar\.bz2|txz|tar\.xz|zip)$`)
	credentialed = regexp.MustCompile(`//.*@`)
)

// ParseBuildpack reads how people name buildpacks: nodejs (built in),
// owner/name (of GitHub), the address of a git repository with or without
// #ref, or that of an archive.
func ParseBuildpack(s string) (Buildpack, error) {
	s = strings.TrimSpace(s)
	if m := builtInName.FindStringSubmatch(s); m != nil {
		if slices.Contains(BuiltIn(), m[2]) {
			return Buildpack{Name: m[2]}, nil
		}
		return Buildpack{}, badBuildpack(s, "there is none of that name", "built in are: "+strings.Join(BuiltIn(), ", "))
	}
	address, ref, hasRef := strings.Cut(s, "#")
	if hasRef && (!refName.MatchString(ref) || strings.Contains(ref, "..") || strings.Contains(ref, "//")) {
		return Buildpack{}, badBuildpack(s, "what follows # is no branch, tag or commit", "as in "+exampleBuildpack+"#v3")
	}
	if m := shortName.FindStringSubmatch(address); m != nil {
		owner := m[1]
		if owner == "heroku-community" {
			owner = "heroku"
		}
		return Buildpack{URL: "https://github.com/" + owner + "/heroku-buildpack-" + m[2] + ".git", Ref: ref}, nil
	}
	if m := scpName.FindStringSubmatch(address); m != nil {
		address = "https://" + m[1] + "/" + m[2]
	} else if rest, ok := strings.CutPrefix(address, "git://"); ok {
		address = "https://" + rest
	}
	u, err := url.Parse(address)
	if err != nil || !urlText.MatchString(address) || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || strings.Trim(u.Path, "/") == "" {
		return Buildpack{}, badBuildpack(s, "neither a name nor a http or https address",
			"name one that is built in ("+strings.Join(BuiltIn(), ", ")+"), one of GitHub as owner/name, or give an address, as in "+exampleBuildpack)
	}
	b := Buildpack{URL: address, Ref: ref, Archive: archiveName.MatchString(strings.ToLower(path.Base(u.Path)))}
	if b.Archive && hasRef {
		return Buildpack{}, badBuildpack(s, "an archive has no branches", "leave out what follows #")
	}
	return b, nil
}

const exampleBuildpack = "https://github.com/heroku/heroku-buildpack-apt.git"

func badBuildpack(s, why, advice string) error {
	return appliance.WithHint(fmt.Errorf("%w buildpack %.120q: %s", appliance.ErrInvalid, credentialed.ReplaceAllString(s, "//…@"), why), advice)
}

// String is how people are shown b: without credentials.
func (b Buildpack) String() string {
	if b.Name != "" {
		return b.Name
	}
	shown := credentialed.ReplaceAllString(b.URL, "//")
	if b.Ref != "" {
		shown += "#" + b.Ref
	}
	return shown
}

// Secret reports whether b's address holds credentials.
func (b Buildpack) Secret() bool { return credentialed.MatchString(b.URL) }

// id names what is kept of b from build to build, whatever its ref.
func (b Buildpack) id() string {
	if b.Name != "" {
		return b.Name
	}
	return fmt.Sprintf("%.8x", sha256.Sum256([]byte(credentialed.ReplaceAllString(b.URL, "//"))))
}

// detectionOrder is the order in which the built-in buildpacks look at a
// source that says nothing of buildpacks. A language comes before what may lie
// in its repository besides.
var detectionOrder = []string{"ruby", "nodejs", "python", "go", "php", "static", "procfile"}

// BuiltIn returns the names of the built-in buildpacks: those that look at a
// source, in their order, and then the others.
func BuiltIn() []string {
	dirs, err := fs.ReadDir(stackFiles, "stack/root/build/buildpacks")
	if err != nil {
		panic(errors.Join(errors.New("the buildpacks are not embedded"), err))
	}
	var there []string
	for _, d := range dirs {
		there = append(there, d.Name())
	}
	var names []string
	for _, name := range detectionOrder {
		if slices.Contains(there, name) {
			names = append(names, name)
		}
	}
	for _, name := range there {
		if !slices.Contains(detectionOrder, name) {
			names = append(names, name)
		}
	}
	return names
}
