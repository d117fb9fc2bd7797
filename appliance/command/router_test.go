package command_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/command"
	"github.com/berthhq/berth/appliance/pipeline"
)

// visit asks the door for something, over HTTPS as far as it knows.
func (w *world) visit(path string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	w.t.Helper()
	req := httptest.NewRequestWithContext(w.t.Context(), "GET", "https://blog.localhost"+path, nil)
	req.RequestURI = path
	for _, f := range change {
		f(req)
	}
	answer := httptest.NewRecorder()
	w.Router.ServeHTTP(answer, req)
	return answer
}

// settings are all that is kept about the door of blog.
func (w *world) settings() (all []string) {
	w.t.Helper()
	for _, name := range []string{pipeline.DoorSetting, pipeline.RedirectsSetting, pipeline.HTTPAuthSetting, pipeline.MaintenanceSetting, pipeline.ErrorPagesSetting, pipeline.HeadersSetting} {
		own, err := w.Store.AppSetting(w.t.Context(), "blog", name)
		w.must(err)
		machine, err := w.Store.Setting(w.t.Context(), name)
		w.must(err)
		all = append(all, own, machine)
	}
	return all
}

func TestWhatMakesNoSenseIsRefusedAndChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.ok("router:set", "blog", "hsts-max-age", "100")
	w.ok("redirects:set", "blog", "/a", "/b")
	before := w.settings()
	for line, want := range map[string]error{
		"router:set blog client-max-body-size much":     appliance.ErrInvalid,
		"router:set blog client-max-body-size 1.x":      appliance.ErrInvalid,
		"router:set blog max-connections many":          appliance.ErrInvalid,
		"router:set blog proxy-read-timeout soon":       appliance.ErrInvalid,
		"router:set blog proxy-read-timeout 99999h":     appliance.ErrInvalid,
		"router:set blog idle-timeout 1ns":              appliance.ErrInvalid,
		"router:set blog hsts maybe":                    appliance.ErrInvalid,
		"router:set blog hsts-max-age 1y":               appliance.ErrInvalid,
		"router:set blog hsts-preload true":             appliance.ErrInvalid,
		"router:set --global hsts-preload true":         appliance.ErrInvalid,
		"router:set blog compression-types json":        appliance.ErrInvalid,
		"router:set blog allow-ips 10.0.0.0/99":         appliance.ErrInvalid,
		"router:set blog trusted-proxies 10.0.0.1":      appliance.ErrInvalid,
		"router:set --global trusted-proxies 0.0.0.0/0": appliance.ErrInvalid,
		"router:set --global trusted-proxies everybody": appliance.ErrInvalid,
		"router:set --global trusted-header Client-Ip":  appliance.ErrInvalid,
		"router:set blog proxy-buffering on":            appliance.ErrNotFound,
		"router:set blog nonsense 1":                    appliance.ErrNotFound,
		"router:set blog":                               command.ErrUsage,
		"headers:set blog Content-Length 5":             appliance.ErrInvalid,
		"headers:set blog X:Y 5":                        appliance.ErrInvalid,
		"headers:unset blog X-Not-There":                appliance.ErrNotFound,
		"redirects:set blog /a /a":                      appliance.ErrInvalid,
		"redirects:set blog /x /y 200":                  appliance.ErrInvalid,
		"redirects:set blog /x /y 399":                  appliance.ErrInvalid,
		"redirects:set blog javascript:alert(1) /":      appliance.ErrInvalid,
		"redirects:unset blog /x":                       appliance.ErrNotFound,
		"maintenance:add-allowed-ip blog localhost":     appliance.ErrInvalid,
		"maintenance:remove-allowed-ip blog 10.0.0.1":   appliance.ErrNotFound,
		"maintenance:custom-page blog":                  appliance.ErrInvalid,
		"error-pages:set blog 503":                      appliance.ErrInvalid,
		"error-pages:unset blog 503":                    appliance.ErrNotFound,
		"http-auth:add-user blog ada":                   appliance.ErrInvalid,
		"http-auth:add-user blog ad:a --generate":       appliance.ErrInvalid,
		"http-auth:remove-user blog ada":                appliance.ErrNotFound,
		"http-auth:add-allowed-ip blog 300.1.1.1":       appliance.ErrInvalid,
		"http-auth:add-user blog ada hunter2":           command.ErrUsage,
		"http-auth:set blog open-paths healthz":         appliance.ErrInvalid,
		"http-auth:set blog open-paths /a*b":            appliance.ErrInvalid,
		"http-auth:set blog open-paths /a /b\r\nX:":     appliance.ErrInvalid,
		"http-auth:set blog realm a\"b":                 appliance.ErrInvalid,
		"http-auth:set blog nonsense x":                 appliance.ErrNotFound,
		"maintenance:set blog retry-after soon":         appliance.ErrInvalid,
		"maintenance:set blog retry-after 0":            appliance.ErrInvalid,
		"maintenance:set blog retry-after 1000h":        appliance.ErrInvalid,
		"maintenance:set blog nonsense 1":               appliance.ErrNotFound,
		"router:set blog hsts-except https://a.org":     appliance.ErrInvalid,
		"router:set blog hsts-except *.a.org":           appliance.ErrInvalid,
		// Somebody who keeps people out by mistake lets everybody in by another.
		"router:set blog allow-ips ,":                           appliance.ErrInvalid,
		"router:set blog compression-types ,,":                  appliance.ErrInvalid,
		"headers:set blog X-Long " + strings.Repeat("x", 9<<10): appliance.ErrInvalid,
	} {
		r := w.run(ada, strings.Fields(line)...)

		if !errors.Is(r.err, want) {
			t.Errorf("%s: %v, want %v", line, r.err, want)
		}
		if after := w.settings(); !slices.Equal(after, before) {
			t.Fatalf("%s: settings = %q, want %q", line, after, before)
		}
	}
	for _, code := range []string{"200", "H99", "x", "+503", "0503"} {
		if r := w.runWith("<p>sorry", ada, "error-pages:set", "blog", code); !errors.Is(r.err, appliance.ErrInvalid) {
			t.Errorf("error-pages:set %s: %v", code, r.err)
		}
	}
	if r := w.runWith(strings.Repeat("x", 600<<10), ada, "maintenance:custom-page", "blog"); !errors.Is(r.err, appliance.ErrInvalid) {
		t.Errorf("a page of 600 KB: %v", r.err)
	}
	if r := w.runWith(strings.Repeat("\x00", 100<<20), ada, "maintenance:custom-page", "blog"); !errors.Is(r.err, appliance.ErrInvalid) || !strings.Contains(r.err.Error(), "the most is 512 KB") {
		t.Errorf("a page of 100 MB: %v", r.err)
	}
	if r := w.runWith("<p>Gr\xfc\xdfe", ada, "maintenance:custom-page", "blog"); !errors.Is(r.err, appliance.ErrInvalid) || !strings.Contains(r.err.Error(), "UTF-8") {
		t.Errorf("a page in another encoding: %v", r.err)
	}
	if r := w.run(ada, "http-auth:on", "blog"); r.err == nil || !strings.Contains(appliance.HintOf(r.err), "http-auth:add-user") {
		t.Errorf("http-auth:on without users: %v", r.err)
	}
	if after := w.settings(); !slices.Equal(after, before) {
		t.Errorf("settings = %q, want %q", after, before)
	}
}

