package command

import (
	"context"
	"errors"
	"fmt"

	"github.com/berthhq/berth/appliance/pipeline"
)

// A planRow is what a build would do, as scripts are shown it.
type planRow struct {
	App     string            `json:"app"`
	Branch  string            `json:"branch"`
	Commit  string            `json:"commit"`
	Builder string            `json:"builder"`
	Reason  string            `json:"reason"`
	Details []string          `json:"details"`
	Limits  map[string]string `json:"limits"`
}

func (b builds) explain(ctx context.Context, c *Call) error {
	plan, err := b.Explain(ctx, c.App, c.Stderr)
	if errors.Is(err, pipeline.ErrNothingPushed) {
		return c.List("", struct{}{}, []string{fmt.Sprintf("Nothing has been pushed to %s yet", c.App)})
	}
	if err != nil {
		return err
	}
	row := planRow{string(c.App), plan.Branch, plan.Commit, plan.Builder, plan.Reason, append([]string{}, plan.Lines...), map[string]string{}}
	rows, arrow := []string{}, "-----> "
	if c.Bool("quiet") {
		arrow = ""
	}
	rows = append(rows, fmt.Sprintf("%s%s (%s)", arrow, plan.Builder, plan.Reason))
	for _, line := range plan.Lines {
		rows = append(rows, "       "+line)
	}
	if !c.Bool("quiet") {
		rows = append(rows, "-----> It may take, as resource:limit says")
	}
	for _, l := range pipeline.Limits {
		row.Limits[l.Name] = l.Show(plan.Fence)
		rows = append(rows, fmt.Sprintf("       %-11s%s", l.Name+":", l.Show(plan.Fence)))
	}
	return c.List(fmt.Sprintf("What a build of %s would do (%.7s on %s)", c.App, plan.Commit, plan.Branch), row, rows)
}
