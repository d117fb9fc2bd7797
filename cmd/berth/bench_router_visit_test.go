package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// A benchVisit is what our own visitors do, where wrk and h2load cannot.
type benchVisit struct {
	kind        string // page, handshake, echo or idle
	address     string
	host        string
	connections int
	rate        int // per second, of all together; 0 is as fast as it goes
	limit       time.Duration
}

// A visitation is how it went.
type visitation struct {
	Done   int
	Failed []string // at most ten
	Again  int      // kept connections that the door closed between two requests
	Took   []time.Duration
}

// visitDoor visits until its stdin ends, or for as long as it was told, and
// prints how it went.
func visitDoor(args []string) error {
	var v benchVisit
	f := flag.NewFlagSet("visit", flag.ContinueOnError)
	f.StringVar(&v.kind, "kind", "page", "")
	f.StringVar(&v.address, "address", "", "")
	f.StringVar(&v.host, "host", benchHost, "")
	f.IntVar(&v.connections, "connections", 16, "")
	f.IntVar(&v.rate, "rate", 0, "")
	f.DurationVar(&v.limit, "limit", time.Hour, "")
	if err := f.Parse(args); err != nil {
		return err
	}
	stop := make(chan struct{})
	go func() {
		gone := make(chan struct{})
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin) // its end is what matters
			close(gone)
		}()
		select {
		case <-gone:
		case <-time.After(v.limit):
		}
		close(stop)
	}()

	var sum visitation
	var mu sync.Mutex // guards sum
	var all sync.WaitGroup
	begun := time.Now()
	for i := range v.connections {
		all.Go(func() {
			one := v.one(i, begun, stop)
			mu.Lock()
			defer mu.Unlock()
			sum.Done, sum.Again, sum.Took = sum.Done+one.Done, sum.Again+one.Again, append(sum.Took, one.Took...)
			if len(sum.Failed) < 10 {
				sum.Failed = append(sum.Failed, one.Failed...)
			}
		})
	}
	all.Wait()
	return json.NewEncoder(os.Stdout).Encode(sum)
}

// one is one of the connections. With a rate, each request has its time; one
// that is late because the one before it was slow is counted from when it
// should have been sent, as its visitor has waited since then.
func (v benchVisit) one(i int, begun time.Time, stop <-chan struct{}) (sum visitation) {
	var s benchSession
	defer s.close()
	timer := time.NewTimer(0)
	<-timer.C
	for n := 0; ; n++ {
		from := time.Now()
		if v.rate > 0 {
			due := begun.Add(time.Duration(i+n*v.connections) * time.Second / time.Duration(v.rate))
			if wait := time.Until(due); wait > 0 {
				timer.Reset(wait)
				select {
				case <-timer.C:
				case <-stop:
					return sum
				}
				from = time.Now()
			} else {
				from = due
			}
		}
		select {
		case <-stop:
			return sum
		default:
		}
		again, err := v.once(&s)
		if again {
			sum.Again++
		}
		if err != nil {
			s.close()
			sum.Failed = append(sum.Failed, err.Error())
			if len(sum.Failed) == 10 {
				return sum
			}
			continue
		}
		sum.Done++
		sum.Took = append(sum.Took, time.Since(from))
		if v.kind == "idle" {
			fmt.Fprintln(os.Stderr, "idle")
			<-stop
			return sum
		}
	}
}

// once does it once, and reports whether it took a second connection because
// the door had closed the kept one, as any door may.
func (v benchVisit) once(s *benchSession) (again bool, err error) {
	if v.kind == "handshake" {
		s.close()
	}
	kept := s.conn != nil
	err = v.tried(s)
	if _, nothing := errors.AsType[*unanswered](err); !nothing || !kept || v.kind == "echo" {
		return false, err
	}
	s.close()
	return true, v.tried(s)
}

func (v benchVisit) tried(s *benchSession) error {
	if s.conn == nil {
		if err := s.open(v); err != nil {
			return err
		}
	}
	if v.kind == "echo" {
		return s.echo()
	}
	ask := "GET /1k HTTP/1.1\r\nHost: " + v.host + "\r\n"
	if v.kind == "handshake" {
		ask += "Connection: close\r\n"
	}
	size, err := s.ask(ask + "\r\n")
	if err == nil && size != 1<<10 {
		err = fmt.Errorf("%d bytes instead of 1024", size)
	}
	return err
}
