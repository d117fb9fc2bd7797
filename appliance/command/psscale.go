package command

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

var processType = regexp.MustCompile(`^[A-Za-z0-9_-]{1,63}$`) // as in a Procfile

func (s ps) scale(ctx context.Context, c *Call) error {
	app, err := s.Store.App(ctx, c.App)
	if err != nil {
		return err
	}
	_, scaled, err := s.Wanted(ctx, c.App)
	if err != nil {
		return err
	}
	var live appliance.Release
	if app.LiveRelease != 0 {
		if live, err = s.Store.Release(ctx, c.App, app.LiveRelease); err != nil {
			return err
		}
		maps.Copy(scaled, pipeline.Formation(live, scaled))
	} else if _, ok := scaled[pipeline.Web]; !ok {
		scaled[pipeline.Web] = 1
	}
	if len(c.Args) == 1 {
		return s.showScale(c, scaled)
	}
	change, err := parseScale(c.Args[1:], scaled)
	if err != nil {
		return err
	}
	types := slices.Sorted(maps.Keys(change))
	for _, typ := range types {
		if app.LiveRelease == 0 {
			break // nobody knows which types there will be
		}
		if err := canScale(live, typ); err != nil {
			return err
		}
	}
	for _, typ := range types {
		fmt.Fprintf(c.Stdout, "-----> Scaling %s to %d\n", typ, change[typ])
	}
	if c.Bool("skip-deploy") {
		return s.ScaleNext(ctx, c.App, change)
	}
	return s.Scale(ctx, c.App, change, c.Stdout)
}

// parseScale reads "web=2", and "web=+1" for one more than now.
func parseScale(args []string, now appliance.Formation) (appliance.Formation, error) {
	change := appliance.Formation{}
	for _, arg := range args {
		typ, count, _ := strings.Cut(arg, "=")
		n, err := strconv.Atoi(count)
		if strings.HasPrefix(count, "+") || strings.HasPrefix(count, "-") {
			n += now[typ]
		}
		if err != nil || n < 0 || n > appliance.MaxProcesses || !processType.MatchString(typ) {
			return nil, appliance.WithHint(fmt.Errorf("%w scale %.60q", appliance.ErrInvalid, arg),
				fmt.Sprintf("write it as type=count with a count from 0 to %d, as in web=2, or web=+1 for one more", appliance.MaxProcesses))
		}
		change[typ] = n
	}
	return change, nil
}

// canScale returns an error for a process type of which a release does not
// leave to people how many run.
func canScale(live appliance.Release, typ string) error {
	formation := pipeline.Formation(live, nil)
	_, found := formation[typ]
	switch {
	case typ == pipeline.Release:
		return appliance.WithHint(fmt.Errorf("%w process type: release runs once before each deploy, and is never scaled", appliance.ErrInvalid),
			"give what is to keep running another name in the Procfile")
	case live.AppJSON.Formation[typ].Quantity != nil:
		return appliance.WithHint(fmt.Errorf("%s of %s cannot be scaled: its app.json says how many run", typ, live.App),
			fmt.Sprintf("change formation.%s.quantity in app.json, or remove it, and push", typ))
	case !found:
		return appliance.WithHint(fmt.Errorf("process type %.60q of %s %w", typ, live.App, appliance.ErrNotFound),
			"v"+strconv.Itoa(live.Version)+" has "+strings.Join(slices.Sorted(maps.Keys(formation)), ", "))
	}
	return nil
}

// A scaleRow is how many of a type run, as in Dokku.
type scaleRow struct {
	Type     string `json:"process_type"`
	Quantity int    `json:"quantity"`
}

// showScale shows how many of each type run, or will from the next deploy on.
func (s ps) showScale(c *Call, formation appliance.Formation) error {
	list, rows := []scaleRow{}, []string{}
	if quiet := c.Bool("quiet"); !quiet {
		rows = append(rows, "proctype: qty", "--------: ---")
	}
	for _, typ := range slices.Sorted(maps.Keys(formation)) {
		list = append(list, scaleRow{typ, formation[typ]})
		rows = append(rows, fmt.Sprintf("%s: %d", typ, formation[typ]))
	}
	return c.List("Scaling for "+string(c.App), list, rows)
}
