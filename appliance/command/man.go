package command

import (
	"fmt"
	"io"
	"strings"
)

// writeMan writes commands as a manual page, for man: of one command, of a
// group, or of all of them.
func writeMan(w io.Writer, about string, list []Command) error {
	title := "berth"
	if about != "" {
		title += "-" + strings.ReplaceAll(about, ":", "-")
	}
	short := "a whole Heroku on one machine"
	if about != "" {
		short = groups[about]
	}
	if len(list) == 1 {
		short = list[0].Short
	}
	fmt.Fprintf(w, ".TH %s 1\n.SH NAME\n%s \\- %s\n", strings.ToUpper(roff(title)), roff(title), roff(short))
	if len(list) > 1 {
		fmt.Fprintf(w, ".SH SYNOPSIS\nberth \\fICOMMAND\\fR \\fIapp\\fR [\\fIoptions\\fR]\n")
	}
	for _, c := range list {
		p := c.page()
		heading := ".SH"
		if len(list) > 1 {
			fmt.Fprintf(w, ".SH %s\n%s.\n", roff(strings.ToUpper(p.name)), roff(capital(p.short)))
			heading = ".SS"
		}
		for _, s := range p.sections {
			fmt.Fprintf(w, "%s %s\n", heading, roff(s.heading))
			if len(s.lines) > 0 {
				fmt.Fprintf(w, ".nf\n%s\n.fi\n", roff(strings.Join(s.lines, "\n")))
			}
			if s.text != "" {
				fmt.Fprintf(w, "%s\n", strings.ReplaceAll(roff(wrap(s.text, 76)), "\n\n", "\n.PP\n"))
			}
		}
	}
	return nil
}

// roff is text with what roff would take for its own quoted.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	var out strings.Builder
	for _, r := range strings.Join(lines, "\n") {
		if r < 0x80 {
			out.WriteRune(r)
			continue
		}
		fmt.Fprintf(&out, `\[u%04X]`, r)
	}
	return out.String()
}