func TestWhatIsSetIsReportedAsSetAndAsItHolds(t *testing.T) {
	w := newWorld(t)
	for line, want := range map[string]string{
		"client-max-body-size 50m":               "50m",
		"max-connections 20":                     "20",
		"proxy-connect-timeout 3":                "3s",
		"proxy-read-timeout 15m":                 "15m",
		"idle-timeout 0":                         "0",
		"https-redirect false":                   "false",
		"hsts-include-subdomains false":          "false",
		"hsts-max-age 3600":                      "3600",
		"compression false":                      "false",
		"compression-types text/* image/svg+xml": "text/*,image/svg+xml",
		"allow-ips 192.0.2.1, 10.0.0.0/8":        "192.0.2.1,10.0.0.0/8",
		"access-log false":                       "false",
		"access-log-query true":                  "true",
	} {
		name, value, _ := strings.Cut(line, " ")

		if r := w.run(mia, append([]string{"router:set", "blog", name}, strings.Fields(value)...)...); r.err != nil {
			t.Errorf("%s: %v", line, r.err)
		}

		var report map[string]string
		if err := json.Unmarshal([]byte(w.ok("router:report", "blog", "--format", "json")), &report); err != nil {
			t.Fatal(err)
		}
		if report["router-"+name] != value || report["router-computed-"+name] != want || report["router-global-"+name] != "" {
			t.Errorf("%s: set %q, holds %q, want %q", line, report["router-"+name], report["router-computed-"+name], want)
		}
		if got := w.ok("nginx:report", "blog", "--nginx-"+name); got != value+"\n" { // as Dokku calls it
			t.Errorf("nginx:report --nginx-%s = %q, want %q", name, got, value)
		}
		w.ok("nginx:set", "blog", name)
	}
	if after := w.settings(); strings.Join(after, "") != "" {
		t.Errorf("settings = %q, want none", after)
	}
}

