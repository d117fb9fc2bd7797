package main

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// A process that ends takes the requests with it that it has at that moment,
// and no others. Docker starts it again, and it is found wherever it is then.
func TestOnlyWhatADeadContainerWasAnsweringIsLost(t *testing.T) {
	t.Parallel()
	m := serving(t, "")
	dir := m.repository(t, "mortal")
	m.must(t, dir, "git", "push", "-q", "berth:blog", "main")
	const deaths = 3 // Docker waits longer each time
	for _, processes := range []int{1, 2} {
		m.must(t, "/", "berth", "ps:scale", "blog", fmt.Sprintf("web=%d", processes))
		all := m.visitors(t)
		stop := make(chan struct{})
		var group sync.WaitGroup
		for _, v := range all {
			group.Go(func() { v.visit(stop) })
		}
		m.everybodyAsks(t, all)

		for n := range deaths {
			// The visitor whose request ends the process gets no answer.
			_, _ = m.get("https://blog.localhost/exit")
			err := m.eventually("it has been started again", func() error {
				out, err := m.run("/", "berth", "ps", "blog", "--quiet")
				restarts := 0
				for line := range strings.Lines(out) {
					var count int
					if _, err := fmt.Sscanf(line[strings.Index(line, "restarts"):], "restarts %d", &count); err != nil {
						return err
					}
					if restarts += count; !strings.Contains(line, "running") {
						return errors.New(out)
					}
				}
				if restarts <= n {
					return errors.New(out)
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
