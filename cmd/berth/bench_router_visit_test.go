package main

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
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

// A benchSession is a connection that is kept.
type benchSession struct {
	conn *tls.Conn
	r    *bufio.Reader
	buf  []byte
}

func (s *benchSession) close() {
	if s.conn != nil {
		_ = s.conn.Close() // nothing is to come
	}
	s.conn = nil
}

func (s *benchSession) open(v benchVisit) error {
	raw, err := net.DialTimeout("tcp", v.address, 10*time.Second)
	if err != nil {
		return err
	}
	s.conn = tls.Client(raw, &tls.Config{
		ServerName:         v.host,
		InsecureSkipVerify: true, // it signs itself
		NextProtos:         []string{"http/1.1"},
		// What all doors know. Go's would agree on a costlier one.
		CurvePreferences: []tls.CurveID{tls.X25519},
	})
	s.r = bufio.NewReaderSize(s.conn, 4<<10)
	if err := s.conn.SetDeadline(time.Now().Add(10 * time.Minute)); err != nil {
		return err
	}
	if err := s.conn.Handshake(); err != nil || v.kind != "echo" {
		return err
	}
	_, err = s.ask("GET /ws HTTP/1.1\r\nHost: " + v.host + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	return err
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

// An unanswered request ended without a byte of an answer. A browser sends it
// again if its connection was a kept one.
type unanswered struct{ error }

// ask sends a request and reads the answer with a body of known length.
func (s *benchSession) ask(head string) (size int, err error) {
	if _, err := io.WriteString(s.conn, head); err != nil {
		return 0, &unanswered{err}
	}
	status, err := s.r.ReadString('\n')
	if err != nil && status == "" {
		return 0, &unanswered{err}
	}
	if err != nil {
		return 0, err
	}
	if !strings.HasPrefix(status, "HTTP/1.1 200") && !strings.HasPrefix(status, "HTTP/1.1 101") {
		return 0, fmt.Errorf("answered %s", strings.TrimSpace(status))
	}
	for {
		line, err := s.r.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		if len(line) <= 2 {
			break
		}
		if name, value, _ := strings.Cut(string(line), ":"); strings.EqualFold(name, "Content-Length") {
			if size, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				return 0, err
			}
		}
	}
	_, err = s.r.Discard(size)
	return size, err
}

// echo sends a message of 100 bytes and reads it back.
func (s *benchSession) echo() error {
	if s.buf == nil {
		s.buf = append([]byte{0x81, 0x80 | 100, 0, 0, 0, 0}, slices.Repeat([]byte("x"), 100)...)
	}
	if _, err := s.conn.Write(s.buf); err != nil {
		return err
	}
	_, err := s.r.Discard(102)
	return err
}