func TestAnAppGoesBeforeTheMachine(t *testing.T) {
	w := newWorld(t)
	w.ok("router:set", "--global", "client-max-body-size", "10m")
	w.ok("router:set", "--global", "hsts", "false")
	w.ok("router:set", "blog", "client-max-body-size", "20m")

	for app, want := range map[appliance.AppName]int64{"blog": 20 << 20, "api": 10 << 20, "": 10 << 20} {
		policy, err := w.Policy(t.Context(), app)
		if err != nil || policy.MaxBody != want || policy.HSTS.MaxAge != 0 {
			t.Errorf("policy of %q = %+v, %v, want %d bytes and no HSTS", app, policy, err, want)
		}
	}
	if text := w.ok("router:report", "--global"); !strings.Contains(text, "Global router information") || !strings.Contains(text, "10m") {
		t.Errorf("report:\n%s", text)
	}
	// What would make no sense for one of the apps is refused as a whole.
	w.ok("router:set", "blog", "hsts", "true")
	w.ok("router:set", "blog", "hsts-max-age", "40000000")
	w.ok("router:set", "blog", "hsts-preload", "true")
	if r := w.run(ada, "router:set", "--global", "hsts-include-subdomains", "false"); !errors.Is(r.err, appliance.ErrInvalid) || !strings.Contains(r.err.Error(), "blog") {
		t.Errorf("err = %v, want that it is for blog", r.err)
	}
}

// Who may only work on an app must not take what is the others'.
func TestMemberGetsNoMoreThanTheMachineGives(t *testing.T) {
	w := newWorld(t)
	for value, may := range map[string]bool{"100": true, "10000": true, "10001": false, "0": false} {
		if r := w.run(mia, "router:set", "blog", "max-connections", value); may != (r.err == nil) || !may && !errors.Is(r.err, appliance.ErrDenied) {
			t.Errorf("%s: %v, want it allowed: %v", value, r.err, may)
		}
	}
	w.ok("router:set", "blog", "max-connections", "50000")
	if r := w.run(mia, "router:set", "--global", "trusted-proxies", "10.0.0.1"); !errors.Is(r.err, appliance.ErrDenied) {
		t.Errorf("--global of a member: %v", r.err)
	}
}

