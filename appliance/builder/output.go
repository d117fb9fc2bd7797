package builder

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/progress"
)

// The marks that buildpacks put in front of their lines. All else is the
// output of a tool.
const (
	stepMark = "-----> "
	warnMark = " !     "
	indent   = "       "
)

// An output takes what buildpacks print, which some indent themselves and
// some do not, and gives it on so that the person who pushed sees one form.
type output struct {
	req   Request
	line  []byte
	warns []string // the latest warnings, while nothing else has followed them
}

// maxLine is where a line without an end is cut: a build may print anything.
const maxLine = 64 << 10

func (o *output) Write(b []byte) (int, error) {
	for part := range bytes.Lines(b) {
		o.line = append(o.line, part...)
		if part[len(part)-1] == '\n' || len(o.line) > maxLine {
			if err := o.endLine(); err != nil {
				return 0, err
			}
		}
	}
	return len(b), nil
}

func (o *output) endLine() error {
	line := strings.TrimRight(string(o.line), "\r\n")
	o.line = o.line[:0]
	if warn, ok := cutMark(line, warnMark); ok {
		o.warns = append(o.warns, warn)
		return nil
	}
	o.giveWarns()
	if step, ok := strings.CutPrefix(line, stepMark); ok {
		o.req.Step("%s", step)
		return nil
	}
	_, err := fmt.Fprintln(o.req.Out, strings.TrimPrefix(line, indent))
	return err
}

// cutMark is CutPrefix that forgives the missing blanks of an empty line.
func cutMark(line, mark string) (string, bool) {
	if line == strings.TrimRight(mark, " ") {
		return "", true
	}
	return strings.CutPrefix(line, mark)
}

func (o *output) giveWarns() {
	for _, w := range o.warns {
		if p, ok := o.req.Out.(*progress.Writer); ok {
			p.Warn("%s", w)
			continue
		}
		// The error is that of a reader who has gone; the next line meets it.
		_, _ = fmt.Fprintln(o.req.Out, "! "+w)
	}
	o.warns = nil
}

// flush gives on what has been kept back.
func (o *output) flush() {
	if len(o.line) > 0 {
		// As in giveWarns, and there is no next line.
		_ = o.endLine()
	}
	o.giveWarns()
}

// nothingRecognised is the status of /build/builder when no buildpack wants
// the source.
const nothingRecognised = 11

// failure makes an error of a run that has failed. Warnings that were printed
// last are the buildpack's own account of it: what, and then what to do.
func (o *output) failure(run appliance.RunResult) error {
	if len(o.line) > 0 {
		_ = o.endLine() // as in flush
	}
	said := strings.TrimSpace(strings.Join(o.warns, "\n"))
	if run.Status == nothingRecognised || run.OOM {
		o.flush()
	}
	switch {
	case run.OOM:
		return appliance.WithHint(errors.New("the build wanted more memory than a build may have"),
			"build less at once, or on a machine with more memory")
	case run.Status == nothingRecognised:
		return errNothingRecognised()
	case said == "":
		return appliance.WithHint(fmt.Errorf("the build ended with status %d", run.Status),
			"the lines above say why; run the same build step on your own machine to see it there")
	}
	what, advice, _ := strings.Cut(said, "\n")
	if advice = strings.TrimSpace(advice); advice == "" {
		return errors.New(what)
	}
	return appliance.WithHint(errors.New(what), advice)
}
