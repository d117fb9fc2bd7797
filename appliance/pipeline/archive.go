package pipeline

import (
	"context"
	"fmt"
	"io"
	"net/url"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/git"
	"github.com/berthhq/berth/appliance/progress"
)

// An Archive is source in one file.
type Archive struct {
	URL     *url.URL // where it is downloaded from, or
	Content io.Reader
	Type    ArchiveType // "" to look at it
}

// An ArchiveType is a format.
type ArchiveType string

// The formats.
const (
	Tar    ArchiveType = "tar"
	TarGz  ArchiveType = "tar.gz"
	Zipped ArchiveType = "zip"
)

// name is the archive as people are shown it. What is after a question mark
// may be a signature that lets its reader in.
func (a Archive) name() string {
	if a.URL == nil {
		return "stdin"
	}
	return a.URL.Scheme + "://" + a.URL.Host + a.URL.EscapedPath()
}

// FromArchive deploys what is in an archive.
func (p *Pipeline) FromArchive(ctx context.Context, app appliance.AppName, a Archive, by git.Author, out io.Writer) error {
	access, err := p.Access(ctx, app)
	if err != nil {
		return err
	}
	return p.deliver(ctx, app, "git:from-archive "+a.name(), out, func(d *delivery, in *git.Incoming) error {
		limit, err := p.limit(ctx, app, "archive", p.Repos.Dir)
		if err != nil {
			return err
		}
		u := &unarchiver{limit: limit, dir: p.Temp, progress: progress.New(out), files: map[string]int64{}}
		content := a.Content
		if a.URL != nil {
			u.progress.Step("Downloading archive from %s", a.name())
			body, err := download(ctx, a, access)
			if err != nil {
				return fmt.Errorf("download %s: %w", a.name(), err)
			}
			defer body.Close()
			content = body
		} else {
			u.progress.Step("Fetching archive from stdin")
		}
		u.progress.Step("Generating build context")
		err = d.commit(ctx, in, by, func(t *git.Tree) error {
			u.tree = t
			return u.unpack(content, a.Type)
		})
		if err != nil && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	})
}
