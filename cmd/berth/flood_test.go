package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance/await"
)

// A flood is what became of the lines of an app that printed very many, and of
// an app beside it.
type flood struct {
	printed  int
	took     time.Duration // the printing
	kept     int           // lines that "logs" shows
	told     int           // lines that it says were left out
	gaps     int           // places where it says that lines are missing, and nobody knows how many
	disk     int64         // most bytes of what is kept of the app
	before   int64         // the daemon's memory
	most     int64         // the same meanwhile
	visits   []time.Duration
	failures []string // of visits to the other app
	said     int      // lines of that one, one for each visit
	requests int      // the router's lines of that one
}

// missing is how many lines are neither kept nor told.
func (f *flood) missing() int { return f.printed - f.kept - f.told }

// floodable deploys two apps, flood and quiet, and returns what visits them.
func (m *machine) floodable(t testing.TB) *http.Client {
	t.Helper()
	dir := m.repository(t, "calm")
	for _, app := range []string{"flood", "quiet"} {
		m.must(t, dir, "git", "push", "-q", "berth:"+app, "main")
	}
	client, err := m.browser()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	for _, app := range []string{"flood", "quiet"} {
		if _, err := fetch(client, "https://"+app+".localhost/"); err != nil {
			t.Fatal(err)
		}
	}
	return client
}

func fetch(client *http.Client, url string) (string, error) {
	r, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusOK {
		err = errors.New(r.Status)
	}
	return string(text), err
}

// flood has the app flood print, so many lines in a second or as fast as it can
// for 0, and looks at what becomes of it, and of quiet.
func (m *machine) flood(t testing.TB, client *http.Client, lines, rate int) flood {
	t.Helper()
	f := flood{printed: lines, before: m.memory(t).rss}
	watching, stop := context.WithCancel(t.Context())
	var watched sync.WaitGroup
	began := time.Now()
	watched.Go(func() { f.watchVisits(watching, client) })
	watched.Go(func() { f.watchSizes(watching, t, m) })
	answer, err := fetch(client, fmt.Sprintf("https://flood.localhost/flood?lines=%d&rate=%d", lines, rate))
	if err != nil {
		t.Error(err)
	}
	milliseconds, err := strconv.Atoi(strings.TrimSpace(answer))
	if err != nil {
		t.Error(err)
	}
	f.took = time.Duration(milliseconds) * time.Millisecond
	since := began.UTC().Format(time.RFC3339Nano)
	settled := time.Now()
	if !await.Until(30*time.Second, func() bool {
		kept, told := f.kept, f.told
		if f.kept, f.told, f.gaps, err = m.count(since); err != nil {
			t.Error(err)
			return true
		}
		if kept != f.kept || told != f.told {
			settled = time.Now()
		}
		return f.missing() <= 0
	}) {
		t.Logf("nothing has changed for %s", time.Since(settled).Round(time.Second))
	}
	stop()
	watched.Wait()
	await.Until(10*time.Second, func() bool {
		f.said = strings.Count(m.must(t, "/", "berth", "logs", "quiet", "-n", "0", "-q", "--since", since, "--grep", "^said "), "\n")
		f.requests = strings.Count(m.must(t, "/", "berth", "logs", "quiet", "-n", "0", "--router"), `path="/say"`)
		return f.said == len(f.visits) && f.requests >= len(f.visits)
	})
	return f
}

// watchVisits asks quiet to say something, again and again.
func (f *flood) watchVisits(ctx context.Context, client *http.Client) {
	pace := time.NewTicker(20 * time.Millisecond)
	defer pace.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-pace.C:
		}
		began := time.Now()
		if _, err := fetch(client, fmt.Sprintf("https://quiet.localhost/say?text=%d", n)); err != nil {
			f.failures = append(f.failures, err.Error())
			continue
		}
		f.visits = append(f.visits, time.Since(began))
	}
}

// watchSizes looks at the daemon's memory, and at the disk.
func (f *flood) watchSizes(ctx context.Context, t testing.TB, m *machine) {
	pace := time.NewTicker(100 * time.Millisecond)
	defer pace.Stop()
	for {
		f.most, f.disk = max(f.most, m.memory(t).rss), max(f.disk, m.logSize("flood"))
		select {
		case <-ctx.Done():
			return
		case <-pace.C:
		}
	}
}

// logSize is how much of what apps print is on the disk, of the one whose
// directory's name begins so, its crashes aside.
func (m *machine) logSize(app string) (size int64) {
	dirs, _ := filepath.Glob(filepath.Join(m.dir, "log", "lines", app+"*"))
	for _, dir := range dirs {
		_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
			if err != nil {
				return nil // it has just been compressed
			}
			if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
				size += info.Size()
			}
			return nil
		})
	}
	return size
}

var leftOut = regexp.MustCompile(`^… ([0-9,]+) lines were left out: `)

// count counts the lines of flood that are kept, and those that it is told were
// left out, with a number or without.
func (m *machine) count(since string) (kept, told, gaps int, err error) {
	cmd := m.command("/", "berth", "logs", "flood", "-n", "0", "-q", "--since", since)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, 0, 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, 0, 0, err
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "flood ") {
			kept++
		} else if found := leftOut.FindStringSubmatch(lines.Text()); found != nil {
			n, _ := strconv.Atoi(strings.ReplaceAll(found[1], ",", ""))
			told += n
		} else if strings.HasSuffix(lines.Text(), " faster than they could be read") {
			gaps++
		}
	}
	return kept, told, gaps, cmd.Wait()
}

