package router_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/berthhq/berth/router"
)

// hash costs little, as a test has many.
func hash(t *testing.T, password string) string {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(h)
}

func basic(name, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))
}

func TestAPasswordOpensTheDoorAndStaysThere(t *testing.T) {
	addr, requests := seen(t)
	made, err := router.HashPassword("pass:word")
	if err != nil {
		t.Fatal(err)
	}
	d := guarded(t, router.Policy{Auth: router.Auth{
		Realm: "Staging", Users: map[string]string{"ann": made, "bob": hash(t, "hunter2")},
		Allow: []string{"10.0.0.0/8"}, Paths: []string{"/healthz", "/hooks/*"},
	}}, addr)

	for _, c := range []struct {
		name, path, auth, from string
		want                   int
		passed                 string
	}{
		{"no password", "/", "", "", 401, ""},
		{"right", "/", basic("ann", "pass:word"), "", 200, ""},
		{"right again", "/", basic("ann", "pass:word"), "", 200, ""},
		{"the other user", "/", basic("bob", "hunter2"), "", 200, ""},
		{"the other's password", "/", basic("ann", "hunter2"), "", 401, ""},
		{"wrong", "/", basic("ann", "wrong"), "", 401, ""},
		{"wrong again", "/", basic("ann", "wrong"), "", 401, ""},
		{"nobody", "/", basic("eve", "pass:word"), "", 401, ""},
		{"nobody without password", "/", basic("", ""), "", 401, ""},
		{"the hash", "/", basic("ann", made), "", 401, ""},
		{"a token", "/", "Bearer pass:word", "", 401, ""},
		{"not base64", "/", "Basic !!!", "", 401, ""},
		{"a free path", "/healthz", "", "", 200, ""},
		{"below a free path", "/hooks/a/b", "Bearer x", "", 200, "Bearer x"},
		{"our password on a free path", "/hooks/a", basic("ann", "pass:word"), "", 200, ""},
		{"the app's password on a free path", "/hooks/a", basic("ann", "the app's"), "", 200, basic("ann", "the app's")},
		{"a challenge of ACME", "/.well-known/acme-challenge/x", "", "", 200, ""},
		{"below a path that is free alone", "/healthz/x", "", "", 401, ""},
		{"like a free path", "/hooksx", "", "", 401, ""},
		{"out of a free path", "/hooks/../admin", "", "", 401, ""},
		{"out of a free path, encoded", "/hooks/%2e%2e/admin", "", "", 401, ""},
		{"an allowed address", "/", "Bearer x", "10.0.0.1", 200, "Bearer x"},
	} {
		headers := []string{"X-Forwarded-For", c.from}
		if c.auth != "" {
			headers = append(headers, "Authorization", c.auth)
		}
		res, body := d.come("GET", "https://blog.test"+c.path, headers...)
		if res.StatusCode != c.want {
			t.Errorf("%s: %s, want %d", c.name, res.Status, c.want)
		}
		if c.want == 401 {
			if got := res.Header.Get("WWW-Authenticate"); got != `Basic realm="Staging", charset="UTF-8"` || !strings.Contains(body, "login-needed") {
				t.Errorf("%s: WWW-Authenticate = %q, %q", c.name, got, body)
			}
			continue
		}
		if got := within(t, requests, c.name).Header.Get("Authorization"); got != c.passed {
			t.Errorf("%s: the app got %q, want %q", c.name, got, c.passed)
		}
	}
	select {
	case req := <-requests:
		t.Errorf("the app got %s, which was refused", req.URL)
	default:
	}
}

// A page has many parts, each with the password: it must not cost a processor
// 50 ms each. Nor may those who guess keep it from those who know.
func TestAPasswordIsCheckedOnceAndGuessingHasALimit(t *testing.T) {
	slow, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.DefaultCost)
	if err != nil {
		t.Fatal(err)
	}
	d := guarded(t, router.Policy{Auth: router.Auth{Users: map[string]string{"ann": string(slow)}}}, app(t, says("blog")))
	began := time.Now()
	if res, _ := d.come("GET", "https://blog.test/", "Authorization", basic("ann", "secret")); res.StatusCode != 200 {
		t.Fatalf("the first: %s", res.Status)
	}
	once := time.Since(began)

	// A hundred guesses, which would take a hundred times as long.
	statuses := make(chan int, 100)
	client := d.client(true)
	var guessing sync.WaitGroup
	for i := range 100 {
		guessing.Go(func() {
			req, _ := http.NewRequestWithContext(t.Context(), "GET", "https://blog.test/", nil)
			req.SetBasicAuth("ann", strings.Repeat("x", i))
			res, err := client.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			res.Body.Close()
			statuses <- res.StatusCode
		})
	}
	began = time.Now()
	for range 50 {
		if res, body := d.come("GET", "https://blog.test/", "Authorization", basic("ann", "secret")); body != "blog" {
			t.Fatalf("during the guesses: %s %q", res.Status, body)
		}
	}
	fifty := time.Since(began)
	guessing.Wait()
	close(statuses)

	count := map[int]int{}
	for status := range statuses {
		count[status]++
	}
	if count[429] == 0 || count[401] == 0 || count[401]+count[429] != 100 {
		t.Errorf("the guesses got %v, want some 401 and some 429", count)
	}
	if fifty > 25*once {
		t.Errorf("50 requests took %v where one password takes %v", fifty, once)
	}
}

func TestAPasswordThatCannotBeHashedIsRefused(t *testing.T) {
	for password, want := range map[string]string{"": "empty", strings.Repeat("x", 73): "longer than 72 bytes"} {
		if _, err := router.HashPassword(password); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("HashPassword of %d bytes = %v, want %q", len(password), err, want)
		}
	}
}
