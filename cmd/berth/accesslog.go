package main

import (
	"context"
	"sync"
)

// keepLogs has the access log written, and drains sent what they are for, until
// what it returns is called: after the last request has ended.
func (d *daemon) keepLogs(ctx context.Context) (end func()) {
	endDrains := d.keep(ctx, "drains", d.drains.Run)
	endLog := d.keep(ctx, "access log", d.routes.AccessLog.Run)
	return func() {
		endLog() // which leaves its last for the drains
		endDrains()
	}
}

// keep has something run until what it returns is called.
func (d *daemon) keep(ctx context.Context, what string, run func(context.Context) error) (end func()) {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() {
		if err := run(ctx); err != nil {
			d.log.Error(what, "err", err)
		}
	})
	return func() {
		stop()
		running.Wait()
	}
}
