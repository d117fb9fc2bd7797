package command

import (
	"fmt"
	"strings"
)

// properties are what a report shows: names as scripts read them, with their
// values, in order.
type properties [][2]string

// Report prints properties below a heading, in Dokku's form, or as one JSON
// object.
func (c *Call) Report(heading string, report properties) error {
	values, rows := map[string]string{}, []string{}
	width := 31
	for _, p := range report {
		width = max(width, len(p[0])+len(": "))
	}
	for _, p := range report {
		name, value := p[0], p[1]
		values[name] = value
		words := strings.ReplaceAll(name, "-", " ")
		row := fmt.Sprintf("       %-*s%s", width, strings.ToUpper(words[:1])+words[1:]+":", value)
		rows = append(rows, strings.TrimRight(row, " "))
	}
	return c.List(heading, values, rows)
}
