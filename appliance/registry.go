package appliance

import (
	"fmt"
	"io"
	"log/slog"
	"slices"

	"github.com/distribution/reference"
)

// DockerHub is what ParseRegistry calls the registry of images that name none.
const DockerHub = "docker.io"

// A RegistryLogin is who somebody is to a registry of images. Printed or
// logged, it does not have its password.
type RegistryLogin struct {
	Server   string // as ParseRegistry returns it
	User     string
	Password string // or a token
}

func (l RegistryLogin) String() string       { return l.User + " at " + l.Server }
func (l RegistryLogin) GoString() string     { return l.String() }
func (l RegistryLogin) LogValue() slog.Value { return slog.StringValue(l.String()) }

// A PushSpec says which image to send to a registry, and by which name there.
type PushSpec struct {
	Image Image
	As    Image
	Login *RegistryLogin // nil for nobody in particular
	Out   io.Writer
}

// A Pushed is an image as a registry has it.
type Pushed struct {
	Reference string `json:"reference"` // "ghcr.io/acme/blog:7"
	Digest    string `json:"digest"`    // "sha256:…"
}

func (p Pushed) String() string {
	if p.Digest == "" {
		return p.Reference
	}
	return p.Reference + "@" + p.Digest
}

// ParseRegistry checks that s can name a registry: a host, with a port if it
// has one of its own. All names of Docker Hub are DockerHub.
func ParseRegistry(s string) (string, error) {
	if slices.Contains([]string{DockerHub, "hub", "hub.docker.com", "index.docker.io", "registry-1.docker.io", "https://index.docker.io/v1/"}, s) {
		return DockerHub, nil
	}
	if len(s) <= 200 {
		if named, err := reference.ParseNormalizedNamed(s + "/a"); err == nil && reference.Domain(named) == s {
			return s, nil
		}
	}
	return "", WithHint(fmt.Errorf("%w registry %q", ErrInvalid, clip(s, 80)), "name its host, as in ghcr.io or registry.example.org:5000, or docker.io for Docker Hub")
}

// Registry returns the registry that an image is of, as ParseRegistry would.
func (i Image) Registry() string {
	named, err := reference.ParseNormalizedNamed(string(i))
	if err != nil {
		return ""
	}
	return reference.Domain(named)
}

// LoginFor returns the login for a registry, or nil. Of several the last goes
// first.
func LoginFor(server string, logins []RegistryLogin) *RegistryLogin {
	for _, l := range slices.Backward(logins) {
		if l.Server == server {
			return &l
		}
	}
	return nil
}
