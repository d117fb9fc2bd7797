package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A visitor asks for a page again and again until it is told to stop, and
// keeps what went wrong.
type visitor struct {
	name    string
	client  *http.Client
	method  string
	url     string
	answers atomic.Int64

	mu     sync.Mutex
	failed []string
}

func (v *visitor) visit(stop <-chan struct{}) {
	// As fast as it goes, they would leave no processor to what they watch.
	pace := time.NewTicker(5 * time.Millisecond)
	defer pace.Stop()
	for {
		select {
		case <-stop:
			return
		case <-pace.C:
		}
		if err := v.once(); err != nil {
			v.mu.Lock()
			v.failed = append(v.failed, err.Error())
			v.mu.Unlock()
		}
		v.answers.Add(1)
	}
}

func (v *visitor) once() error {
	var body io.Reader
	if v.method == http.MethodPost {
		body = strings.NewReader("a letter")
	}
	q, err := http.NewRequest(v.method, v.url, body)
	if err != nil {
		return err
	}
	q.GetBody = nil // a client that cannot send its letter twice
	r, err := v.client.Do(q)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if r.StatusCode != http.StatusOK || !strings.HasPrefix(string(text), "hello ") {
		return fmt.Errorf("%s %s", r.Status, text)
	}
	return nil
}

// visitors returns one of each kind that there is: over HTTP/2, over HTTP/1.1
// with a connection that is kept, with a new one each time, with a letter, and
// with an answer that takes its time.
func (m *machine) visitors(t *testing.T) (all []*visitor) {
	t.Helper()
	for _, v := range []*visitor{
		{name: "HTTP/2"}, {name: "HTTP/2 with a letter", method: http.MethodPost},
		{name: "kept"}, {name: "kept with a letter", method: http.MethodPost},
		{name: "new"}, {name: "new with a letter", method: http.MethodPost},
		{name: "HTTP/2 slow"}, {name: "kept slow"}, {name: "new slow"},
	} {
		client, err := m.browser()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.CloseIdleConnections)
		transport := client.Transport.(*http.Transport)
		transport.ForceAttemptHTTP2 = strings.HasPrefix(v.name, "HTTP/2")
		transport.DisableKeepAlives = strings.HasPrefix(v.name, "new")
		v.client, v.url = client, "https://blog.localhost/"
		if strings.HasSuffix(v.name, "slow") {
			v.url += "slow"
		}
		if v.method == "" {
			v.method = http.MethodGet
		}
		all = append(all, v)
	}
	return all
}

// letVisit has all of them visit until the function that it returns is called,
// which fails the test if one of their requests failed.
func letVisit(t *testing.T, all []*visitor) (end func()) {
	stop := make(chan struct{})
	var group sync.WaitGroup
	for _, v := range all {
		group.Go(func() { v.visit(stop) })
	}
	return func() {
		close(stop)
		group.Wait()
		for _, v := range all {
			if len(v.failed) > 0 {
				t.Errorf("%s: %d of %d requests failed, the first with: %s", v.name, len(v.failed), v.answers.Load(), v.failed[0])
			}
			t.Logf("%s: %d requests", v.name, v.answers.Load())
		}
	}
}

func TestNoRequestIsLostWhateverChanges(t *testing.T) {
	t.Parallel()
	m := serving(t, "")
	dir := m.repository(t, "first")
	m.must(t, dir, "git", "push", "-q", "berth:blog", "main")
	all := m.visitors(t)
	defer letVisit(t, all)()
	// between does something, and sees to it that everybody has asked before
	// and after it.
	between := func(what ...string) {
		t.Helper()
		m.must(t, dir, what[0], what[1:]...)
		m.everybodyAsks(t, all)
	}
	m.everybodyAsks(t, all)

	m.change(t, dir, "second")
	between("git", "push", "-q", "berth:blog", "main")
	between("berth", "ps:restart", "blog")
	between("berth", "ps:scale", "blog", "web=3")
	between("berth", "config:set", "blog", "A=b")
	between("berth", "domains:add", "blog", "www.blog.test")
	m.change(t, dir, "third")
	between("git", "push", "-q", "berth:blog", "main")
	between("berth", "domains:remove", "blog", "www.blog.test")
	between("berth", "ps:scale", "blog", "web=1")
	m.change(t, dir, "fourth")
	between("git", "push", "-q", "berth:blog", "main")
	// A version that does not start is noticed by its pusher only.
	m.change(t, dir, "broken", "ENV BROKEN=yes")
	if out, err := m.run(dir, "git", "push", "-q", "berth:blog", "main"); err == nil {
		t.Errorf("a broken version was deployed:\n%s", out)
	}
	m.everybodyAsks(t, all)
}

// everybodyAsks returns when each visitor has been answered twice more: the
// second time it asked after the call.
func (m *machine) everybodyAsks(t *testing.T, all []*visitor) {
	t.Helper()
	for _, v := range all {
		before := v.answers.Load()
		err := m.eventually(v.name+" asks again", func() error {
			if v.answers.Load() < before+2 {
				return errors.New("it waits")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
