package router_test

import (
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/router"
)

// guarded opens a door with one service behind it, for blog.test and others,
// under a policy. The door believes what 127.0.0.1 says of visitors, so that
// a test can come from anywhere.
func guarded(t *testing.T, p router.Policy, app string, hosts ...string) *door {
	t.Helper()
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	d := open(t)
	if err := d.router.SetTrust(router.Trust{Proxies: []string{"127.0.0.1"}}); err != nil {
		t.Fatal(err)
	}
	d.swap(router.Service{Name: "blog", Hosts: append(hosts, "blog.test"), Targets: []string{app}, Policy: p})
	return d
}

// come asks with the headers given as name, value, name, value. Host is one
// of them. The body has been read.
func (d *door) come(method, url string, headers ...string) (*http.Response, string) {
	d.t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
			continue
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	return d.send(req)
}

func (d *door) send(req *http.Request) (*http.Response, string) {
	d.t.Helper()
	res, err := d.client(false).Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer res.Body.Close()
	return res, read(d.t, res.Body)
}

func TestAPolicyIsPlainData(t *testing.T) {
	p := router.DefaultPolicy()
	p.MaxBody = 1 << 20
	p.Allow = []string{"10.0.0.0/8"}
	p.Auth = router.Auth{Users: map[string]string{"ann": "hash"}, Paths: []string{"/healthz"}}
	p.Maintenance = router.Maintenance{On: true, RetryAfter: time.Minute}
	p.Redirects = []router.Redirect{{From: "www.blog.test", To: "blog.test", Status: 308}}
	p.Headers = map[string]string{"X-Frame-Options": "DENY"}
	p.Pages = map[string]string{"H14": "<p>"}

	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var again router.Policy
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}

	if !reflect.DeepEqual(again, p) {
		t.Errorf("from JSON = %+v, want %+v", again, p)
	}
	if text, _ := json.Marshal(router.Policy{}); string(text) != "{}" {
		t.Errorf("the zero policy is %s, want {}", text)
	}
}

func TestAPolicyThatMakesNoSenseIsRefused(t *testing.T) {
	for name, p := range map[string]router.Policy{"default": router.DefaultPolicy(), "zero": {}} {
		if err := p.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for want, p := range map[string]router.Policy{
		"a limit is":               {MaxBody: -1},
		"0 (none)":                 {MaxRequests: -1},
		"no time to wait":          {Timeouts: router.Timeouts{FirstByte: time.Microsecond}},
		"neither an address":       {Allow: []string{"10.0.0.0/33"}},
		`"example.com" is neither`: {Maintenance: router.Maintenance{Allow: []string{"example.com"}}},
		`"" is neither`:            {Auth: router.Auth{Allow: []string{""}}},
		"preload":                  {HSTS: router.HSTS{MaxAge: time.Hour, Subdomains: true, Preload: true}},
		"no age":                   {HSTS: router.HSTS{MaxAge: -time.Hour}},
		"a colon ends it":          {Auth: router.Auth{Users: map[string]string{"a:b": "x"}}},
		"not a bcrypt hash":        {Auth: router.Auth{Users: map[string]string{"ann": "secret"}}},
		"the realm":                {Auth: router.Auth{Realm: `a", charset="`}},
		`"healthz" is no path`:     {Auth: router.Auth{Paths: []string{"healthz"}}},
		`"/a*" is no path`:         {Auth: router.Auth{Paths: []string{"/a*"}}},
		"no media type":            {Compression: router.Compression{Types: []string{"html"}}},
		"no name of a header":      {Headers: map[string]string{"X Y": "1"}},
		"control character":        {Headers: map[string]string{"X-Y": "1\r\nX-Z: 2"}},
		"is carried":               {Headers: map[string]string{"transfer-encoding": "chunked"}},
		"hsts settings":            {Headers: map[string]string{"strict-transport-security": "max-age=1"}},
		`"200" is no error`:        {Pages: map[string]string{"200": ""}},
		`"H15" is no error`:        {Pages: map[string]string{"H15": ""}},
		"the most is 512 KB":       {Pages: map[string]string{"503": strings.Repeat("x", 600<<10)}},
		"page has 600 KB":          {Maintenance: router.Maintenance{HTML: strings.Repeat("x", 600<<10)}},
		"no status of a redirect":  {Redirects: []router.Redirect{{From: "/a", To: "/b", Status: 200}}},
		"leads nowhere":            {Redirects: []router.Redirect{{From: "/a"}}},
		"for a host or a path":     {Redirects: []router.Redirect{{To: "/b"}}},
		"there are two":            {Redirects: []router.Redirect{{From: "/a", To: "/b"}, {From: "/a", To: "/c"}}},
		"leads to itself":          {Redirects: []router.Redirect{{From: "blog.test", To: "https://blog.test/x"}}},
		"/x/* leads to itself":     {Redirects: []router.Redirect{{From: "/*", To: "/x/*"}}},
		"www.test leads to itself": {Redirects: []router.Redirect{{From: "/*", To: "www.test"}}},
		"no host":                  {Redirects: []router.Redirect{{From: "/a", To: "https:///b"}}},
		`"evil.test:x" is no host`: {Redirects: []router.Redirect{{From: "/a", To: "evil.test:x/"}}},
		`"javascript:alert"`:       {Redirects: []router.Redirect{{From: "/a", To: "javascript:alert"}}},
		"/b/* ends in *":           {Redirects: []router.Redirect{{From: "/a", To: "/b/*"}}},
		`"/b\n" is no path`:        {Redirects: []router.Redirect{{From: "/a", To: "/b\n"}}},
		`"//evil.test" is no path`: {Redirects: []router.Redirect{{From: "/a", To: "//evil.test"}}},
	} {
		err := p.Validate()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Validate = %v, want %q", err, want)
		}
	}
}

