package pipeline

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/git"
	"github.com/berthhq/berth/appliance/progress"
)

// FromImage deploys an image that was built elsewhere: a commit with a
// Dockerfile that is nothing but FROM it.
func (p *Pipeline) FromImage(ctx context.Context, app appliance.AppName, image appliance.Image, by git.Author, out io.Writer) error {
	if err := p.mayRun(ctx, app, image); err != nil {
		return err
	}
	return p.deliver(ctx, app, "git:from-image "+string(image), out, func(d *delivery, in *git.Incoming) error {
		progress.New(out).Step("Generating build context")
		return d.commitImage(ctx, in, image, by)
	})
}

// commitImage deploys a commit that is made of an image.
func (d *delivery) commitImage(ctx context.Context, in *git.Incoming, image appliance.Image, by git.Author) error {
	return d.commit(ctx, in, by, func(t *git.Tree) error {
		content := "FROM " + string(image) + "\n"
		return t.File("Dockerfile", false, int64(len(content)), strings.NewReader(content))
	})
}

// mayRun refuses the images of other apps to whoever may not work on them.
func (p *Pipeline) mayRun(ctx context.Context, app appliance.AppName, image appliance.Image) error {
	name := strings.TrimPrefix(strings.TrimPrefix(string(image), "docker.io/"), "library/")
	rest, ours := strings.CutPrefix(name, p.Instance+"/")
	if !ours || appliance.ActorFrom(ctx).Admin || strings.HasPrefix(rest, p.Service(app)+":") {
		return nil
	}
	return fmt.Errorf("image %s is of another app: %w", image, appliance.ErrDenied)
}
