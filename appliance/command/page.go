package command

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// A page is what there is to say about one command, in sections.
type page struct {
	name, short string
	sections    []section
}

// A section is a heading with paragraphs, or with lines to be left as they are.
type section struct {
	heading string
	text    string // paragraphs, with an empty line between
	lines   []string
}

// page returns the page about the command.
func (c Command) page() page {
	p := page{name: c.Name, short: c.Short}
	usage := c.line()
	flags := c.flagLines()
	if len(flags) > 0 {
		usage += " [options]"
	}
	p.sections = append(p.sections, section{heading: "USAGE", lines: []string{usage}})
	if c.Long != "" {
		p.sections = append(p.sections, section{heading: "DESCRIPTION", text: c.Long})
	}
	if len(flags) > 0 {
		p.sections = append(p.sections, section{heading: "OPTIONS", lines: flags})
	}
	if c.takesApp() {
		p.sections = append(p.sections, section{heading: "THE APP", text: "is the first argument, or what --app names, before the command or after it."})
	}
	p.sections = append(p.sections, section{heading: "FOR", text: c.whom()})
	if len(c.Examples) > 0 {
		p.sections = append(p.sections, section{heading: "EXAMPLES", lines: c.Examples})
	}
	p.sections = append(p.sections, section{heading: "EXIT STATUS", lines: c.statuses()})
	return p
}

// flagLines are the command's own flags, with what each is and is if not given.
func (c Command) flagLines() (lines []string) {
	var left, right []string
	width := 0
	c.flags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		name := "    --" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", --" + f.Name
		}
		kind, usage := pflag.UnquoteUsage(f)
		if f.Value.Type() != "bool" {
			name += " <" + kind + ">"
			if f.DefValue != "" && f.DefValue != "0" && f.DefValue != "[]" {
				usage += " (" + f.DefValue + " if not given)"
			}
		}
		left, right, width = append(left, name), append(right, usage), max(width, len(name))
	})
	for i := range left {
		lines = append(lines, fmt.Sprintf("%-*s  %s", width, left[i], right[i]))
	}
	return lines
}

// whom says who may use the command.
func (c Command) whom() string {
	text := map[Level]string{
		Admin: "admins.", Manager: "keys with admin access to the app, and admins.", Deployer: "keys with deploy or admin access to the app, and admins.",
		Viewer: "keys with any access to the app, and admins.", Anyone: "every key.",
	}[c.For]
	if c.Global {
		text += " With --global, for admins."
	}
	switch {
	case c.Bare:
		text += " Without an app, every key."
	case strings.HasPrefix(c.Args, "[<app>]") && c.For != Admin && c.For != Anyone:
		text += " Without an app, for admins."
	}
	return text
}

// statuses says what the command exits with.
func (c Command) statuses() []string {
	list := []string{"0   it was done", "1   it failed, or there is no app on the command line", "2   the command line makes no sense", "3   something that was named is not there", "4   your key may not do that"}
	if !c.takesApp() {
		list[1] = "1   it failed"
	}
	if c.takesApp() && !c.Makes && !c.Past {
		list = append(list, "20  there is no such app")
	}
	return list
}

// write writes the page as people are shown it.
func (p page) write(w io.Writer) {
	fmt.Fprintf(w, "%s: %s\n", p.name, p.short)
	for _, s := range p.sections {
		fmt.Fprintf(w, "\n%s\n", s.heading)
		for _, line := range append(slices.Clone(s.lines), strings.Split(wrap(s.text, 76), "\n")...) {
			if line != "" || s.text != "" {
				fmt.Fprintln(w, strings.TrimRight("    "+line, " "))
			}
		}
	}
}

// wrap breaks paragraphs into lines of a width.
func wrap(text string, width int) string {
	var out strings.Builder
	for i, paragraph := range strings.Split(text, "\n\n") {
		if i > 0 {
			out.WriteString("\n\n")
		}
		at := 0
		for j, word := range strings.Fields(paragraph) {
			switch {
			case j == 0:
			case at+1+len(word) > width:
				out.WriteByte('\n')
				at = 0
			default:
				out.WriteByte(' ')
				at++
			}
			out.WriteString(word)
			at += len(word)
		}
	}
	return out.String()
}