// What is stored may be older than the rules. It must not open what was closed.
func TestAPolicyThatWasNotValidatedClosesRatherThanOpens(t *testing.T) {
	d := open(t)
	addr := app(t, says("blog"))

	for name, c := range map[string]struct {
		policy router.Policy
		status int
	}{
		"list":     {router.Policy{Allow: []string{"everybody"}}, 403},
		"password": {router.Policy{Auth: router.Auth{Users: map[string]string{"ann": "secret"}}}, 401},
		"redirect": {router.Policy{Redirects: []router.Redirect{{From: "/*", To: ""}}}, 200},
	} {
		d.swap(router.Service{Name: "blog", Hosts: []string{"blog.test"}, Targets: []string{addr}, Policy: c.policy})
		req, _ := http.NewRequest("GET", "https://blog.test/", nil)
		req.SetBasicAuth("ann", "secret")
		if res, _ := d.send(req); res.StatusCode != c.status {
			t.Errorf("%s: %s, want %d", name, res.Status, c.status)
		}
	}
}

func TestABodyThatIsTooLargeIsRefused(t *testing.T) {
	got := make(chan int, 10)
	addr := app(t, func(w http.ResponseWriter, req *http.Request) {
		n, err := io.Copy(io.Discard, req.Body)
		if err == nil {
			got <- int(n)
		}
	})
	d := guarded(t, router.Policy{MaxBody: 100_000}, addr)

	for _, c := range []struct {
		size  int
		says  bool // how large it is
		http2 bool
		want  int
	}{
		{100_000, true, false, 200}, {100_001, true, false, 413}, {100_000, true, true, 200}, {100_001, true, true, 413},
		{100_000, false, false, 200}, {100_001, false, false, 413}, {1 << 20, false, false, 413},
		{100_000, false, true, 200}, {100_001, false, true, 413}, {1 << 20, false, true, 413},
	} {
		req, _ := http.NewRequest("POST", "https://blog.test/", strings.NewReader(strings.Repeat("x", c.size)))
		if !c.says {
			req.Body, req.ContentLength = io.NopCloser(io.LimitReader(zeros{}, int64(c.size))), -1
		}
		req.Header.Set("Accept", "application/json")
		res, err := d.client(c.http2).Do(req)
		if err != nil {
			t.Errorf("%+v: %v", c, err)
			continue
		}
		body := read(t, res.Body)
		res.Body.Close()
		if res.StatusCode != c.want {
			t.Errorf("%+v: %s", c, res.Status)
		}
		if c.want == 413 && !strings.Contains(body, `"code":"too-large"`) {
			t.Errorf("%+v: %s, want our page", c, body)
		}
		if c.want == 200 && within(t, got, "the upload") != c.size {
			t.Errorf("%+v: not all of it has arrived", c)
		}
	}
	select {
	case n := <-got:
		t.Errorf("the app took a body of %d bytes that is too large for whole", n)
	default:
	}
}
