package enginetest

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/berthhq/berth/appliance"
)

// Details tells of a process its id, and the names of its environment.
func (f *Fake) Details(ctx context.Context, id string) ([]byte, error) {
	if err := f.call("Details", id); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.find(id)
	if p == nil {
		return nil, appliance.ErrNotFound
	}
	names := []string{}
	for _, pair := range p.spec.Env {
		name, _, _ := strings.Cut(pair, "=")
		names = append(names, name)
	}
	return json.Marshal(map[string]any{"Id": id, "Config": map[string]any{"Env": names}})
}