func TestAChangeHoldsAtOnce(t *testing.T) {
	w := newWorld(t)
	w.deploy("blog", "")
	if got := w.visit("/"); got.Code != 200 {
		t.Fatalf("before: %d %s", got.Code, got.Body)
	}

	w.ok("maintenance:on", "blog")
	if got := w.visit("/"); got.Code != 503 || got.Header().Get("Retry-After") == "" {
		t.Errorf("in maintenance: %d %v", got.Code, got.Header())
	}
	if r := w.run(val, "maintenance:custom-page-export", "blog"); !errors.Is(r.err, appliance.ErrNotFound) {
		t.Errorf("the page before there is one: %v", r.err)
	}
	w.must(w.runWith("<h1>back at nine</h1>", mia, "maintenance:custom-page", "blog").err)
	if r := w.run(val, "maintenance:custom-page-export", "blog"); r.err != nil || r.stdout != "<h1>back at nine</h1>" {
		t.Errorf("the page is exported as %q, %v", r.stdout, r.err)
	}
	asHTML := func(req *http.Request) { req.Header.Set("Accept", "text/html") }
	if got := w.visit("/", asHTML); got.Code != 503 || !strings.Contains(got.Body.String(), "back at nine") {
		t.Errorf("with a page: %d %s", got.Code, got.Body)
	}
	w.ok("maintenance:off", "blog")
	if got := w.visit("/"); got.Code != 200 {
		t.Errorf("after maintenance: %d", got.Code)
	}

	w.ok("redirects:set", "blog", "/old/*", "/new/*", "302")
	if got := w.visit("/old/x"); got.Code != 302 || !strings.HasSuffix(got.Header().Get("Location"), "/new/x") {
		t.Errorf("redirect: %d %v", got.Code, got.Header())
	}
	w.ok("headers:set", "blog", "X-Frame-Options", "DENY")
	if got := w.visit("/"); got.Header().Get("X-Frame-Options") != "DENY" {
		t.Errorf("headers = %v", got.Header())
	}

	w.must(w.runWith("hunter2\n", mia, "http-auth:add-user", "blog", "vera").err)
	w.ok("http-auth:on", "blog")
	if got := w.visit("/"); got.Code != 401 {
		t.Errorf("without a password: %d", got.Code)
	}
	for password, want := range map[string]int{"hunter2": 200, "hunter3": 401} {
		if got := w.visit("/", func(req *http.Request) { req.SetBasicAuth("vera", password) }); got.Code != want {
			t.Errorf("with password %s: %d, want %d", password, got.Code, want)
		}
	}
	if r := w.run(mia, "http-auth:remove-user", "blog", "vera"); r.err == nil {
		t.Error("the last user was removed: it is open to everybody")
	}
	if strings.Contains(strings.Join(w.settings(), ""), "hunter2") || strings.Contains(w.ok("http-auth:report", "blog"), "$2") {
		t.Error("the password is kept, or its hash shown")
	}
	w.ok("http-auth:add-allowed-ip", "blog", "192.0.2.0/24") // httptest's visitor
	if got := w.visit("/"); got.Code != 200 {
		t.Errorf("from an allowed address: %d", got.Code)
	}
	w.ok("http-auth:off", "blog")
	w.ok("router:set", "blog", "allow-ips", "10.0.0.0/8")
	if got := w.visit("/"); got.Code != 403 {
		t.Errorf("from elsewhere: %d", got.Code)
	}
	w.ok("router:set", "--global", "trusted-proxies", "192.0.2.1")
	if got := w.visit("/", func(req *http.Request) { req.Header.Set("X-Forwarded-For", "10.1.2.3") }); got.Code != 200 {
		t.Errorf("from elsewhere, by a trusted proxy: %d", got.Code)
	}
}

