package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

// A differenceRow is one thing that differs between two releases. What may be
// secret has no values.
type differenceRow struct {
	Part   string `json:"part"` // "image", "config", "process"
	Name   string `json:"name,omitempty"`
	Change string `json:"change"` // "added", "changed", "removed"
	From   string `json:"from,omitempty"`
	To     string `json:"to,omitempty"`
}

func (r releases) diff(ctx context.Context, c *Call) error {
	a, err := version(c, 1)
	if err != nil {
		return err
	}
	b, err := version(c, 2)
	if err != nil {
		return err
	}
	to, _, err := r.Release(ctx, c.App, b)
	from := appliance.Release{}
	if err == nil && a == 0 {
		from, _, err = r.Back(ctx, c.App, 0)
	} else if err == nil {
		from, _, err = r.Release(ctx, c.App, a)
	}
	if errors.Is(err, pipeline.ErrNoRelease) && a == 0 {
		return c.List("", struct{}{}, []string{fmt.Sprintf("Nothing to compare of %s yet", c.App)})
	}
	if err != nil {
		return err
	}
	secrets, err := seesSecrets(ctx, r.Store, c)
	if err != nil {
		return err
	}
	list := differences(from, to, secrets)
	rows := []string{}
	for _, d := range list {
		rows = append(rows, d.line())
	}
	if len(list) == 0 {
		rows = []string{"       nothing differs"}
	}
	value := struct {
		From    int             `json:"from"`
		To      int             `json:"to"`
		Changes []differenceRow `json:"changes"`
	}{from.Version, to.Version, list}
	return c.List(fmt.Sprintf("%s from v%d to v%d", c.App, from.Version, to.Version), value, rows)
}

// line is the difference as people read it, with a sign before it as in other
// diffs.
func (d differenceRow) line() string {
	sign := map[string]string{"added": "+", "removed": "-", "changed": "~"}[d.Change]
	what := d.Part
	if d.Name != "" {
		what += " " + d.Name
	}
	switch {
	case d.From != "" && d.To != "":
		what += fmt.Sprintf(": %s -> %s", d.From, d.To)
	case d.From+d.To != "":
		what += ": " + d.From + d.To
	}
	return "     " + sign + " " + what
}

// differences compares two releases, with or without what starts the
// processes: there may be a token in that.
func differences(from, to appliance.Release, commands bool) []differenceRow {
	list := []differenceRow{}
	one := func(part, a, b string) {
		if a != b {
			list = append(list, differenceRow{part, "", change(a != "", b != ""), a, b})
		}
	}
	one("image", string(from.Image), string(to.Image))
	one("commit", from.Commit, to.Commit)
	one("builder", from.Builder, to.Builder)
	one("stack", string(from.Stack), string(to.Stack))
	one("port", strconv.Itoa(from.WebPort()), strconv.Itoa(to.WebPort()))
	list = append(list, each("config", from.Env, to.Env, false)...)
	list = append(list, each("process", from.Procfile, to.Procfile, commands)...)
	list = append(list, each("formation", numbers(from.Formation), numbers(to.Formation), true)...)
	list = append(list, each("app.json", appJSONParts(from.AppJSON), appJSONParts(to.AppJSON), false)...)
	return append(list, each("service", services(from.Services), services(to.Services), false)...)
}

// each compares what has names, with the values or without.
func each(part string, a, b map[string]string, values bool) (list []differenceRow) {
	names := maps.Clone(a)
	if names == nil {
		names = map[string]string{}
	}
	maps.Copy(names, b)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		was, did := a[name]
		is, does := b[name]
		if was == is && did == does {
			continue
		}
		d := differenceRow{Part: part, Name: name, Change: change(did, does)}
		if values {
			d.From, d.To = was, is
		}
		list = append(list, d)
	}
	return list
}

func change(before, after bool) string {
	switch {
	case !before:
		return "added"
	case !after:
		return "removed"
	}
	return "changed"
}

func numbers(f appliance.Formation) map[string]string {
	m := map[string]string{}
	for typ, n := range f {
		m[typ] = strconv.Itoa(n)
	}
	return m
}

func services(all map[string]appliance.Service) map[string]string {
	m := map[string]string{}
	for typ, service := range all {
		m[typ] = inJSON(service)
	}
	return m
}

// inJSON writes what is to be compared.
func inJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error() // of what came out of the store as JSON
	}
	return string(text)
}
