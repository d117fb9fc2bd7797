package builder

import (
	"context"
	"fmt"
	"io"

	"github.com/berthhq/berth/appliance"
)

// A Stack is the image that buildpacks build on and that what they built runs
// on.
type Stack struct {
	Instance string          // the names of its images start with it: "berth"
	Base     appliance.Image // a registry's image to use in place of the one that Import made
	Binary   string          // the berth binary to put into it; the running one if ""
	CAs      string          // the directory of the machine's extra certificate authorities, *.crt; DefaultCAs if ""
}

// DefaultCAs is where Debian and Ubuntu keep certificate authorities that the
// administrator of the machine has added.
const DefaultCAs = "/usr/local/share/ca-certificates"

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
