package pipeline

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/berthhq/berth/appliance"
)

// Settings about builds, of the machine and, but for the second, of an app.
const (
	RetentionSetting = "builds-retention" // how many builds of an app are kept
	ParallelSetting  = "builds-parallel"  // how many apps are built at the same time
)

// What holds until somebody has set another.
const (
	DefaultRetention = 20
	DefaultParallel  = 1
)

// Retention returns how many builds of an app are kept.
func (p *Pipeline) Retention(ctx context.Context, app appliance.AppName) (int, error) {
	own, err := p.Store.AppSetting(ctx, app, RetentionSetting)
	if err != nil {
		return 0, err
	}
	all, err := p.Store.Setting(ctx, RetentionSetting)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(cmp.Or(own, all, strconv.Itoa(DefaultRetention)))
}

// Parallel returns how many apps are built at the same time.
func (p *Pipeline) Parallel(ctx context.Context) (int, error) {
	n, err := p.Store.Setting(ctx, ParallelSetting)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(cmp.Or(n, strconv.Itoa(DefaultParallel)))
}

// SetParallel changes how many apps are built at the same time; 0 takes it
// back. Who waits already gets through if there is room now.
func (p *Pipeline) SetParallel(ctx context.Context, n int) error {
	value := ""
	if n != 0 {
		value = strconv.Itoa(n)
	}
	if err := p.Store.Set(ctx, ParallelSetting, value); err != nil {
		return err
	}
	p.builds.allow(cmp.Or(n, DefaultParallel))
	return nil
}

// Cancel ends a run of an app that goes on or waits, and returns its record
// once it has ended: as succeeded, if its switch had begun. The run is that of
// a number, or for 0 that which began first.
func (p *Pipeline) Cancel(ctx context.Context, app appliance.AppName, number int) (appliance.Build, error) {
	rec := p.state(app).recording(number)
	if rec == nil {
		return appliance.Build{}, fmt.Errorf("a running build of %s %w", app, appliance.ErrNotFound)
	}
	rec.cancel(&canceledError{appliance.ActorFrom(ctx).Name})
	select {
	case <-rec.done:
		return rec.Build, nil
	case <-ctx.Done():
		return appliance.Build{}, context.Cause(ctx)
	}
}

// Output copies what a build has printed to w. With follow it goes on until
// the build has ended.
func (p *Pipeline) Output(ctx context.Context, app appliance.AppName, number int, follow bool, w io.Writer) error {
	to := &copier{w: w, lineEnd: true}
	for {
		var more, done <-chan struct{}
		// Before the store is asked, so that nothing is missed in between.
		rec := p.state(app).recording(number)
		if rec != nil {
			more, done = rec.printed.more(), rec.done
		}
		chunks, err := p.Store.Output(ctx, app, number, to.at)
		if err != nil {
			return err
		}
		for _, c := range chunks {
			if err := to.copy(c); err != nil {
				return err
			}
		}
		if !follow || rec == nil {
			return nil
		}
		select {
		case <-more:
		case <-done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// A copier copies chunks, and says where something was left out.
type copier struct {
	w       io.Writer
	at      int64 // where the next chunk begins if nothing is left out
	lineEnd bool  // the last one ended with its line
}

func (o *copier) copy(c appliance.Chunk) error {
	text := c.Text
	if gap := c.At - o.at; gap > 0 {
		if !o.lineEnd {
			fmt.Fprintln(o.w)
		}
		if i := bytes.IndexByte(text, '\n'); i >= 0 { // the rest of a line that has no beginning
			text = text[i+1:]
		}
		fmt.Fprintf(o.w, "       … %s were left out here …\n", size(gap))
	}
	o.at = c.At + int64(len(c.Text))
	o.lineEnd = bytes.HasSuffix(c.Text, []byte("\n"))
	_, err := o.w.Write(text)
	return err
}
