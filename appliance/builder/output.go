package builder

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/progress"
)

// The marks that buildpacks put in front of their lines. All else is the
// output of a tool.
const (
	stepMark = "-----> "
	warnMark = " !     "
	indent   = "       "
	endMark  = "\x1f" // of /build/builder: which of the buildpacks' programs failed
)

// An output takes what buildpacks print, which some indent themselves and
// some do not, and gives it on so that the person who pushed sees one form.
type output struct {
	req   Request
	line  []byte
	warns []string // the latest warnings, while nothing else has followed them
	last  string   // the latest line that is no warning
	ended string   // what failed
	given int      // bytes of lines
}

// A build may print anything, and as long as it likes. maxLine is where a line
// without an end is cut, maxWarns is how many warnings can be one error, and
// maxOutput is how many bytes are given on.
const (
	maxLine   = 64 << 10
	maxWarns  = 200
	maxOutput = 16 << 20
)

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
	if ended, ok := strings.CutPrefix(line, endMark); ok {
		o.ended = ended
		return nil
	}
	if warn, ok := cutMark(line, warnMark); ok {
		if len(o.warns) == maxWarns {
			o.giveWarns()
		}
		o.warns = append(o.warns, warn)
		return nil
	}
	o.giveWarns()
	if strings.TrimSpace(line) != "" {
		o.last = line
	}
	if !o.room(line) {
		return nil
	}
	if step, ok := strings.CutPrefix(line, stepMark); ok {
		o.req.Step("%s", step)
		return nil
	}
	_, err := fmt.Fprintln(o.req.Out, strings.TrimPrefix(line, indent))
	return err
}

// room reports whether another line is given on, and says so when that ends.
func (o *output) room(line string) bool {
	if o.given > maxOutput {
		return false
	}
	if o.given += len(line) + 1; o.given <= maxOutput {
		return true
	}
	// As in giveWarns.
	_, _ = fmt.Fprintf(o.req.Out, "… and more: of what a build prints, only the first %d MB are kept\n", maxOutput>>20)
	return false
}

var escapes = regexp.MustCompile(`\x1b\[[0-9;]*[A-Za-z]`)

// plainText is line without colours, in a length that fits into an error.
func plainText(line string) string {
	line = strings.TrimSpace(escapes.ReplaceAllString(line, ""))
	if r := []rune(line); len(r) > 300 {
		line = string(r[:300]) + "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, line)
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
		if !o.room(w) {
			break
		}
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
	said := strings.TrimSpace(escapes.ReplaceAllString(strings.Join(o.warns, "\n"), ""))
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
		what := o.ended
		if what == "" {
			what = fmt.Sprintf("the build ended with status %d", run.Status)
		}
		if last := plainText(o.last); last != "" {
			what += ": " + last
		}
		return appliance.WithHint(errors.New(what),
			"the lines above say why; run the same build step on your own machine to see it there")
	}
	what, advice, _ := strings.Cut(said, "\n")
	what = plainText(what)
	if advice = strings.TrimSpace(advice); advice == "" {
		return errors.New(what)
	}
	return appliance.WithHint(errors.New(what), advice)
}
