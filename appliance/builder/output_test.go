package builder_test

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
	"github.com/berthhq/berth/appliance/progress"
)

// A saying is an engine whose runs only print something and end. Only Run is
// ever called.
type saying struct {
	appliance.Engine
	text     string
	result   appliance.RunResult
	released string
}

func (s saying) Run(_ context.Context, spec appliance.RunSpec) (appliance.RunResult, error) {
	if _, err := io.Copy(io.Discard, spec.Stdin); err != nil {
		return appliance.RunResult{}, err
	}
	// In small pieces, as it comes from a container.
	for i := range len(s.text) {
		if _, err := io.WriteString(spec.Out, s.text[i:i+1]); err != nil {
			return appliance.RunResult{}, err
		}
	}
	s.result.Collected = []byte(s.released)
	return s.result, nil
}

// say builds with buildpacks that print text, and returns what is seen of it.
func say(t *testing.T, s saying) (builder.Result, string, error) {
	t.Helper()
	var out bytes.Buffer
	p := progress.New(&out)
	r, err := builder.Buildpacks{}.Build(t.Context(), s, builder.Request{
		App: "blog", Tag: "t", Source: source(t, map[string]string{"x": "y"}), Stack: "s", Out: p, Step: p.Step,
	})
	return r, out.String(), err
}

func TestOutputHasOneFormHoweverBuildpacksIndentTheirs(t *testing.T) {
	_, out, err := say(t, saying{
		text:     "-----> Ruby\n       indented\nplain\n       \tdeeper\n !     mind this\n !\n-----> 100%d\r\nno end",
		released: "process_types:\n  web: 'x'\n"})

	want := "-----> Ruby\n       indented\n       plain\n       \tdeeper\n !     mind this\n !     \n-----> 100%d\n       no end\n"
	if err != nil || out != want {
		t.Errorf("output = %q, %v, want %q", out, err, want)
	}
}

func TestLastWarningOfAFailedBuildIsItsError(t *testing.T) {
	_, out, err := say(t, saying{
		text:   " !     not this\nline\n !     it broke\n !     mend it\n !     so and so\n",
		result: appliance.RunResult{Status: 7}})

	if err == nil || err.Error() != "it broke" || appliance.HintOf(err) != "mend it\nso and so" {
		t.Errorf("error = %v, hint %q", err, appliance.HintOf(err))
	}
	if want := " !     not this\n       line\n"; out != want {
		t.Errorf("output = %q, want %q", out, want)
	}
}

func TestFailureWithoutAWordHasItsStatusAndTheLastLine(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"of the build":      {"line\n\n", "the build ended with status 3: line"},
		"of a buildpack":    {"\x1b[1;31mno disk\x1b[0m\r\n\x1fbin/compile of buildpack x ended with status 3\n", "bin/compile of buildpack x ended with status 3: no disk"},
		"without any line":  {"", "the build ended with status 3"},
		"that hides itself": {"a\x1b[2Kb\a" + strings.Repeat("é", 400), "the build ended with status 3: ab " + strings.Repeat("é", 297) + "…"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := say(t, saying{text: test.text, result: appliance.RunResult{Status: 3}})

			if err == nil || err.Error() != test.want || appliance.HintOf(err) == "" {
				t.Errorf("error = %v, want %s; hint %q", err, test.want, appliance.HintOf(err))
			}
		})
	}
}

// A build that prints for ever must fill neither the memory nor the records.
func TestOutputThatFillsEverythingIsCut(t *testing.T) {
	for name, line := range map[string]string{"lines": strings.Repeat("x", 1023), "warnings": " !     " + strings.Repeat("x", 1016)} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			p := progress.New(&out)
			lines := strings.NewReader(strings.Repeat(line+"\n", 20<<10) + " !     it broke\n")

			_, err := builder.Buildpacks{}.Build(t.Context(), printing{text: lines}, builder.Request{
				App: "blog", Tag: "t", Source: source(t, map[string]string{"x": "y"}), Stack: "s", Out: p, Step: p.Step,
			})

			if out.Len() > 17<<20 || !strings.Contains(out.String(), "only the first 16 MB are kept") {
				t.Errorf("%d bytes of output", out.Len())
			}
			if err == nil || !strings.Contains(err.Error()+appliance.HintOf(err), "it broke") {
				t.Errorf("error = %.300v", err)
			}
		})
	}
}

// A printing is an engine whose run prints a lot and fails.
type printing struct {
	appliance.Engine
	text io.Reader
}

func (p printing) Run(_ context.Context, spec appliance.RunSpec) (appliance.RunResult, error) {
	if _, err := io.Copy(io.Discard, spec.Stdin); err != nil {
		return appliance.RunResult{}, err
	}
	_, err := io.Copy(spec.Out, p.text)
	return appliance.RunResult{Status: 1}, err
}

func TestBuildWithoutEnoughMemorySaysSo(t *testing.T) {
	_, out, err := say(t, saying{text: " !     Killed\n", result: appliance.RunResult{Status: 137, OOM: true}})

	if err == nil || !strings.Contains(err.Error(), "memory") || !strings.Contains(out, "Killed") {
		t.Errorf("error = %v, output %q", err, out)
	}
}

// One line without an end must not fill the memory of the machine.
func TestEndlessLineIsGivenOnInPieces(t *testing.T) {
	_, out, err := say(t, saying{text: strings.Repeat("x", 200<<10), released: "process_types:\n  web: 'x'\n"})

	if err != nil || strings.Count(out, "x") != 200<<10 || strings.Count(out, "\n") < 3 {
		t.Errorf("%d bytes in %d lines, %v", len(out), strings.Count(out, "\n"), err)
	}
}

func TestProcessTypesComeBackAsTheyWere(t *testing.T) {
	r, _, err := say(t, saying{released: "---\nother:\n  no: 'no'\nprocess_types:\n  web: 'echo ''a'': \"b\" # c'\n  my-job_2: 'x'\nmore:\n  no: 'no'\n"})

	if err != nil || len(r.Procfile) != 2 || r.Procfile["web"] != `echo 'a': "b" # c` || r.Procfile["my-job_2"] != "x" || r.Port != 5000 {
		t.Errorf("result = %+v, %v", r, err)
	}
}

// The file is written in the container, where the app's own code runs.
func TestProcessTypesThatMakeNoSenseAreRefused(t *testing.T) {
	for _, line := range []string{"  web: x", "  ../x: 'y'", "  web:'x'", "  web: '"} {
		if r, _, err := say(t, saying{released: "process_types:\n" + line + "\n"}); err == nil {
			t.Errorf("%q = %+v, want an error", line, r)
		}
	}
}
