package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

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
