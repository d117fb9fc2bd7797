package enginetest

import (
	"context"
	"errors"
	"maps"

	"github.com/berthhq/berth/appliance"
)

// Pin keeps these images of app, and none of those that it kept before.
func (f *Fake) Pin(ctx context.Context, app appliance.AppName, images ...appliance.Image) error {
	if err := f.refused("Pin"); err != nil {
		return err
	}
	if app == "" {
		return errors.New("pin: no app given")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	pinned := map[appliance.Image]*fakeImage{}
	for _, name := range images {
		if i, err := f.image(name); err == nil {
			pinned[name] = i
		} else if i := f.pins[app][name]; i != nil && f.there(i) {
			pinned[name] = i
			f.images[name] = i
		}
	}
	if f.pins == nil {
		f.pins = map[appliance.AppName]map[appliance.Image]*fakeImage{}
	}
	f.pins[app] = pinned
	return nil
}

// there tells whether an image has a name, or an id, left. The caller holds mu.
func (f *Fake) there(i *fakeImage) bool {
	for _, other := range f.images {
		if other == i {
			return true
		}
	}
	return false
}

// Tidy does what "docker image prune -a" does: what nothing uses is gone.
func (f *Fake) Tidy() {
	f.mu.Lock()
	defer f.mu.Unlock()
	used := map[*fakeImage]bool{}
	for _, p := range f.processes {
		used[p.image] = true
	}
	for _, pinned := range f.pins {
		for _, i := range pinned {
			used[i] = true
		}
	}
	maps.DeleteFunc(f.images, func(_ appliance.Image, i *fakeImage) bool { return i.app != "" && !used[i] })
}

// Unpin does what "docker container prune" does: nothing is pinned any more.
func (f *Fake) Unpin() {
	f.mu.Lock()
	pins := f.pins
	f.pins = nil
	f.mu.Unlock()
	for app := range pins {
		f.tell(app)
	}
}

// Untag does what "docker image prune -a" does to one of two names of an image:
// the image is still there.
func (f *Fake) Untag(name appliance.Image) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if i := f.images[name]; i != nil {
		f.images[appliance.Image(i.info.ID)] = i
		delete(f.images, name)
	}
}

// Lost does what "docker rmi -f" does: the image is gone, whoever uses it.
func (f *Fake) Lost(name appliance.Image) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if lost, err := f.image(name); err == nil {
		maps.DeleteFunc(f.images, func(_ appliance.Image, i *fakeImage) bool { return i == lost })
	}
}
