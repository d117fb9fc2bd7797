package logs_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/logs"
)

// said is a line of web.1 of v1, printed so many seconds after noon.
func said(seconds int, text string) appliance.LogLine {
	return appliance.LogLine{
		At: time.Date(2020, 11, 27, 12, 0, seconds, 0, time.UTC), Process: "web.1", Release: 1, Stream: appliance.Stdout, Text: text,
	}
}

// add keeps lines of blog.
func add(t *testing.T, a *logs.Archive, lines ...appliance.LogLine) {
	t.Helper()
	if err := a.Add("blog", lines...); err != nil {
		t.Fatal(err)
	}
}

// texts returns the texts of the lines of blog that are wanted.
func texts(t *testing.T, a *logs.Archive, q logs.Query) (list []string) {
	t.Helper()
	q.App = "blog"
	err := a.Read(t.Context(), q, func(l appliance.LogLine) error {
		list = append(list, l.Text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestLinesAreFoundByWhatIsAsked(t *testing.T) {
	a := &logs.Archive{Dir: t.TempDir()}
	worker := said(3, "three")
	worker.Process = "worker.1"
	second := said(4, "four")
	second.Process, second.Release = "web.2", 2
	late := said(2, "two")
	add(t, a, said(1, "one"), worker, late, second, said(5, "five\nsix"))

	for _, test := range []struct {
		q    logs.Query
		want string
	}{
		{logs.Query{}, "one two three four five six"},
		{logs.Query{Last: 2}, "five six"},
		{logs.Query{Last: 100}, "one two three four five six"},
		{logs.Query{Process: "web"}, "one two four five six"},
		{logs.Query{Process: "web.2"}, "four"},
		{logs.Query{Process: "we"}, ""},
		{logs.Query{Process: "web.1", Last: 1}, "six"},
		{logs.Query{Release: 2}, "four"},
		{logs.Query{Since: said(4, "").At}, "four five six"},
		{logs.Query{Since: said(3, "").At, Last: 2}, "five six"},
		{logs.Query{Grep: regexp.MustCompile("^f")}, "four five"},
		{logs.Query{Grep: regexp.MustCompile("o"), Last: 2}, "two four"},
		{logs.Query{Crashes: true}, ""},
	} {
		if got := strings.Join(texts(t, a, test.q), " "); got != test.want {
			t.Errorf("%+v: %q, want %q", test.q, got, test.want)
		}
	}
}

func TestTheArchiveOutlivesTheDaemon(t *testing.T) {
	dir := t.TempDir()
	a := &logs.Archive{Dir: dir}
	add(t, a, said(1, "before"))
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	torn(t, dir, "2026-11-27T12:00:01.500000000Z web.1 v1 -o 20 only a pa")

	again := &logs.Archive{Dir: dir}
	add(t, again, said(2, "after"))

	if got := texts(t, again, logs.Query{}); !slices.Equal(got, []string{"before", "after"}) {
		t.Errorf("lines = %q, want what was whole, and what came after", got)
	}
}

// torn leaves in blog's file what a crash leaves of a record.
func torn(t *testing.T, dir, text string) {
	t.Helper()
	file, err := os.OpenFile(filepath.Join(dir, "lines", "blog", "00000001.log"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// Attack: an app prints without end, to fill the disk.
func TestAFloodStaysWithinItsBounds(t *testing.T) {
	a := &logs.Archive{Dir: t.TempDir()}
	a.SetBounds(logs.Bounds{Size: 10 << 20, Total: 10 << 20, Age: time.Hour})
	line := said(0, strings.Repeat("x", 60<<10))
	line.At = time.Now()

	for range 400 { // 24 MB
		add(t, a, line)
	}
	line.Text = "last"
	add(t, a, line)

	if got := texts(t, a, logs.Query{Last: 1}); !slices.Equal(got, []string{"last"}) {
		t.Errorf("last line = %q, want the newest kept", got)
	}
	if size, err := a.Size("blog"); err != nil || size > 15<<20 {
		t.Errorf("%d bytes, %v", size, err)
	}
}

// Attack: an app prints without end, to hide why it crashed.
func TestAFloodLeavesTheLastLinesOfCrashes(t *testing.T) {
	a := &logs.Archive{Dir: t.TempDir()}
	a.SetBounds(logs.Bounds{Size: 5 << 20, Total: 1 << 30, Age: time.Hour})
	a.Died(t.Context(), appliance.Process{App: "blog", Type: "web", Index: 1, Release: 1, Started: time.Now()}, "Process exited with status 3")
	line := said(0, strings.Repeat("x", 60<<10))
	line.At = time.Now()

	for range 400 { // 24 MB
		add(t, a, line)
	}

	if got := texts(t, a, logs.Query{Grep: regexp.MustCompile("^Process")}); len(got) != 0 {
		t.Errorf("lines = %q, want the oldest gone", got)
	}
	if got := texts(t, a, logs.Query{Crashes: true}); !slices.Equal(got, []string{"Process exited with status 3"}) {
		t.Errorf("crashes = %q, want it there", got)
	}
}

// Attack: an app crashes without end, each time with much to say.
func TestCrashesStayWithinTheirBounds(t *testing.T) {
	a := &logs.Archive{Dir: t.TempDir()}
	how := strings.Repeat("x", 60<<10)
	for range 200 { // 12 MB
		a.Died(t.Context(), appliance.Process{App: "blog", Type: "web", Index: 1, Release: 1, Started: time.Now()}, how)
	}
	a.Died(t.Context(), appliance.Process{App: "blog", Type: "web", Index: 1, Release: 1, Started: time.Now()}, "last")

	a.SetBounds(logs.Bounds{Size: 1, Total: 1 << 30, Age: time.Hour}) // so that crashes are what there is
	if err := a.Tidy(); err != nil {
		t.Fatal(err)
	}
	if size, err := a.Size("blog"); err != nil || size > 10<<20 {
		t.Errorf("%d bytes, %v", size, err)
	}
	if got := texts(t, a, logs.Query{Crashes: true, Last: 1}); !slices.Equal(got, []string{"last"}) {
		t.Errorf("last crash = %.100q, want the newest kept", got)
	}
}

func TestWhatIsOldIsRemoved(t *testing.T) {
	dir := t.TempDir()
	a := &logs.Archive{Dir: dir}
	add(t, a, said(1, "old"))
	texts(t, a, logs.Query{})
	longAgo := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "lines", "blog", "00000001.log"), longAgo, longAgo); err != nil {
		t.Fatal(err)
	}
	a.SetBounds(logs.Bounds{Size: 1 << 20, Total: 1 << 30, Age: time.Minute})

	if err := a.Tidy(); err != nil {
		t.Fatal(err)
	}

	add(t, a, said(2, "new"))
	if got := texts(t, a, logs.Query{}); !slices.Equal(got, []string{"new"}) {
		t.Errorf("lines = %q, want the new one", got)
	}
}

func TestNothingIsLeftOfAnAppThatIsForgotten(t *testing.T) {
	a := &logs.Archive{Dir: t.TempDir()}
	add(t, a, said(1, "secret"))
	texts(t, a, logs.Query{})
	add(t, a, said(2, "secret"))

	if err := a.Forget("blog"); err != nil {
		t.Fatal(err)
	}

	if got := texts(t, a, logs.Query{}); len(got) != 0 {
		t.Errorf("lines = %q", got)
	}
	add(t, a, said(3, "new"))
	if got := texts(t, a, logs.Query{}); !slices.Equal(got, []string{"new"}) {
		t.Errorf("lines = %q, want those of the next app", got)
	}
}

func TestAnArchiveThatCannotBeWrittenSaysSoAndGoesOn(t *testing.T) {
	dir := t.TempDir()
	a := &logs.Archive{Dir: dir}
	lines := filepath.Join(dir, "lines")
	if err := os.WriteFile(lines, nil, 0o600); err != nil { // not a directory
		t.Fatal(err)
	}
	if err := a.Add("blog", said(1, "kept for later")); err == nil {
		texts := a.Read(t.Context(), logs.Query{App: "blog"}, func(appliance.LogLine) error { return nil })
		if texts == nil && a.Failing("blog") == nil {
			t.Error("nothing says that lines cannot be written")
		}
	}
	if err := os.Remove(lines); err != nil {
		t.Fatal(err)
	}

	add(t, a, said(2, "later"))

	if got := texts(t, a, logs.Query{}); len(got) == 0 || got[len(got)-1] != "later" {
		t.Errorf("lines = %q, want that it goes on", got)
	}
	if err := a.Failing("blog"); err != nil {
		t.Errorf("still failing: %v", err)
	}
}

func TestAFollowerIsShownWhatComes(t *testing.T) {
	a := &logs.Archive{Dir: t.TempDir()}
	ctx, cancel := context.WithCancel(t.Context())
	running := make(chan error, 1)
	go func() { running <- a.Run(ctx) }()
	add(t, a, said(0, "0"))
	seen, read := make(chan string), make(chan error, 1)
	go func() {
		read <- a.Read(ctx, logs.Query{App: "blog", Last: 10, Follow: true}, func(l appliance.LogLine) error {
			seen <- l.Text
			return nil
		})
	}()

	for i := range 5 {
		if i > 0 {
			add(t, a, said(i, fmt.Sprint(i)))
		}
		if got := <-seen; got != fmt.Sprint(i) {
			t.Fatalf("line %d is %q", i, got)
		}
	}

	cancel()
	if err := <-running; err != nil {
		t.Errorf("Run = %v", err)
	}
	if err := <-read; err != context.Canceled {
		t.Errorf("Read = %v", err)
	}
}
