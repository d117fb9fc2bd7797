package router_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance/await"
	"github.com/berthhq/berth/router"
)

// An entry is a line of the access log as scripts read it.
type entry struct {
	At        time.Time `json:"at"`
	Method    string    `json:"method"`
	Host      string    `json:"host"`
	Path      string    `json:"path"`
	RequestID string    `json:"request_id"`
	Client    string    `json:"client"`
	Agent     string    `json:"user_agent"`
	Referer   string    `json:"referer"`
	Protocol  string    `json:"protocol"`
	TLS       string    `json:"tls"`
	Target    string    `json:"target"`
	Code      string    `json:"code"`
	Outcome   string    `json:"outcome"`
	Status    int       `json:"status"`
	In        int64     `json:"bytes_in"`
	Out       int64     `json:"bytes_out"`
	Connect   float64   `json:"connect_ms"`
	FirstByte float64   `json:"first_byte_ms"`
	Duration  float64   `json:"duration_ms"`
}

// lines reads the last lines of a service, each of which must be what it says.
func lines(t *testing.T, l *router.AccessLog, service string, last int) (list []entry) {
	t.Helper()
	err := l.Read(t.Context(), service, last, false, func(line []byte) error {
		d := json.NewDecoder(strings.NewReader(string(line)))
		d.DisallowUnknownFields()
		var e entry
		if err := d.Decode(&e); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		list = append(list, e)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// ask sends a request straight to the router.
func ask(r *router.Router, path string, change ...func(*http.Request)) int {
	req := httptest.NewRequest("GET", "http://blog.test/", nil)
	req.RequestURI = path
	for _, f := range change {
		f(req)
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	return w.Code
}

// logged returns a router with an access log, and a service without a process.
func logged(t *testing.T, l *router.AccessLog) *router.Router {
	t.Helper()
	if l.Dir == "" {
		l.Dir = filepath.Join(t.TempDir(), "log")
	}
	r := router.New(nil)
	r.AccessLog = l
	if _, err := r.Swap(router.Service{Name: "blog", Hosts: []string{"blog.test"}}); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTheAccessLogSaysHowEachRequestEnded(t *testing.T) {
	d := open(t)
	l := &router.AccessLog{Dir: filepath.Join(t.TempDir(), "log")}
	d.router.AccessLog = l
	addr := app(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		io.Copy(io.Discard, req.Body)
		if req.URL.Path == "/missing" {
			http.NotFound(w, req)
			return
		}
		io.WriteString(w, "hello")
	}))
	d.swap(router.Service{Name: "blog", Hosts: []string{"blog.test"}, Targets: []string{addr}})
	d.swap(router.Service{Name: "idle", Hosts: []string{"idle.test"}})

	before := time.Now()
	d.get("https://blog.test/a/b?token=hunter2")
	d.get("https://blog.test/missing")
	d.get("http://idle.test/")
	d.get("https://nowhere.test/")
	req, err := http.NewRequest("POST", "http://"+d.http+"/up", strings.NewReader("12345678"))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "blog.test"
	req.Header.Set("Referer", "https://search.test/?q=hunter2")
	req.Header.Set("User-Agent", "curl/8")
	req.Header.Set("X-Request-Id", "0123456789abcdefghij")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()

	var list []entry
	await.That(t, "three requests are in the log", func() bool {
		list = lines(t, l, "blog", 0)
		return len(list) == 3
	})
	for i, want := range []entry{
		{Method: "GET", Path: "/a/b", Status: 200, Out: 5, TLS: "1.3"},
		{Method: "GET", Path: "/missing", Status: 404, Out: 19, TLS: "1.3"},
		{Method: "POST", Path: "/up", Status: 200, In: 8, Out: 5, Protocol: "HTTP/1.1", Referer: "https://search.test/", Agent: "curl/8", RequestID: "0123456789abcdefghij"},
	} {
		got := list[i]
		if got.Method != want.Method || got.Path != want.Path || got.Status != want.Status || got.In != want.In || got.Out != want.Out || got.TLS != want.TLS {
			t.Errorf("line %d = %+v, want as in %+v", i, got, want)
		}
		if want.Protocol != "" && (got.Protocol != want.Protocol || got.Referer != want.Referer || got.Agent != want.Agent || got.RequestID != want.RequestID) {
			t.Errorf("line %d = %+v, want as in %+v", i, got, want)
		}
		if got.Target != addr || got.Client != "127.0.0.1" || got.Outcome != "served" || got.Code != "" || !strings.HasPrefix(got.Host, "blog.test") {
			t.Errorf("line %d = %+v, want target %s, client 127.0.0.1, served, of blog.test", i, got, addr)
		}
		if got.At.Before(before.Add(-time.Millisecond)) || got.At.After(time.Now()) || got.FirstByte <= 0 || got.Duration < got.FirstByte || got.RequestID == "" {
			t.Errorf("line %d = %+v, want its times, and an id", i, got)
		}
	}
	if list[0].Connect <= 0 || list[1].Connect != 0 {
		t.Errorf("connect = %v, %v, want the time of the one connection that was made", list[0].Connect, list[1].Connect)
	}
	if list := lines(t, l, "idle", 0); len(list) != 1 || list[0].Code != "H14" || list[0].Status != 503 || list[0].TLS != "" || list[0].Target != "" || list[0].Out < 50 {
		t.Errorf("of a service without a process = %+v, want one H14", list)
	}
	if entries, err := os.ReadDir(l.Dir); err != nil || len(entries) != 2 {
		t.Errorf("%v, %v: want nothing of a host that leads nowhere", entries, err)
	}
}

func TestAServiceSaysWhatIsLoggedOfIt(t *testing.T) {
	l := &router.AccessLog{}
	r := logged(t, l)

	for _, log := range []router.Logging{{Query: true}, {Off: true}, {}} {
		if _, err := r.Swap(router.Service{Name: "blog", Hosts: []string{"blog.test"}, Policy: router.Policy{Log: log}}); err != nil {
			t.Fatal(err)
		}
		ask(r, "/x?a=1")
	}

	list := lines(t, l, "blog", 0)
	if len(list) != 2 || list[0].Path != "/x?a=1" || list[1].Path != "/x" {
		t.Errorf("lines = %+v, want one with the query and one without", list)
	}
}

// Attack: what a visitor sends ends a line and begins one of their own, moves
// the cursor of whoever reads the log, or makes lines without end.
func TestAVisitorCannotForgeALine(t *testing.T) {
	l := &router.AccessLog{}
	r := logged(t, l)
	hostile := []string{
		"x\"}\n{\"status\":200}", "\x1b[2J\x1b]0;owned\a", "\x7f\x00\r", "\u009b31m", "\xff\xfe\xc3", "\u202egnp.exe", "\\", "a\u2028b",
		strings.Repeat("A", 100<<10), strings.Repeat("\x01", 60<<10),
	}
	for _, s := range hostile {
		ask(r, "/"+s, func(req *http.Request) {
			req.Header["User-Agent"], req.Header["Referer"] = []string{s}, []string{s}
			req.Method, req.RemoteAddr = s, s+":1"
		})
	}

	var raw []string
	err := l.Read(t.Context(), "blog", 0, false, func(line []byte) error {
		raw = append(raw, string(line))
		return nil
	})
	if err != nil || len(raw) != len(hostile) {
		t.Fatalf("%d lines, %v, want %d", len(raw), err, len(hostile))
	}
	for i, line := range raw {
		var e entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Errorf("%.200q: %v", line, err)
		}
		if e.Status != 503 && e.Status != 400 || len(e.Path) > 2048 || len(e.Agent) > 512+8 {
			t.Errorf("%.200q: status %d, path of %d bytes, agent of %d", line, e.Status, len(e.Path), len(e.Agent))
		}
		if i := strings.IndexFunc(line, func(r rune) bool { return r < ' ' || 0x7f <= r && r < 0xa0 || r == 0x202e }); i >= 0 {
			t.Errorf("%.200q has a control character", line)
		}
		if want := strings.ToValidUTF8(hostile[i], "\ufffd\ufffd"); i < 8 && i != 4 && e.Agent != want {
			t.Errorf("user agent = %q, want %q", e.Agent, want)
		}
	}
}

// Who is told of requests sees of each what its line says.
func TestTheSinkIsToldWhatIsWritten(t *testing.T) {
	var told []router.Access
	l := &router.AccessLog{Sink: func(service string) func([]router.Access) {
		if service != "blog" {
			return nil
		}
		return func(list []router.Access) { told = append(told, list...) }
	}}
	r := logged(t, l)
	if _, err := r.Swap(router.Service{Name: "other", Hosts: []string{"other.test"}}); err != nil {
		t.Fatal(err)
	}

	ask(r, "/first")
	ask(r, "/other", func(req *http.Request) { req.Host = "other.test" })
	ask(r, "/second?token=hunter2", func(req *http.Request) { req.TLS, req.Header["User-Agent"] = nil, []string{"curl"} })
	var read []router.Access
	for _, service := range []string{"blog", "other"} {
		err := l.Read(t.Context(), service, 0, false, func(line []byte) error {
			a, ok := router.ParseAccess(line)
			if !ok {
				t.Errorf("%q is no line", line)
			}
			if service == "blog" {
				read = append(read, a)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}

	if !slices.Equal(told, read) || len(told) != 2 || told[1].Path != "/second" || told[0].Status != 503 || !told[0].Failed() {
		t.Errorf("told %+v, want what was written: %+v", told, read)
	}
}

// Requests do not wait for a disk.
func TestRecordsAreDroppedAndCountedWhenNobodyWritesThem(t *testing.T) {
	l := &router.AccessLog{}
	r := logged(t, l)

	const n = 5000
	for i := range n {
		ask(r, fmt.Sprint("/", i))
	}

	list := lines(t, l, "blog", 0)
	if len(list) == 0 || len(list) == n || uint64(len(list))+l.Dropped() != n {
		t.Errorf("%d lines and %d dropped, want some of each, %d together", len(list), l.Dropped(), n)
	}
	ask(r, "/later")
	if list := lines(t, l, "blog", 1); len(list) != 1 || list[0].Path != "/later" {
		t.Errorf("last line = %+v, want that it goes on", list)
	}
}

// Attack: many requests fill the disk.
func TestAFloodStaysWithinItsBounds(t *testing.T) {
	l := &router.AccessLog{MaxPart: 4 << 10, MaxService: 32 << 10, MaxTotal: 64 << 10}
	r := logged(t, l)
	const services, rounds, each = 5, 40, 20
	for i := range services {
		name := fmt.Sprint("app", i)
		if _, err := r.Swap(router.Service{Name: name, Hosts: []string{name + ".test"}}); err != nil {
			t.Fatal(err)
		}
	}

	for round := range rounds {
		for service := range services {
			for range each {
				ask(r, fmt.Sprint("/", round), func(req *http.Request) { req.Host = fmt.Sprintf("app%d.test", service) })
			}
		}
		lines(t, l, "app0", 1) // has them written
		l.Compress()
		if size := sizeOf(t, l.Dir); size > 64<<10+each*services*512 {
			t.Fatalf("after %d rounds: %d bytes", round, size)
		}
	}

	list := lines(t, l, "app4", each)
	for _, e := range list {
		if e.Path != fmt.Sprint("/", rounds-1) {
			t.Errorf("path = %s, want the newest kept", e.Path)
		}
	}
	if len(list) != each {
		t.Errorf("%d lines, want %d", len(list), each)
	}
	if l.Dropped() != 0 {
		t.Errorf("%d dropped, want the oldest removed instead", l.Dropped())
	}
}

// sizeOf adds up what is in a directory, all of which is for us alone.
func sizeOf(t *testing.T, dir string) (size int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is %v", path, info.Mode())
		}
		if d.Type().IsRegular() {
			size += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return size
}

func TestLinesAreReadAcrossPartsCompressedOrNot(t *testing.T) {
	l := &router.AccessLog{MaxPart: 2 << 10}
	r := logged(t, l)
	const n = 100
	for i := range n {
		ask(r, fmt.Sprint("/", i))
		lines(t, l, "blog", 1)
		if i == n/2 {
			for l.Compress() {
			}
		}
	}
	names, err := os.ReadDir(filepath.Join(l.Dir, "blog"))
	if err != nil {
		t.Fatal(err)
	}
	packed := slices.ContainsFunc(names, func(e fs.DirEntry) bool { return strings.HasSuffix(e.Name(), ".zst") })
	if plain := slices.ContainsFunc(names, func(e fs.DirEntry) bool { return strings.HasSuffix(e.Name(), ".log") }); !packed || !plain || len(names) < 5 {
		t.Fatalf("files = %v: want both kinds", names)
	}

	for _, last := range []int{1, 7, 8, 9, 50, 99, 100, 1000, 0} {
		list := lines(t, l, "blog", last)
		want := min(last, n)
		if last == 0 {
			want = n
		}
		if len(list) != want {
			t.Fatalf("last %d: %d lines, want %d", last, len(list), want)
		}
		for i, e := range list {
			if e.Path != fmt.Sprint("/", n-want+i) {
				t.Errorf("last %d: line %d is of %s", last, i, e.Path)
			}
		}
	}
}

func TestTheLogGoesOnWhereAKilledDaemonWasInterrupted(t *testing.T) {
	l := &router.AccessLog{}
	r := logged(t, l)
	ask(r, "/before")
	lines(t, l, "blog", 0)
	dir := filepath.Join(l.Dir, "blog")
	file, err := os.OpenFile(filepath.Join(dir, "00000001.log"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString(`{"at":"2026-`); err != nil {
		t.Fatal(err)
	}
	file.Close()
	if err := os.WriteFile(filepath.Join(dir, "00000000.log.gz.new"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}

	again := &router.AccessLog{Dir: l.Dir}
	ask(logged(t, again), "/after")

	list := lines(t, again, "blog", 0)
	if len(list) != 2 || list[0].Path != "/before" || list[1].Path != "/after" {
		t.Errorf("lines = %+v, want what is whole of before, and after", list)
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
		t.Errorf("files = %v, %v, want the half one gone", names, err)
	}
}

// As by an admin who wants the disk back, or by the daemon that replaces this
// one, which has compressed what was full.
func TestTheLogGoesOnWhenItsFilesAreTakenAway(t *testing.T) {
	l := &router.AccessLog{}
	r := logged(t, l)
	ask(r, "/before")
	lines(t, l, "blog", 0)
	if err := os.RemoveAll(l.Dir); err != nil {
		t.Fatal(err)
	}

	ask(r, "/after")

	if list := lines(t, l, "blog", 0); len(list) != 1 || list[0].Path != "/after" {
		t.Errorf("lines = %+v, want what came after", list)
	}
}

func TestAFollowerIsShownWhatComes(t *testing.T) {
	l := &router.AccessLog{MaxPart: 1 << 10}
	r := logged(t, l)
	ctx, cancel := context.WithCancel(t.Context())
	running := make(chan error, 1)
	go func() { running <- l.Run(ctx) }()
	ask(r, "/0")
	seen, stop := make(chan string, 1), errors.New("enough")
	read := make(chan error, 1)
	go func() {
		read <- l.Read(t.Context(), "blog", 10, true, func(line []byte) error {
			var e entry
			if err := json.Unmarshal(line, &e); err != nil {
				return err
			}
			seen <- e.Path
			if e.Path == "/11" {
				return stop
			}
			return nil
		})
	}()

	for i := range 12 {
		if i > 0 {
			ask(r, fmt.Sprint("/", i))
		}
		select {
		case path := <-seen:
			if path != fmt.Sprint("/", i) {
				t.Fatalf("line %d is of %s", i, path)
			}
		case <-time.After(await.Patience):
			t.Fatalf("line %d never came", i)
		}
	}

	if err := <-read; err != stop {
		t.Errorf("Read = %v, want what each returned", err)
	}
	cancel()
	if err := <-running; err != nil {
		t.Errorf("Run = %v", err)
	}
}

// What is on the way when the daemon is told to end is written.
func TestRunWritesWhatIsLeft(t *testing.T) {
	l := &router.AccessLog{}
	r := logged(t, l)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ask(r, "/last")

	if err := l.Run(ctx); err != nil {
		t.Fatal(err)
	}

	text, err := os.ReadFile(filepath.Join(l.Dir, "blog", "00000001.log"))
	if err != nil || !strings.Contains(string(text), `"path":"/last"`) {
		t.Errorf("%q, %v, want the line", text, err)
	}
}

func TestNothingIsLeftOfAServiceThatIsForgotten(t *testing.T) {
	l := &router.AccessLog{}
	r := logged(t, l)
	ask(r, "/secret")
	lines(t, l, "blog", 0)
	ask(r, "/secret")

	if err := l.Forget("blog"); err != nil {
		t.Fatal(err)
	}

	if list := lines(t, l, "blog", 0); len(list) != 0 {
		t.Errorf("lines = %+v", list)
	}
	ask(r, "/new")
	if list := lines(t, l, "blog", 0); len(list) != 1 {
		t.Errorf("lines = %+v, want one of the next", list)
	}
}

// Attack: a service's name leads out of the directory.
func TestANameLeadsNowhereElse(t *testing.T) {
	l := &router.AccessLog{}
	r := logged(t, l)
	for _, name := range []string{"../x", "..", ".", "/etc", "a/b", ""} {
		if _, err := r.Swap(router.Service{Name: name, Hosts: []string{"odd.test"}}); err != nil {
			t.Fatal(err)
		}
		ask(r, "/", func(req *http.Request) { req.Host = "odd.test" })
		if list := lines(t, l, name, 0); len(list) != 0 {
			t.Errorf("%q: %+v", name, list)
		}
		if err := l.Forget(name); err != nil {
			t.Errorf("forget %q: %v", name, err)
		}
		r.Remove(name)
	}
	if l.Dropped() != 6 {
		t.Errorf("%d dropped, want 6", l.Dropped())
	}
	if entries, err := os.ReadDir(filepath.Dir(l.Dir)); err != nil || len(entries) > 1 {
		t.Errorf("%v, %v: want nothing beside the log", entries, err)
	}
}

func TestADiskThatIsFullIsTold(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l := &router.AccessLog{Dir: dir} // not a directory: nothing can be written
	r := logged(t, l)

	if status := ask(r, "/"); status != 503 {
		t.Errorf("status = %d, want the answer of always", status)
	}

	// Whoever reads hears of it too.
	if err := l.Read(t.Context(), "blog", 1, false, func([]byte) error { return nil }); err == nil {
		t.Error("Read = nil, want why there is nothing")
	}
	if l.Dropped() != 1 {
		t.Errorf("%d dropped, want 1", l.Dropped())
	}
}

// Many requests end while the log is written, read and forgotten.
func TestEveryRecordIsWrittenOrCounted(t *testing.T) {
	l := &router.AccessLog{MaxPart: 16 << 10}
	r := logged(t, l)
	ctx, cancel := context.WithCancel(t.Context())
	running := make(chan error, 1)
	go func() { running <- l.Run(ctx) }()
	const visitors, each = 8, 300
	var all sync.WaitGroup
	for visitor := range visitors {
		all.Go(func() {
			for i := range each {
				ask(r, fmt.Sprintf("/%d/%d", visitor, i))
				if i%100 == 0 {
					lines(t, l, "blog", 10)
				}
			}
		})
	}
	all.Wait()
	cancel()
	if err := <-running; err != nil {
		t.Fatal(err)
	}

	seen := map[string]bool{}
	for _, e := range lines(t, l, "blog", 0) {
		seen[e.Path] = true
	}
	if n := uint64(len(seen)) + l.Dropped(); n != visitors*each {
		t.Errorf("%d different lines and %d dropped, want %d together", len(seen), l.Dropped(), visitors*each)
	}
}
