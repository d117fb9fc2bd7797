package command_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/await"
	"github.com/berthhq/berth/appliance/command"
)

func TestLogsOutliveADeploy(t *testing.T) {
	w := newWorld(t)
	w.deploy("blog", "")
	w.deploy("blog", "")
	w.Wait()
	await.That(t, "both have printed", func() bool { return strings.Count(w.ok("logs", "blog", "--grep", "listening"), "\n") == 2 })

	first := w.ok("logs", "blog", "--release", "v1", "-q")
	if !strings.Contains(first, "listening on [::]:5000\n") || !strings.Contains(first, "told to finish") {
		t.Errorf("of v1 there is %q, want all to its last words", first)
	}
	if got := w.ok("logs", "blog", "--release", "v2", "--ps", "web.1", "-q", "-n", "1"); got != "listening on [::]:5000\n" {
		t.Errorf("of v2 there is %q", got)
	}
	var row struct {
		At              time.Time
		Process, Stream string
		Text            string
		Release         int
	}
	for line := range strings.Lines(w.ok("logs", "blog", "--format", "json", "-n", "1", "--since", "10m", "--release", "2")) {
		if err := json.Unmarshal([]byte(line), &row); err != nil || row.Process != "web.1" || row.Release != 2 || row.Stream != "stdout" || row.At.IsZero() {
			t.Errorf("%s: %v", line, err)
		}
	}
	if row.Text == "" {
		t.Error("no JSON")
	}
}

// Whatever is asked for, it is found in what was printed long ago too.
func TestLogsAreShownAsAsked(t *testing.T) {
	w := newWorld(t)
	app := appliance.AppName(w.Service("blog"))
	noon := time.Date(2020, 11, 27, 12, 0, 0, 0, time.UTC)
	for i, l := range []appliance.LogLine{
		{Process: "web.1", Release: 1, Text: "one"}, {Process: "web.2", Release: 1, Text: "two (2)"}, {Process: "worker.1", Release: 2, Text: "Three"},
		{Process: "web.1", Release: 2, Stream: appliance.Stderr, Text: "four"}, {Process: "web.1", Release: 12, Stream: appliance.Remark, Text: "five"},
	} {
		if l.At = noon.Add(time.Duration(i) * time.Minute); l.Stream == 0 {
			l.Stream = appliance.Stdout
		}
		w.must(w.Logs.Add(app, l))
	}
	w.Logs.Died(t.Context(), appliance.Process{App: app, Type: "web", Index: 1, Release: 2}, "Process was ended")

	for flags, want := range map[string]string{
		"-n 0":                                  "one,two (2),Three,four,five,Process was ended",
		"-n 2":                                  "five,Process was ended",
		"--num 2":                               "five,Process was ended",
		"-p web":                                "one,two (2),four,five,Process was ended",
		"-p web.2":                              "two (2)",
		"--ps worker -n 5":                      "Three",
		"-p we":                                 "",
		"--release v1":                          "one,two (2)",
		"--release 12":                          "five",
		"--release v3":                          "",
		"--since 2020-11-27T12:03:00Z":          "four,five,Process was ended",
		"--since 2020-11-27T12:03:00Z -n 1":     "Process was ended",
		"--since 2020-11-27T12:03:00Z -p web.2": "",
		"--grep o":                              "one,two (2),four,Process was ended",
		"--grep ^t":                             "two (2)",
		"--grep (?i)^t":                         "two (2),Three",
		"--grep \\(2\\)":                        "two (2)",
		"--grep o -n 1 --release v1 -p web":     "two (2)",
		"--crash":                               "Process was ended",
		"--crash -p worker":                     "",
	} {
		got := w.ok(append([]string{"logs", "blog", "-q"}, strings.Fields(flags)...)...)
		if got := strings.ReplaceAll(strings.TrimSuffix(got, "\n"), "\n", ","); got != want {
			t.Errorf("logs blog %s: %q, want %q", flags, got, want)
		}
	}
	want := "2020-11-27T12:03:00.000Z app[web.1]: four\n2020-11-27T12:04:00.000Z berth[web.1]: five\n"
	if got := w.ok("logs", "blog", "--grep", "^f"); got != want {
		t.Errorf("logs = %q, want %q", got, want)
	}
}

