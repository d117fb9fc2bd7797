package appliance

import (
	"fmt"

	"github.com/distribution/reference"
)

// ParseImage checks that s can name an image of a registry, as in
// heroku/builder:24 or ghcr.io/acme/blog@sha256:…. What passes never starts
// with a hyphen and has no blanks, so it is also one word of a Dockerfile.
func ParseImage(s string) (Image, error) {
	if len(s) <= 255 {
		if _, err := reference.ParseNormalizedNamed(s); err == nil {
			return Image(s), nil
		}
	}
	return "", WithHint(fmt.Errorf("%w image %q", ErrInvalid, clip(s, 80)), "an image is named as in node:24 or ghcr.io/acme/blog:v3")
}
