package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// A process that ends takes the requests with it that it has at that moment,
// and no others: of each visitor's, who has one at a time, one at most. Docker
// starts it again, and it is found wherever it is then.
func TestOnlyWhatADeadContainerWasAnsweringIsLost(t *testing.T) {
	t.Parallel()
	m := serving(t, "")
	dir := m.repository(t, "mortal")
	m.must(t, dir, "git", "push", "-q", "berth:blog", "main")
	const orders = 3 // Docker waits longer each time
	for _, processes := range []int{1, 2} {
		m.must(t, "/", "berth", "ps:scale", "blog", fmt.Sprintf("web=%d", processes))
		all := m.visitors(t)
		stop := make(chan struct{})
		var group sync.WaitGroup
		for _, v := range all {
			group.Go(func() { v.visit(stop) })
		}
		m.everybodyAsks(t, all)

		before, err := m.restarts() // scaling lets those run on that run
		if err != nil {
			t.Fatal(err)
		}
		deaths := 0
		for n := range orders {
			m.die(t)
			err := m.eventually("it has been started again", func() error {
				now, err := m.restarts()
				if deaths = now - before; err == nil && deaths <= n {
					err = fmt.Errorf("it has ended %d times", deaths)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			m.everybodyAsks(t, all)
		}

		close(stop)
		group.Wait()
		if deaths != orders {
			t.Errorf("web=%d: a process ended %d times, want once for each of %d letters that it dies of", processes, deaths, orders)
		}
		for _, v := range all {
			t.Logf("web=%d, %s: %d of %d failed: %.90q", processes, v.name, len(v.failed), v.answers.Load(), v.failed)
			if strings.Contains(fmt.Sprint(v.failed), "H14") {
				t.Errorf("web=%d, %s was told that there is no web process: %q", processes, v.name, v.failed)
			}
			if len(v.failed) > deaths {
				t.Errorf("web=%d, %s: %d of %d requests failed in %d deaths, want one in each at most: %q", processes, v.name, len(v.failed), v.answers.Load(), deaths, v.failed)
			}
		}
	}
}

// die sends blog a letter that a process of it dies of, and that nobody may
// repeat. A page would be asked for again, as a connection that was kept had
// ended without a word, and would kill another process.
func (m *machine) die(t *testing.T) {
	t.Helper()
	client, err := m.browser()
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseIdleConnections()
	res, err := client.Post("https://blog.localhost/exit", "text/plain", strings.NewReader("farewell"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusBadGateway {
		t.Fatalf("the letter that a process dies of got %s, want the router to say that there is no answer", res.Status)
	}
}

// restarts counts how often the processes of blog have been started again. All
// of them run, or it is an error.
func (m *machine) restarts() (n int, err error) {
	out, err := m.run("/", "berth", "ps", "blog", "--quiet")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(out) {
		var count int
		_, after, _ := strings.Cut(line, "restarts")
		if _, err := fmt.Sscanf(after, "%d", &count); err != nil || !strings.Contains(line, "running") {
			return 0, errors.New(out)
		}
		n += count
	}
	return n, nil
}
