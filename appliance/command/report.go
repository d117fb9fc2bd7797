package command

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/berthhq/berth/appliance"
)

// properties are what a report shows: names as scripts read them, with their
// values, in order.
type properties [][2]string

// Report prints properties below a heading, in Dokku's form, or as one JSON
// object.
//
// A flag that is the name of a property, as in --app-locked, has only its value
// printed. In JSON each property has both of its names, as in Dokku.
func (c *Call) Report(heading string, report properties) error {
	if c.property != "" {
		return c.value(report)
	}
	values, rows := map[string]string{}, []string{}
	width := 31
	for _, p := range report {
		width = max(width, len(p[0])+len(": "))
	}
	for _, p := range report {
		name, value := p[0], p[1]
		for _, key := range c.keys(name) {
			values[key] = value
		}
		words := strings.ReplaceAll(name, "-", " ")
		row := fmt.Sprintf("       %-*s%s", width, strings.ToUpper(words[:1])+words[1:]+":", value)
		rows = append(rows, strings.TrimRight(row, " "))
	}
	return c.List(heading, values, rows)
}

// propertiesOf returns those members of a report's JSON, and of the objects in
// it, that are values.
func propertiesOf(report any) (list properties) {
	text, err := json.Marshal(report)
	var members map[string]any
	if err != nil || json.Unmarshal(text, &members) != nil {
		return nil // it is a list
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		switch value := members[name].(type) {
		case string:
			list = append(list, [2]string{name, value})
		case map[string]any:
			list = append(list, propertiesOf(value)...)
		}
	}
	return list
}

// prefixes are what the names of properties begin with where that is not the
// group.
var prefixes = map[string]string{"apps": "app", "certs": "ssl"}

// keys are the names of a property: that with the group before it, and that
// without.
func (c *Call) keys(name string) []string {
	if !c.report {
		return []string{name}
	}
	prefix := cmp.Or(prefixes[c.group], c.group) + "-"
	short := strings.TrimPrefix(name, prefix)
	if c.group == "nginx" { // which shows what the router does
		short = strings.TrimPrefix(name, "router-")
	}
	return []string{name, short, prefix + short}
}

// value prints the one property that was asked for.
func (c *Call) value(report properties) error {
	var known []string
	for _, p := range report {
		if slices.Contains(c.keys(p[0]), c.property) {
			fmt.Fprintln(c.Stdout, p[1])
			return nil
		}
		known = append(known, "--"+p[0])
	}
	all := append(flagNames(c.Flags), known...)
	if len(known) == 0 {
		return appliance.WithHint(fmt.Errorf("%w: unknown flag: --%.60s", ErrUsage, c.property), strings.TrimSuffix(didYouMean("--"+c.property, all), "\n"))
	}
	return appliance.WithHint(fmt.Errorf("%w: no property %.60q to show", ErrUsage, c.property), didYouMean("--"+c.property, all)+"there are: "+strings.Join(known, ", "))
}

// isReport tells whether a command shows the properties of an app.
func (c Command) isReport() bool { return c.Reads && strings.HasSuffix(c.Name, ":report") }

// takeProperty takes the flag that names a property out of the arguments of a
// report.
func (c Command) takeProperty(args []string) (rest []string, property string) {
	if !c.isReport() {
		return args, ""
	}
	flags := c.flags()
	for _, arg := range args {
		name, ok := strings.CutPrefix(arg, "--")
		if !ok || name == "" || name == "help" || strings.Contains(name, "=") || flags.Lookup(name) != nil || property != "" {
			rest = append(rest, arg)
			continue
		}
		property = name
	}
	return rest, property
}