// A service is a log service, which takes lines as JSON.
type service struct {
	mu    sync.Mutex
	texts []string // with the process before each
}

func (s *service) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	for in := json.NewDecoder(r.Body); ; {
		var line struct{ Process, Text string }
		if in.Decode(&line) != nil {
			return
		}
		s.mu.Lock()
		s.texts = append(s.texts, line.Process+" "+line.Text)
		s.mu.Unlock()
	}
}

func (s *service) count(beginning string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, text := range s.texts {
		if strings.HasPrefix(text, beginning) {
			n++
		}
	}
	return n
}

func (s *service) said() int { return s.count("web.1 said ") }

func (s *service) requests() int { return s.count(`router at=info method=GET path="/say" `) }

// Attack: an app prints as fast as it can, to fill the disk, and to take the
// machine's time and memory from everybody else.
func TestAFloodOfLinesHarmsNobody(t *testing.T) {
	t.Parallel()
	m := serving(t, "")
	client := m.floodable(t)
	var drained service
	server := httptest.NewServer(&drained)
	defer server.Close()
	m.must(t, "/", "berth", "drains:add", "quiet", server.URL, "--json")

	// As many as Docker has room for: what it has not, nobody can count.
	f := m.flood(t, client, 200_000, 0)

	if !await.Until(10*time.Second, func() bool { return drained.said() >= f.said && drained.requests() >= len(f.visits) }) {
		t.Errorf("the drain got %d lines of the app and %d of the router, for %d visits", drained.said(), drained.requests(), len(f.visits))
	}

	if f.kept == 0 || f.missing() < 0 || f.missing() > 0 && f.gaps == 0 {
		t.Errorf("%d lines are kept and %d are said to be left out, of %d: want each to be one of them", f.kept, f.told, f.printed)
	}
	if len(f.failures) > 0 || len(f.visits) == 0 || f.said != len(f.visits) || f.requests < len(f.visits) {
		t.Errorf("beside it, %d visits with %d lines of the app and %d of the router, and failures %q: want one of each of every visit", len(f.visits), f.said, f.requests, f.failures)
	}
	if grown := f.most - f.before; grown > 128<<20 {
		t.Errorf("the daemon's memory has grown by %d MB", grown>>20)
	}

	// The same on what disk there may be.
	const most = 8 << 20
	m.must(t, "/", "berth", "logs:set", "flood", "max-size", "8m")
	f = m.flood(t, client, 200_000, 0)
	if f.disk > most+2*4<<20 { // the file that is written, and the one that is being compressed
		t.Errorf("%d MB were on the disk, of 8 MB that may be", f.disk>>20)
	}
	m.must(t, "/", "berth", "logs:set", "flood", "max-size", "4m")
	if size := m.logSize("flood"); size > 4<<20+4<<20 {
		t.Errorf("%d MB are on the disk, of 4 MB that may be", size>>20)
	}
}

// BenchmarkLogs is "make bench-logs". It prints a table, which
// docs/performance.md explains: what becomes of floods of lines, and of what is beside them.
func BenchmarkLogs(b *testing.B) {
	seconds := number("BERTH_BENCH_N", 20)
	m := prepared(b, "")
	m.binary = compile(b, ".", "-ldflags=-s -w")
	if err := errors.Join(m.start(), m.admit()); err != nil {
		b.Fatal(err)
	}
	client := m.floodable(b)
	client.Timeout = 10 * time.Minute
	m.must(b, "/", "berth", "logs:set", "--global", "max-size", "512m") // so that all of them can be counted
	fmt.Printf("\n%d processors, %s, lines of 60 bytes, for about %d s each\n\n", runtime.NumCPU(), m.dockerVersion(b), seconds)
	for _, of := range []struct {
		what        string
		lines, rate int
	}{
		{"1,000 lines a second", 1_000 * seconds, 1_000},
		{"100,000 lines a second", 100_000 * seconds, 100_000},
		{"as many as it can print", 300_000 * seconds, 0},
	} {
		f := m.flood(b, client, of.lines, of.rate)
		slices.Sort(f.visits)
		fmt.Println(of.what)
		say := func(what, value string) { fmt.Printf("  %-50s %14s\n", what, value) }
		say("printed", fmt.Sprint(f.printed))
		say("in a second", fmt.Sprint(int(float64(f.printed)/f.took.Seconds())))
		say("kept", fmt.Sprint(f.kept))
		say("left out, and said so", fmt.Sprint(f.told))
		say(fmt.Sprintf("gone before they were read, said so %d times", f.gaps), fmt.Sprint(f.missing()))
		say("most on the disk", inMB(f.disk))
		say("the daemon's memory before (RSS)", inMB(f.before))
		say("the same at most", inMB(f.most))
		say("visits of another app", fmt.Sprintf("%d, %d failed", len(f.visits)+len(f.failures), len(f.failures)))
		say("median", inMilliseconds(f.visits[len(f.visits)/2]))
		say("99th percentile", inMilliseconds(f.visits[len(f.visits)*99/100]))
		say("lines of that app missing", fmt.Sprint(len(f.visits)-f.said))
		fmt.Println()
	}
}