func TestWhatIsSaidAboutPasswordsAndMaintenanceHolds(t *testing.T) {
	w := newWorld(t)
	w.deploy("blog", "")
	w.must(w.runWith("hunter2\n", mia, "http-auth:add-user", "blog", "vera").err)
	w.ok("http-auth:on", "blog")
	reported := func(command string) (report map[string]string) {
		t.Helper()
		if err := json.Unmarshal([]byte(w.ok(command, "blog", "--format", "json")), &report); err != nil {
			t.Fatal(err)
		}
		return report
	}

	w.must(w.run(mia, "http-auth:set", "blog", "open-paths", "/healthz", "/hooks/*").err)
	w.must(w.run(mia, "http-auth:set", "blog", "realm", "Our", "preview").err)
	for path, want := range map[string]int{"/": 401, "/healthz": 200, "/healthz/x": 401, "/hooks/a/b": 200, "/hooks/../admin": 401, "/hooks/%2e%2e/admin": 401} {
		got := w.visit(path)
		if got.Code != want || want == 401 && !strings.Contains(got.Header().Get("WWW-Authenticate"), `realm="Our preview"`) {
			t.Errorf("%s: %d %v, want %d", path, got.Code, got.Header(), want)
		}
	}
	if r := reported("http-auth:report"); r["http-auth-open-paths"] != "/healthz /hooks/*" || r["http-auth-realm"] != "Our preview" {
		t.Errorf("report = %v", r)
	}
	w.ok("http-auth:set", "blog", "open-paths")
	w.ok("http-auth:set", "blog", "realm")
	if got := w.visit("/healthz"); got.Code != 401 || strings.Contains(got.Header().Get("WWW-Authenticate"), "preview") {
		t.Errorf("taken back: %d %v", got.Code, got.Header())
	}
	w.ok("http-auth:off", "blog")

	w.must(w.run(mia, "maintenance:set", "blog", "retry-after", "2h").err)
	w.ok("maintenance:on", "blog")
	if got := w.visit("/").Header().Get("Retry-After"); got != "7200" || reported("maintenance:report")["maintenance-retry-after"] != "7200s" {
		t.Errorf("Retry-After = %q, want 7200", got)
	}
	w.ok("maintenance:set", "blog", "retry-after")
	if got := w.visit("/").Header().Get("Retry-After"); got != "300" {
		t.Errorf("Retry-After = %q, want our own again", got)
	}
	w.ok("maintenance:off", "blog")

	w.must(w.run(mia, "router:set", "blog", "hsts-except", "old.example.org").err)
	for host, want := range map[string]bool{"old.example.org": false, "OLD.example.org:443": false, "www.example.org": true} {
		w.ok("domains:add", "blog", "www.example.org", "old.example.org")
		got := w.visit("/", func(req *http.Request) { req.Host = host })
		if got.Code != 200 || (got.Header().Get("Strict-Transport-Security") != "") != want {
			t.Errorf("%s: %d %v, want HSTS: %v", host, got.Code, got.Header(), want)
		}
	}
}

func TestAMadeUpPasswordIsShownOnce(t *testing.T) {
	w := newWorld(t)
	w.deploy("blog", "")

	out := strings.Fields(w.ok("http-auth:add-user", "blog", "vera", "--generate"))
	w.ok("http-auth:on", "blog")

	if got := w.visit("/", func(req *http.Request) { req.SetBasicAuth("vera", out[len(out)-1]) }); got.Code != 200 || len(out[len(out)-1]) < 20 {
		t.Errorf("with %q: %d", out[len(out)-1], got.Code)
	}
}