func TestLogsAreFollowed(t *testing.T) {
	w := newWorld(t)
	w.deploy("blog", "web: serve\nworker: serve\n")
	w.deploy("api", "")
	app := appliance.AppName(w.Service("blog"))
	await.That(t, "it has printed", func() bool { return strings.Contains(w.ok("logs", "blog", "-p", "web"), "listening") })
	ctx, hangUp := context.WithCancel(t.Context())
	out := new(await.Buffer)
	ended := make(chan error, 1)
	go func() {
		ended <- w.Execute(ctx, &command.Session{Actor: val, Stdin: strings.NewReader(""), Stdout: out, Stderr: io.Discard}, []string{"logs", "blog", "-t", "-q", "-p", "web", "--grep", "^(listening|said)"})
	}()
	await.That(t, "what there was is shown", func() bool { return strings.HasPrefix(out.String(), "listening on ") })

	said := func(process, text string) {
		w.must(w.Logs.Add(app, appliance.LogLine{At: time.Now(), Process: process, Release: 1, Stream: appliance.Stdout, Text: text}))
	}
	said("web.1", "said one")
	await.That(t, "what comes is shown", func() bool { return strings.HasSuffix(out.String(), "\nsaid one\n") })
	said("worker.1", "said elsewhere")
	said("web.1", "something else")
	said("web.1", "said two")
	await.That(t, "no more than is asked for is shown", func() bool { return strings.HasSuffix(out.String(), "\nsaid one\nsaid two\n") })

	w.ok("ps:restart", "blog") // which ends what is followed
	await.That(t, "it goes on", func() bool { return strings.Count(out.String(), "listening on ") == 2 })
	hangUp()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("logs -t = %v, want that it ends when the person hangs up", err)
	}
}

func TestLogsSayWhatIsWrongWithTheQuestion(t *testing.T) {
	w := newWorld(t)
	w.deploy("blog", "")
	for line, want := range map[string]error{
		"logs blog --since yesterday":                        appliance.ErrInvalid,
		"logs blog --since -5m":                              appliance.ErrInvalid,
		"logs blog --release new":                            appliance.ErrInvalid,
		"logs blog --grep (":                                 appliance.ErrInvalid,
		"logs blog --grep " + strings.Repeat("x", 1001):      command.ErrUsage,
		"logs blog --router --crash":                         command.ErrUsage,
		"logs:set blog max-size 1":                           appliance.ErrInvalid,
		"logs:set blog retention 1m":                         appliance.ErrInvalid,
		"logs:set blog max-total 1g":                         appliance.ErrInvalid,
		"logs:set blog vector-sink console://?encoding=json": appliance.ErrNotFound,
	} {
		if r := w.run(ada, strings.Fields(line)...); !errors.Is(r.err, want) {
			t.Errorf("%.60s: %v, want %v", line, r.err, want)
		}
	}
}

// Attack: who may deploy one app has the logs of the others removed, by making
// room for their own.
func TestOnlyAdminsGiveAnAppMoreLogsThanOthersHave(t *testing.T) {
	w := newWorld(t)

	if r := w.run(bob, "logs:set", "blog", "max-size", "1g"); !errors.Is(r.err, appliance.ErrDenied) {
		t.Errorf("%v, want ErrDenied", r.err)
	}
	if r := w.run(bob, "logs:set", "blog", "max-size", "8m"); r.err != nil {
		t.Error(r.err)
	}
	w.ok("logs:set", "blog", "retention", "200d")

	got := w.ok("logs:report", "blog")
	for _, want := range []string{"Logs max size:                 8m\n", "Computed logs max size:        8m\n", "Computed logs retention:       200d\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("report:\n%swant %q in it", got, want)
		}
	}
	w.ok("logs:set", "blog", "max-size")
	w.ok("logs:set", "--global", "max-size", "32m")
	if got := w.ok("logs:report", "blog", "--format", "json"); !strings.Contains(got, `"computed-logs-max-size":"32m"`) {
		t.Errorf("report: %s", got)
	}
	if got := w.ok("logs:report", "--global"); !strings.Contains(got, "Computed logs max total:       2g\n") {
		t.Errorf("report:\n%s", got)
	}
}

