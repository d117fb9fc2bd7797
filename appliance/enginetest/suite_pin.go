package enginetest

import (
	"errors"

	"github.com/berthhq/berth/appliance"
)

var pinPromises = []promise{
	{"Pin is no process, and keeps nothing from Prune", func(w *world) {
		w.commit("one")
		w.commit("two")
		for range 2 { // twice is no error
			if err := w.e.Pin(w.Context(), w.app, w.tag("one"), w.tag("two"), w.tag("nowhere")); err != nil {
				w.Fatal(err)
			}
		}

		if found := w.processes(); len(found) != 0 {
			w.Errorf("processes = %v, want none", found)
		}
		if err := w.e.Prune(w.Context(), w.app, w.tag("two")); err != nil {
			w.Fatal(err)
		}
		if _, err := w.e.Inspect(w.Context(), w.tag("one")); !errors.Is(err, appliance.ErrNotFound) {
			w.Errorf("an image that is not kept: %v, want ErrNotFound", err)
		}
		if _, err := w.e.Inspect(w.Context(), w.tag("two")); err != nil {
			w.Errorf("the image that is kept: %v", err)
		}
	}},

	{"Destroy removes what is pinned", func(w *world) {
		w.commit("one")
		if err := w.e.Pin(w.Context(), w.app, w.tag("one")); err != nil {
			w.Fatal(err)
		}

		if err := w.e.Destroy(w.Context(), w.app); err != nil {
			w.Fatal(err)
		}

		if _, err := w.e.Inspect(w.Context(), w.tag("one")); !errors.Is(err, appliance.ErrNotFound) {
			w.Errorf("its image: %v, want ErrNotFound", err)
		}
	}},

	{"Pin of no app is an error", func(w *world) {
		if err := w.e.Pin(w.Context(), "", w.image); err == nil {
			w.Error("there is none")
		}
	}},
}
