package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// The HTTP door of the whole daemon: off until somebody wants it, then at a host
// of its own with a certificate, for who has a token.
func TestCommandsAreAnsweredOverHTTPS(t *testing.T) {
	t.Parallel()
	m := serving(t, "")
	client, err := m.browser()
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseIdleConnections()
	ask := func(url, token, body string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "POST", url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := client.Do(req)
		if _, none := errors.AsType[*tls.CertificateVerificationError](err); none {
			return 404, "" // nothing is at that host, so it has no certificate
		}
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(text)
	}
	key := strings.Split(m.must(t, "/", "berth", "ssh-keys:list"), `"`)[1] // NAME="…"
	token := regexp.MustCompile(`berth_[a-z2-7]+`).FindString(m.must(t, "/", "berth", "tokens:create", "ci", "--for", key))
	const create = "https://berth.localhost/v1/commands/apps:create"
	if status, text := ask(create, token, `{"app": "blog"}`); status != 404 {
		t.Errorf("before api:enable: %d %s, want 404", status, text)
	}
	m.must(t, "/", "berth", "api:enable")

	if status, text := ask(create, token, `{"app": "blog"}`); status != 200 || !strings.Contains(text, `{"exit":0}`) {
		t.Errorf("apps:create = %d %s, want 200", status, text)
	}
	m.must(t, "/", "berth", "apps:exists", "blog")
	if status, text := ask(create, token, `{"app": "blog"}`); status != 200 || !strings.Contains(text, `{"exit":1,"error":"app blog already exists"`) {
		t.Errorf("apps:create again = %d %s, want that it is there", status, text)
	}
	if events := m.must(t, "/", "berth", "events", "blog"); !strings.Contains(events, fmt.Sprintf("%-16s http", key)) {
		t.Errorf("events = %s, want one of %s by http", events, key)
	}
	// The description is of every command there is.
	req, err := http.NewRequestWithContext(t.Context(), "GET", "https://berth.localhost/v1/openapi.json", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	doc, err := openapi3.NewLoader().LoadFromIoReader(res.Body)
	if err == nil {
		err = doc.Validate(t.Context())
	}
	if err != nil {
		t.Fatalf("openapi.json: %v", err)
	}
	commands := regexp.MustCompile(`(?m)^    ([a-z][a-z:-]*) `).FindAllStringSubmatch(m.must(t, "/", "berth", "help", "--all"), -1)
	for _, c := range commands {
		path := doc.Paths.Find("/v1/commands/" + c[1])
		if path == nil || path.Post == nil || path.Post.Summary == "" || path.Post.Description == "" {
			t.Errorf("openapi.json does not describe %s", c[1])
		}
	}
	if len(commands) < 150 {
		t.Errorf("help --all has only %d commands: this shows little", len(commands))
	}

	// A token that went over plain HTTP is no secret any more: nothing is run
	// for it, and no redirect takes it along.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if status, text := ask("http://berth.localhost/v1/commands/apps:create", token, `{"app": "shop"}`); status < 300 || status == 409 || strings.Contains(text, "exit") {
		t.Errorf("by plain HTTP: %d %s, want a redirect", status, text)
	}
	if out, err := m.run("/", "berth", "apps:exists", "shop"); err == nil {
		t.Errorf("shop was made by plain HTTP: %s", out)
	}

	m.must(t, "/", "berth", "tokens:revoke", "ci")
	if status, text := ask(create, token, `{"app": "shop"}`); status != 401 {
		t.Errorf("with a revoked token: %d %s, want 401", status, text)
	}
	m.must(t, "/", "berth", "api:disable")
	if status, text := ask(create, token, `{"app": "shop"}`); status != 404 {
		t.Errorf("after api:disable: %d %s, want 404", status, text)
	}
}
