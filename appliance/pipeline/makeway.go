package pipeline

import (
	"context"
	"slices"

	"github.com/berthhq/berth/appliance"
)

// makeWay ends what runs of a type that keeps data in a volume, before another
// generation of it starts: two databases on the same files destroy them. Web is
// left to serve; it is the one type that must not be away for a moment.
//
// If the deploy fails after that, the restore that follows every deploy starts
// them again.
func (r *run) makeWay(ctx context.Context, typ string, service appliance.Service, old []appliance.Process) error {
	if typ == Web || len(service.Mounts) == 0 {
		return nil
	}
	old = slices.DeleteFunc(slices.Clone(old), func(p appliance.Process) bool { return p.Type != typ })
	if len(old) == 0 {
		return nil
	}
	r.progress.Detail("%s keeps data in a volume: the one that runs ends before the next starts", typ)
	r.state.missed.Store(true)
	return r.Engine.Stop(ctx, grace, ids(old)...)
}