func TestLogsOfTheRouterAreShown(t *testing.T) {
	w := newWorld(t)
	w.visit("/first?token=hunter2")
	w.deploy("blog", "")
	w.visit("/second", func(req *http.Request) { req.TLS = nil })
	w.ok("maintenance:on", "blog")
	w.visit("/third")

	text := w.run(mia, "logs", "blog", "--router")
	lines := strings.Split(strings.TrimSpace(text.stdout), "\n")
	if text.err != nil || len(lines) != 3 || strings.Contains(text.stdout, "hunter2") {
		t.Fatalf("%v\n%s", text.err, text.stdout)
	}
	for i, wants := range [][]string{
		{` berth[router]: at=error code=H14 desc="No web process" method=GET path="/first" host=blog.localhost request_id=`, `fwd="192.0.2.1" dyno= connect=0ms`, "status=503", "protocol=https"},
		{` berth[router]: at=info method=GET path="/second"`, "dyno=web.1 ", "status=200 bytes=", "protocol=http"},
		{` path="/third"`, "status=503"},
	} {
		for _, want := range wants {
			if !strings.Contains(lines[i], want) {
				t.Errorf("line %d = %q, want %q in it", i, lines[i], want)
			}
		}
	}
	if got := w.ok("logs", "blog", "--router", "-n", "1", "-q"); !strings.HasPrefix(got, "at=") || strings.Count(got, "\n") != 1 {
		t.Errorf("last line = %q", got)
	}
	for line := range strings.Lines(w.ok("logs", "blog", "--router", "--format", "json")) {
		if !json.Valid([]byte(line)) {
			t.Errorf("%q is no JSON", line)
		}
	}
	for _, line := range []string{"logs blog --router -p web", "logs blog --router --grep x", "logs blog --format xml", "logs blog --router --format xml", "logs blog --router -n -1"} {
		if r := w.run(ada, strings.Fields(line)...); !errors.Is(r.err, command.ErrUsage) {
			t.Errorf("%s: %v, want ErrUsage", line, r.err)
		}
	}
}

// Whoever takes a name after another must not see who visited that one.
func TestAnAppDoesNotInheritALog(t *testing.T) {
	w := newWorld(t)
	w.visit("/secret")

	w.ok("apps:destroy", "blog", "--force")
	w.ok("apps:create", "blog")

	if got := w.ok("logs", "blog", "--router"); got != "" {
		t.Errorf("log of the new app:\n%s", got)
	}
}

func TestMetricsAreServed(t *testing.T) {
	w := newWorld(t)
	w.visit("/")
	m := command.Metrics{Pipeline: w.Pipeline, Version: "1.2.3"}
	for path, want := range map[string]int{"/metrics": 200, "/": 404, "/metrics/x": 404} {
		answer := httptest.NewRecorder()
		m.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), "GET", path, nil))

		if answer.Code != want {
			t.Errorf("%s: %d, want %d", path, answer.Code, want)
		}
	}

	text := w.ok("router:metrics")

	for _, want := range []string{
		"# TYPE berth_router_requests_total counter\nberth_router_requests_total{app=\"blog\",method=\"GET\",class=\"5xx\"} 1\n",
		"berth_build_info{version=\"1.2.3\",", "berth_certificate_expiry_timestamp_seconds{app=\"blog\",host=\"blog.localhost\",kind=\"local\"} ",
		"process_resident_memory_bytes ", "berth_router_log_dropped_total 0\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if r := w.run(mia, "router:metrics"); !errors.Is(r.err, appliance.ErrDenied) {
		t.Errorf("router:metrics of a member: %v", r.err)
	}
}

// followRequests has mia ask for something that goes on, while the router writes
// down its requests. With hangUp it ends, as it should.
func (w *world) followRequests(args ...string) (lines *bufio.Scanner, hangUp func()) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	w.t.Cleanup(cancel)
	in, out := io.Pipe()
	ended, running := make(chan error, 1), make(chan error, 1)
	go func() {
		err := w.Execute(ctx, &command.Session{Actor: mia, Stdin: strings.NewReader(""), Stdout: out, Stderr: io.Discard}, args)
		out.CloseWithError(err)
		ended <- err
	}()
	go func() { running <- w.Router.AccessLog.Run(ctx) }()
	return bufio.NewScanner(in), func() {
		w.t.Helper()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			w.t.Errorf("%q = %v, want that it ends when the person hangs up", args, err)
		}
		if err := <-running; err != nil {
			w.t.Error(err)
		}
	}
}

func TestLogsOfTheRouterAreFollowed(t *testing.T) {
	w := newWorld(t)
	lines, hangUp := w.followRequests("logs", "blog", "--router", "-t")
	for _, path := range []string{"/first", "/second"} {
		w.visit(path)

		if !lines.Scan() || !strings.Contains(lines.Text(), `path="`+path+`"`) {
			t.Fatalf("line = %q, %v, want that of %s", lines.Text(), lines.Err(), path)
		}
	}
	hangUp()
}
