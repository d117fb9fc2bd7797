package web_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/spf13/pflag"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/command"
	"github.com/berthhq/berth/appliance/web"
	"github.com/berthhq/berth/db"
	"github.com/berthhq/berth/db/dbtest"
	"github.com/berthhq/berth/router"
)

// A world is a site with some commands, an app, and two keys: ada's, which is
// an admin's, and bob's, which may view the app.
type world struct {
	*testing.T
	store  *db.Store
	site   http.Handler
	url    string
	client *http.Client
	ran    chan string   // what commands have run
	go_    chan struct{} // lets "wait" go on
	ended  chan error    // how "wait" saw the end
}

func newWorld(t *testing.T) *world {
	t.Helper()
	store := dbtest.Open(t, filepath.Join(t.TempDir(), "berth.db"))
	t.Cleanup(func() { store.Close() })
	w := &world{T: t, store: store, ran: make(chan string, 100), go_: make(chan struct{}), ended: make(chan error, 1)}
	err := store.CreateApp(t.Context(), "blog", false)
	w.must(err)
	w.must(store.AddKey(t.Context(), appliance.Key{Name: "ada", Fingerprint: "SHA256:ada", Admin: true}))
	w.must(store.AddKey(t.Context(), appliance.Key{Name: "bob", Fingerprint: "SHA256:bob"}))
	w.must(store.Grant(t.Context(), appliance.Grant{App: "blog", Who: "bob", Access: appliance.ViewAccess}))
	said := func(ctx context.Context, c *command.Call) error {
		stdin, _ := io.ReadAll(c.Stdin)
		words := ""
		if f := c.Flags.Lookup("word"); f != nil {
			words = f.Value.String()
		}
		line := fmt.Sprintf("%s %s %q %s %q", c.Actor.Name, c.Actor.Door, c.Args, words, stdin)
		w.ran <- line
		fmt.Fprintln(c.Stdout, line)
		return nil
	}
	fails := func(err error) func(context.Context, *command.Call) error {
		return func(context.Context, *command.Call) error { return err }
	}
	set := command.NewSet(store, command.Tokens(store), []command.Command{
		{Name: "say", Args: "[<word>...]", Short: "say words", For: command.Anyone, Run: said, Flags: func(fs *pflag.FlagSet) { fs.StringArray("word", nil, "another") }},
		{Name: "view", Args: "<app> [<word>...]", Short: "look at an app", For: command.Viewer, Run: said},
		{Name: "deploy", Args: "<app>", Short: "deploy an app", For: command.Deployer, Run: said},
		{Name: "reboot", Short: "admins only", Run: said},
		{Name: "lacks", Short: "fail", For: command.Anyone, Run: fails(appliance.WithHint(fmt.Errorf("thing %w", appliance.ErrNotFound), "look for it"))},
		{Name: "late", Short: "fail late", For: command.Anyone, Run: func(_ context.Context, c *command.Call) error {
			c.Stderr.Write([]byte{0xff, 'x'})
			return errors.New("too late")
		}},
		{Name: "wait", Short: "wait", For: command.Anyone, Run: func(ctx context.Context, c *command.Call) error {
			fmt.Fprintln(c.Stdout, "first")
			select {
			case <-w.go_:
			case <-ctx.Done():
			}
			w.ended <- ctx.Err()
			fmt.Fprintln(c.Stdout, "second")
			return nil
		}},
	})
	w.site = &web.Site{Commands: set, Store: store, Version: "1.2.3", Log: slog.New(slog.DiscardHandler)}
	server := httptest.NewServer(w.site)
	t.Cleanup(server.Close)
	w.url, w.client = server.URL, server.Client()
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// token makes a token for a key.
func (w *world) token(key string, expires time.Time) string {
	w.Helper()
	text := appliance.NewToken()
	w.must(w.store.AddToken(w.Context(), appliance.Token{Name: text[6:20], Key: key, Hash: appliance.HashToken(text), ExpiresAt: expires}))
	return text
}

func (w *world) ask(method, path, authorization, body string) (*http.Response, string) {
	w.Helper()
	req, err := http.NewRequestWithContext(w.Context(), method, w.url+path, strings.NewReader(body))
	w.must(err)
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	res, err := http.DefaultClient.Do(req)
	w.must(err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	w.must(err)
	return res, string(text)
}

// run has a command run, by ada.
func (w *world) run(name, body string) (int, string) {
	w.Helper()
	res, text := w.ask("POST", "/v1/commands/"+name, "Bearer "+w.token("ada", time.Time{}), body)
	return res.StatusCode, text
}

// wantNothingRun fails if a command has run.
func (w *world) wantNothingRun() {
	w.Helper()
	select {
	case line := <-w.ran:
		w.Errorf("ran %s", line)
	default:
	}
}

func TestCommandIsRunAsTheKeyThatTheTokenStandsFor(t *testing.T) {
	w := newWorld(t)

	res, text := w.ask("POST", "/v1/commands/view", "Bearer "+w.token("bob", time.Now().Add(time.Hour)), `{"app": "blog", "args": ["a b", "--app=other"], "stdin": "in\n"}`)

	want := `{"stream":"stdout","text":"bob http [\"blog\" \"a b\" \"--app=other\"]  \"in\\n\"\n"}` + "\n" + `{"exit":0}` + "\n"
	if res.StatusCode != 200 || text != want || res.Header.Get("Content-Type") != "application/x-ndjson" {
		t.Errorf("answer = %d %v\n%s\nwant 200\n%s", res.StatusCode, res.Header, text, want)
	}
}

// Every path is asked for by whom no token lets in: the attack is to do without
// one, to guess, to use one that is of no use any more, or to have one in a
// place that ends up in logs.
func TestNothingIsAnsweredWithoutAToken(t *testing.T) {
	w := newWorld(t)
	good := w.token("ada", time.Time{})
	expired := w.token("ada", time.Now().Add(-time.Second))
	orphan := w.token("bob", time.Time{})
	w.must(w.store.RemoveKey(t.Context(), "bob"))
	for _, path := range []string{"/", "/v1/openapi.json", "/v1/commands/say", "/v1/commands/reboot", "/v1/commands/no-such", "/metrics"} {
		for name, authorization := range map[string]string{
			"none": "", "empty": "Bearer ", "a guess": "Bearer " + appliance.NewToken(), "expired": "Bearer " + expired, "of a key that is gone": "Bearer " + orphan,
			"the name of a key": "Bearer ada", "another scheme": "Basic " + good, "the hash": "Bearer " + appliance.HashToken(good), "more": "Bearer " + good + "x",
		} {
			res, text := w.ask("POST", path+"?access_token="+good, authorization, `{}`)
			if res.StatusCode != 401 || !strings.Contains(text, "no valid token") || !strings.HasPrefix(res.Header.Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("%s with %s: %d %s, want 401", path, name, res.StatusCode, text)
			}
		}
	}
	w.wantNothingRun()
}

func TestAccessIsThatOfTheKey(t *testing.T) {
	w := newWorld(t)
	bob := "Bearer " + w.token("bob", time.Time{})
	for name, want := range map[string]int{"deploy": 403, "reboot": 403} {
		res, text := w.ask("POST", "/v1/commands/"+name, bob, map[string]string{"deploy": `{"app": "blog"}`, "reboot": ""}[name])
		if res.StatusCode != want || !strings.Contains(text, `"exit":4`) {
			t.Errorf("%s = %d %s, want %d", name, res.StatusCode, text, want)
		}
	}
	w.wantNothingRun()

	w.must(w.store.Grant(t.Context(), appliance.Grant{App: "blog", Who: "bob", Access: appliance.DeployAccess}))

	if res, text := w.ask("POST", "/v1/commands/deploy", bob, `{"app": "blog"}`); res.StatusCode != 200 {
		t.Errorf("after the grant: %d %s, want 200", res.StatusCode, text)
	}
}

func TestWhatIsAskedForIsCheckedAtTheDoor(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		command, body string
		status        int
		want          string
	}{
		"flags, also more than one":   {"say", `{"args": ["-x"], "flags": {"word": ["a=b", "--c"]}}`, 200, `ada http [\"-x\"] [a=b,--c]`},
		"nothing":                     {"say", ``, 200, `ada http []`},
		"no such command":             {"shout", `{}`, 400, `"exit":2`},
		"no such app":                 {"view", `{"app": "shop"}`, 404, `"exit":20`},
		"no app":                      {"view", `{}`, 400, `"exit":1`},
		"an app that is none":         {"view", `{"app": "../x"}`, 400, `invalid`},
		"no such flag":                {"say", `{"flags": {"loud": true}}`, 400, `"exit":2`},
		"a flag that is two":          {"say", `{"flags": {"word=a --x": "b"}}`, 400, `flags are named`},
		"a flag of objects":           {"say", `{"flags": {"word": {"a": 1}}}`, 400, `flag word is`},
		"no JSON":                     {"say", `word=secret`, 400, `the request is not what`},
		"a field that is not there":   {"say", `{"argv": ["x"]}`, 400, `the request is not what`},
		"something that is not there": {"lacks", ``, 404, `"error":"thing not found","hint":"look for it"`},
		"a failure after output":      {"late", ``, 200, `{"stream":"stderr","base64":"/3g="}` + "\n" + `{"exit":1,"error":"too late"}`},
	} {
		t.Run(name, func(t *testing.T) {
			status, text := w.run(c.command, c.body)
			if status != c.status || !strings.Contains(text, c.want) || strings.Contains(text, "word=secret") {
				t.Errorf("answer = %d %s, want %d with %s", status, text, c.status, c.want)
			}
		})
	}
	if status, text := w.run("say", `{"stdin": "`+strings.Repeat("a", 9<<20)+`"}`); status != 400 || !strings.Contains(text, "more than 8388608 bytes") {
		t.Errorf("9 MB = %d %.200s, want 400", status, text)
	}
	if res, _ := w.ask("GET", "/v1/commands/say", "Bearer "+w.token("ada", time.Time{}), ""); res.StatusCode != 405 || res.Header.Get("Allow") != "POST" {
		t.Errorf("GET = %d, want 405: what a link can do must be harmless", res.StatusCode)
	}
}

func (w *world) begin(ctx context.Context, body string) *bufio.Reader {
	w.Helper()
	req, err := http.NewRequestWithContext(ctx, "POST", w.url+"/v1/commands/wait", strings.NewReader(body))
	w.must(err)
	req.Header.Set("Authorization", "Bearer "+w.token("ada", time.Time{}))
	res, err := w.client.Do(req)
	w.must(err)
	w.Cleanup(func() { res.Body.Close() })
	lines := bufio.NewReader(res.Body)
	if line, err := lines.ReadString('\n'); err != nil || !strings.Contains(line, "first") {
		w.Fatalf("first line = %q, %v", line, err)
	}
	return lines
}

func TestWhatACommandPrintsArrivesWhileItRuns(t *testing.T) {
	w := newWorld(t)
	lines := w.begin(t.Context(), "")

	close(w.go_)
	rest, err := io.ReadAll(lines)

	if want := "{\"stream\":\"stdout\",\"text\":\"second\\n\"}\n{\"exit\":0}\n"; err != nil || string(rest) != want {
		t.Errorf("rest = %q, %v, want %q", rest, err, want)
	}
}

// Our own server notices it by itself: no other reads while a command runs.
func TestHangingUpCancelsTheCommand(t *testing.T) {
	for name, c := range map[string]struct {
		http2 bool
		body  string // of the request
	}{
		"HTTP/1.1":             {},
		"HTTP/1.1 with a body": {body: `{"args": []}`},
		"HTTP/2":               {http2: true},
		"HTTP/2 with a body":   {http2: true, body: `{"args": []}`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.behindTheDoor(c.http2)
			ctx, hangUp := context.WithCancel(t.Context())
			w.begin(ctx, c.body)

			hangUp()

			select {
			case err := <-w.ended:
				if !errors.Is(err, context.Canceled) {
					t.Errorf("the command saw %v, want that it was cancelled", err)
				}
			case <-time.After(30 * time.Second):
				t.Error("the command runs on, though nobody listens")
				close(w.go_)
			}
		})
	}
}

