package pipeline

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/git"
	"github.com/berthhq/berth/appliance/progress"
)

// An image that comes in an archive gets a name that is the app's and that
// nobody can guess, whatever the archive calls it: names of others are not
// moved. A commit says FROM with that name, so the image is needed for as long
// as the commit of a kept release does.

// loadedSetting is set for an app that had an image in an archive.
const loadedSetting = "loaded-images"

// loadedMark is what the tags of such images begin with.
const loadedMark = "loaded-"

// ImageMaxSizeSetting and ImageMaxFilesSetting bound an image of an archive,
// unpacked.
const (
	ImageMaxSizeSetting  = "image-max-size"
	ImageMaxFilesSetting = "image-max-files"
)

// A SavedImage is an image in an archive, as docker save writes it.
type SavedImage struct {
	Content io.Reader
	Name    appliance.Image // the one that is meant; "" for the only one
	Force   bool            // deploy it again if it is what the branch has
}

// LoadImage deploys an image out of an archive.
func (p *Pipeline) LoadImage(ctx context.Context, app appliance.AppName, i SavedImage, by git.Author, out io.Writer) (err error) {
	source := strings.TrimSpace("git:load-image " + string(i.Name))
	return p.deliver(ctx, app, source, out, func(d *delivery, in *git.Incoming) error {
		to := progress.New(out)
		to.Step("Fetching image from stdin")
		image, err := d.load(ctx, i)
		if err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return err
		}
		defer p.state(app).hold(image)()
		to.Step("Generating build context")
		d.force = i.Force
		if err := d.commitImage(ctx, in, image, by); err != nil {
			d.forgetLoaded(ctx)
			return err
		}
		return nil
	})
}

// load has the engine take in an image that was looked through, and returns its
// name. One that the engine has already keeps the name that it has.
func (d *delivery) load(ctx context.Context, i SavedImage) (image appliance.Image, err error) {
	dir, err := os.MkdirTemp(d.Temp, "image-"+string(d.app)+"-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	arriving, err := d.limit(ctx, d.app, "image", dir)
	if err != nil {
		return "", err
	}
	s, err := readSaved(dir, i.Content, arriving)
	if err != nil {
		return "", err
	}
	if s.limit, err = d.limit(ctx, d.app, "image", dir); err != nil { // there is less room now
		return "", err
	}
	chosen, err := s.choose(i.Name)
	if err != nil {
		return "", err
	}
	spec, sum, err := s.check(chosen)
	if err != nil {
		return "", err
	}
	images, err := d.Engine.Images(ctx, d.app)
	if err != nil {
		return "", err
	}
	prefix := fmt.Sprintf("%s/%s:%s%s-", d.Instance, d.Service(d.app), loadedMark, sum)
	if n := slices.IndexFunc(images, func(image appliance.Image) bool { return strings.HasPrefix(string(image), prefix) }); n >= 0 {
		return images[n], nil
	}
	if err := d.Store.SetApp(ctx, d.app, loadedSetting, "true"); err != nil {
		return "", err
	}
	spec.App, spec.Tag = d.app, appliance.Image(prefix+strings.ToLower(rand.Text()))
	return spec.Tag, d.Engine.Load(ctx, spec)
}

// forgetLoaded removes an image that was not deployed.
func (d *delivery) forgetLoaded(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	err := d.run(ctx, d.app, "cleanup", io.Discard, func(r *run) error {
		r.state.release()
		keep, err := r.needed(ctx)
		if err != nil {
			return err
		}
		return r.Engine.Prune(ctx, r.app, keep...)
	})
	if err != nil && !errors.Is(err, appliance.ErrNotFound) {
		d.Log.WarnContext(ctx, "remove an image that was not deployed", "app", d.app, "err", err)
	}
}

// loaded returns the images that came in archives and that the commits of
// releases are made of, and those that are about to be deployed.
func (p *Pipeline) loaded(ctx context.Context, app appliance.AppName, releases []appliance.Release) ([]appliance.Image, error) {
	has, err := p.Store.AppSetting(ctx, app, loadedSetting)
	if err != nil || has == "" {
		return nil, err
	}
	list := p.state(app).held()
	var commits []string
	for _, release := range releases {
		if release.Commit == "" || release.Status == appliance.ReleaseFailed || slices.Contains(commits, release.Commit) {
			continue
		}
		commits = append(commits, release.Commit)
		text, err := p.Repos.File(ctx, app, release.Commit, "Dockerfile", 1024)
		if errors.Is(err, appliance.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		image, from := strings.CutPrefix(strings.TrimSpace(string(text)), "FROM ")
		if from && strings.HasPrefix(image, fmt.Sprintf("%s/%s:%s", p.Instance, p.Service(app), loadedMark)) {
			list = append(list, appliance.Image(image))
		}
	}
	return list, nil
}
