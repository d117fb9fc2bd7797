package enginetest

import (
	"context"
	"time"

	"github.com/berthhq/berth/appliance"
)

// Usage tells that each process takes 16 MB, and a hundredth of a CPU.
func (f *Fake) Usage(ctx context.Context, app appliance.AppName) (list []appliance.Usage, err error) {
	if err := f.call("Usage", string(app)); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.processes {
		if p.Running && (app == "" || p.App == app) {
			now := time.Now()
			list = append(list, appliance.Usage{ID: p.ID, App: p.App, CPU: now.Sub(p.Started) / 100, Memory: 16 << 20, At: now})
		}
	}
	return list, nil
}