// behindTheDoor has the site answered by the server that visitors meet.
func (w *world) behindTheDoor(http2 bool) {
	w.Helper()
	certified := httptest.NewUnstartedServer(nil) // for its certificate
	certified.StartTLS()
	w.Cleanup(certified.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	s := &router.Server{
		HTTPS:  l,
		TLS:    &tls.Config{Certificates: certified.TLS.Certificates},
		Secure: w.site,
		Grace:  time.Second,
	}
	ctx, end := context.WithCancel(context.WithoutCancel(w.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	w.Cleanup(func() {
		end()
		w.must(<-done)
	})
	transport := certified.Client().Transport.(*http.Transport).Clone()
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetHTTP1(!http2)
	transport.Protocols.SetHTTP2(http2)
	w.Cleanup(transport.CloseIdleConnections)
	w.client = &http.Client{Transport: transport}
	w.url = "https://" + l.Addr().String()
}

func TestTheSiteIsDescribedAsOpenAPI(t *testing.T) {
	w := newWorld(t)

	res, text := w.ask("GET", "/v1/openapi.json", "Bearer "+w.token("ada", time.Time{}), "")

	doc, err := openapi3.NewLoader().LoadFromData([]byte(text))
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("%d, %v", res.StatusCode, err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	say := doc.Paths.Find("/v1/commands/say")
	if say == nil || say.Post == nil || say.Post.Summary != "say words" {
		t.Fatalf("say = %+v", say)
	}
	schema := say.Post.RequestBody.Value.Content["application/json"].Schema.Value
	var ok, wrong any
	w.must(json.NewDecoder(bytes.NewReader([]byte(`{"args": ["a"], "flags": {"word": ["b"]}}`))).Decode(&ok))
	w.must(json.NewDecoder(bytes.NewReader([]byte(`{"flags": {"word": 1}}`))).Decode(&wrong))
	if schema.VisitJSON(ok) != nil || schema.VisitJSON(wrong) == nil {
		t.Error("the schema of say takes what the command refuses, or refuses what it takes")
	}
}
