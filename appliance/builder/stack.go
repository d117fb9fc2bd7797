package builder

import (
	"context"
	"fmt"
	"io"
	"regexp"

	"github.com/berthhq/berth/appliance"
)

// A Stack is the image that buildpacks build on and that what they built runs
// on.
type Stack struct {
	Instance string                    // the names of its images start with it: "berth"
	Base     appliance.Image           // somebody else's image to use in place of this machine's own base
	Edition  string                    // another one has packages, or the image, fetched anew
	Binary   string                    // the berth binary to put into it; the running one if ""
	Logins   []appliance.RegistryLogin // for somebody else's image; they serve all apps, as the stack does
	CAs      string                    // the directory of the machine's extra certificate authorities, *.crt; DefaultCAs if ""
}

// DefaultCAs is where Debian and Ubuntu keep certificate authorities that the
// administrator of the machine has added.
const DefaultCAs = "/usr/local/share/ca-certificates"

// OwnStack is what people call the stack that the machine makes itself.
const OwnStack = "debian-12"

// StackVersion is the label of a stack's image that says what it is:
// "debian-12.11-20250517-3f2a1c9e", or the name of somebody else's image.
const StackVersion = "berth.stack.version"

var herokuStack = regexp.MustCompile(`^heroku-([0-9]{2})$`)

// ParseStack checks that s can name a stack, and returns the image that is
// its base: "" for the machine's own. Heroku's names stand for its images.
func ParseStack(s string) (appliance.Image, error) {
	if s == OwnStack {
		return "", nil
	}
	if m := herokuStack.FindStringSubmatch(s); m != nil {
		return appliance.Image("heroku/heroku:" + m[1] + "-build"), nil
	}
	image, err := appliance.ParseImage(s)
	return image, appliance.WithHint(err,
		"name this machine's own, "+OwnStack+", or one of Heroku's, as in heroku-24, or an image of a registry, as in heroku/heroku:24-build")
}

// Name is what people call the stack in settings.
func (s Stack) Name() string {
	if s.Base == "" {
		return OwnStack
	}
	return string(s.Base)
}

// BaseImage is what Import makes.
func (s Stack) BaseImage() appliance.Image { return appliance.Image(s.Instance + "/base:debian-12") }

// Import makes the base image of a root file system, a tar stream, and then
// the stack.
func (s Stack) Import(ctx context.Context, e appliance.Engine, rootfs io.Reader, out io.Writer) (appliance.Image, error) {
	if err := e.Import(ctx, s.BaseImage(), rootfs); err != nil {
		return "", fmt.Errorf("import the base image: %w", err)
	}
	return s.Ensure(ctx, e, out)
}
