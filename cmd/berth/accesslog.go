package main

import (
	"context"
	"sync"
)

// keepLog has the access log written until what it returns is called: after
// the last request has ended.
func (d *daemon) keepLog(ctx context.Context) (end func()) {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	var writing sync.WaitGroup
	writing.Go(func() {
		if err := d.routes.AccessLog.Run(ctx); err != nil {
			d.log.Error("access log", "err", err)
		}
	})
	return func() {
		stop()
		writing.Wait()
	}
}