func TestTheLogOfADestroyedAppIsNotTheNextOnes(t *testing.T) {
	w := newWorld(t)
	w.deploy("blog", "")
	await.That(t, "it has printed", func() bool { return w.ok("logs", "blog") != "" })
	w.ok("logs:set", "blog", "max-size", "8m")

	w.ok("apps:destroy", "blog", "--force")
	w.ok("apps:create", "blog")

	if r := w.run(ada, "logs", "blog"); r.stdout != "" || r.err == nil {
		t.Errorf("logs of another app: %q, %v", r.stdout, r.err)
	}
	if got := w.ok("logs:report", "blog"); !strings.Contains(got, "Computed logs max size:        64m\n") {
		t.Errorf("report:\n%s", got)
	}
}

func TestLogsGoToDrains(t *testing.T) {
	w := newWorld(t)
	got := make(chan string, 100)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- string(body)
	}))
	defer server.Close()
	at := strings.Replace(server.URL, "http://", "http://me:hunter2@", 1) + "/hunter2"

	if out := w.ok("logs:drains:add", "blog", at, "--json"); !strings.Contains(out, "-----> Added drain ") || strings.Contains(out, "hunter2") {
		t.Errorf("it printed %s", out)
	}
	if e := w.last(); e.Action != "logs:drains:add" || strings.Contains(e.Detail, "hunter2") {
		t.Errorf("event = %+v", e)
	}
	w.deploy("blog", "")

	for text := <-got; !strings.Contains(text, `"app":"blog","process":"web.1","release":1,"stream":"stdout","text":"listening on [::]:5000"}`); text = <-got {
		t.Log(text)
	}
	w.visit("/posts?token=hunter2")
	w.ok("logs", "blog", "--router") // which has the lines of requests written
	for text := <-got; !strings.Contains(text, `"app":"blog","process":"router","stream":"router","text":"at=info method=GET path=\"/posts\" host=blog.localhost request_id=`); text = <-got {
		t.Log(text)
	}
	await.That(t, "it is known", func() bool { return !strings.Contains(w.ok("drains", "blog", "--format", "json"), `"sent":0`) })
	list := w.ok("drains", "blog", "--quiet")
	if strings.Contains(list, "hunter2") || strings.Contains(w.ok("logs:drains", "blog", "--format", "json"), "hunter2") {
		t.Errorf("list = %s, want nothing secret", list)
	}
	id, _, _ := strings.Cut(list, " ")
	w.ok("drains:remove", "blog", id)
	if list := w.ok("drains", "blog", "--quiet"); list != "" {
		t.Errorf("list = %s", list)
	}
	if r := w.run(ada, "drains:remove", "blog", id); !errors.Is(r.err, appliance.ErrNotFound) {
		t.Errorf("again: %v", r.err)
	}
	w.ok("drains:add", "blog", at, "--only", "router")
	if list := w.ok("drains", "blog"); !strings.Contains(list, "(syslog, only router) sent 0") {
		t.Errorf("list = %s", list)
	}
	if r := w.run(ada, "drains:add", "blog", at+"/2", "--only", "web"); !errors.Is(r.err, appliance.ErrInvalid) {
		t.Errorf("only web: %v", r.err)
	}
}

// Attack: who may deploy an app has its log sent to what only this machine
// should reach, to talk to it or to find out what is there.
func TestOnlyAdminsSendLogsToPrivateAddresses(t *testing.T) {
	w := newWorld(t)
	for _, at := range []string{"http://127.0.0.1:1", "syslog://localhost:1", "https://169.254.169.254/latest", "syslog+udp://10.0.0.1", "http://[::1]:1"} {
		if r := w.run(bob, "logs:drains:add", "blog", at); !errors.Is(r.err, appliance.ErrInvalid) || !strings.Contains(appliance.HintOf(r.err), "admin") {
			t.Errorf("%s: %v, want ErrInvalid", at, r.err)
		}
	}
	if list := w.ok("drains", "blog", "--quiet"); list != "" {
		t.Errorf("list = %s", list)
	}
	if r := w.run(ada, "logs:drains:add", "blog", "syslog+udp://127.0.0.1:9"); r.err != nil {
		t.Error(r.err)
	}
	if r := w.run(ada, "logs:drains:add", "blog", "syslog+udp://127.0.0.1:9"); !errors.Is(r.err, appliance.ErrExists) {
		t.Errorf("twice: %v", r.err)
	}
}
