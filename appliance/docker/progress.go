package docker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"

	control "github.com/moby/buildkit/api/services/control"

	"github.com/berthhq/berth/appliance"
)

// A progress prints how a build is getting on: each step once, and what it
// says as it says it.
type progress struct {
	out     io.Writer
	steps   map[string]*step // by BuildKit's digest
	failure *step
}

// A step is what BuildKit calls a vertex.
type step struct {
	name    string
	printed bool
	partial []byte // the beginning of a line of output
	err     string
}

func newProgress(out io.Writer) *progress { return &progress{out: out, steps: map[string]*step{}} }

// message takes one of Docker's messages. Those that are not of BuildKit's
// progress are ignored: progress is a comfort, no build fails for want of it.
func (p *progress) message(m response) {
	if m.ID != "moby.buildkit.trace" {
		return
	}
	var packed []byte
	var status control.StatusResponse
	if json.Unmarshal(m.Aux, &packed) != nil || status.UnmarshalVT(packed) != nil {
		return
	}
	for _, v := range status.Vertexes {
		p.vertex(v)
	}
	for _, l := range status.Logs {
		if s := p.steps[l.Vertex]; s != nil {
			p.log(s, l.Msg)
		}
	}
}

func (p *progress) vertex(v *control.Vertex) {
	s := p.steps[v.Digest]
	if s == nil {
		s = &step{name: headline(v.Name)}
		p.steps[v.Digest] = s
	}
	if v.Started != nil && !s.printed {
		s.printed = true
		switch {
		case strings.HasPrefix(s.name, "[internal]"):
		case v.Cached:
			fmt.Fprintf(p.out, "CACHED %s\n", s.name)
		default:
			fmt.Fprintln(p.out, s.name)
		}
	}
	if v.Completed != nil && len(s.partial) > 0 {
		p.log(s, []byte("\n"))
	}
	if v.Error != "" {
		s.err = v.Error
		// The steps that were stopped because of it fail too, after it.
		if p.failure == nil {
			p.failure = s
		}
	}
}

// longest is how much of an instruction is shown. Who wrote it has all of it.
const longest = 160

// headline is a step's name on one line that people can take in.
func headline(name string) string {
	name = strings.Join(strings.Fields(name), " ")
	if len(name) <= longest {
		return name
	}
	return strings.ToValidUTF8(name[:longest], "") + " …"
}

// log prints the whole lines of what a step says, so that those of steps that
// run side by side do not mix.
func (p *progress) log(s *step, said []byte) {
	s.partial = append(s.partial, said...)
	if i := bytes.LastIndexByte(s.partial, '\n'); i >= 0 {
		_, _ = p.out.Write(s.partial[:i+1]) // a person who hung up stops no build here
		s.partial = append([]byte(nil), s.partial[i+1:]...)
	}
}

var (
	exitCode = regexp.MustCompile(`exit code: (\d+)`)
	// noise is what BuildKit, in its several versions, puts before a reason.
	noise = regexp.MustCompile(`^(failed to solve( with frontend [^:]+)?|failed to create LLB definition|rpc error: code = \w+ desc =|failed to read dockerfile):? `)
)

// explain says which step failed, and how. BuildKit passes on no code for a
// failure, only text.
func (p *progress) explain(r refusal) error {
	reason := string(r)
	if p.failure != nil {
		reason = p.failure.err
	}
	for noise.MatchString(reason) {
		reason = noise.ReplaceAllString(reason, "")
	}
	switch {
	case p.failure == nil:
		// No step has begun: it is the Dockerfile that BuildKit objects to.
		return fmt.Errorf("%w: %s", appliance.ErrInvalid, reason)
	case exitCode.MatchString(reason):
		return fmt.Errorf("%s: exit status %s", p.failure.name, exitCode.FindStringSubmatch(reason)[1])
	}
	// "[internal] load metadata for …" is about a base image.
	return fmt.Errorf("%s: %s", strings.TrimPrefix(p.failure.name, "[internal] "), reason)
}
