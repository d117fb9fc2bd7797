package pipeline

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/berthhq/berth/appliance"
)

// A timing is how long a stage took.
type timing struct {
	stage appliance.Stage
	took  time.Duration
}

// stage runs one stage: it says how it went to the log and the audit trail,
// keeps its time, and names the stage in the error. What the stage does is
// fn's business alone.
func (r *run) stage(ctx context.Context, name appliance.Stage, fn func() error) error {
	r.Log.DebugContext(ctx, "stage begins", "app", r.app, "stage", name)
	start := time.Now()
	err := fn()
	if err != nil {
		err = &appliance.StageError{Stage: name, Err: err}
	}
	took := time.Since(start)
	r.took = append(r.took, timing{name, took})
	r.Log.InfoContext(ctx, "stage", "app", r.app, "stage", name, "took", took, "err", err)
	r.record(ctx, name, took, err)
	return err
}

// record writes the audit line of a stage, even if ctx has been cancelled.
func (r *run) record(ctx context.Context, name appliance.Stage, took time.Duration, stageErr error) {
	actor := appliance.ActorFrom(ctx)
	e := appliance.Event{
		Actor: actor.Name, Door: actor.Door, From: actor.From, App: r.app,
		Action: "stage:" + string(name), Detail: seconds(took),
	}
	if stageErr != nil {
		e.Error = stageErr.Error()
	}
	if err := r.Store.Record(context.WithoutCancel(ctx), e); err != nil {
		r.Log.ErrorContext(ctx, "record event", "err", err)
	}
}

// timings tells how long each stage took: "build 3.1s, deploy 0.8s".
func (r *run) timings() string {
	var list []string
	for _, t := range r.took {
		list = append(list, fmt.Sprintf("%s %s", t.stage, seconds(t.took)))
	}
	return strings.Join(list, ", ")
}
