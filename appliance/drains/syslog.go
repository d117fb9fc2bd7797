package drains

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/berthhq/berth/appliance"
)

const (
	// dialTime and writeTime are how long a service may take.
	dialTime  = 15 * time.Second
	writeTime = 30 * time.Second

	// maxDatagram is how much of a line goes over UDP, in bytes.
	maxDatagram = 8 << 10
)

// A syslog sends messages by RFC 5424: over TCP and TLS each with its length
// before it (RFC 6587, RFC 5425), over UDP each in a datagram (RFC 5426).
type syslog struct {
	app           string
	network, addr string
	dial          Dial
	tls           *tls.Config // nil without TLS
	conn          net.Conn
	gone          *atomic.Bool // the other end has closed conn
}

func newSyslog(spec Spec, app string, dial Dial, config *tls.Config) *syslog {
	s := &syslog{app: app, dial: dial}
	s.network, s.addr = spec.Addr()
	if strings.HasPrefix(spec.URL, "syslog+tls:") {
		s.tls = &tls.Config{}
		if config != nil {
			s.tls = config.Clone()
		}
		if u, err := url.Parse(spec.URL); err == nil {
			s.tls.ServerName = u.Hostname()
		}
	}
	return s
}

func (s *syslog) send(ctx context.Context, lines []appliance.LogLine) error {
	if err := s.connect(ctx); err != nil {
		return err
	}
	conn := s.conn
	defer context.AfterFunc(ctx, func() { _ = conn.SetWriteDeadline(time.Now()) })() // ends a write that is under way
	var err error
	if s.network == "udp" {
		for _, l := range lines {
			m := appendMessage(nil, s.app, l)
			if _, err = s.conn.Write(m[:min(len(m), maxDatagram)]); err != nil {
				break
			}
		}
	} else {
		if err = s.conn.SetWriteDeadline(time.Now().Add(writeTime)); err == nil {
			_, err = s.conn.Write(frames(s.app, lines))
		}
	}
	if err != nil {
		s.close()
	}
	return err
}

func (s *syslog) connect(ctx context.Context) error {
	if s.conn != nil && !s.gone.Load() {
		return nil
	}
	s.close()
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	conn, err := s.dial(ctx, s.network, s.addr)
	if err != nil {
		return err
	}
	if s.tls != nil {
		secure := tls.Client(conn, s.tls)
		if err := secure.HandshakeContext(ctx); err != nil {
			conn.Close()
			return err
		}
		conn = secure
	}
	s.conn, s.gone = conn, new(atomic.Bool)
	if s.network == "tcp" {
		// Services say nothing. What ends this tells that they have hung up,
		// which a write would find out a line too late.
		gone := s.gone
		go func() {
			_, _ = io.Copy(io.Discard, conn)
			gone.Store(true)
		}()
	}
	return nil
}

func (s *syslog) close() {
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
}

// frames are messages with their lengths before them.
func frames(app string, lines []appliance.LogLine) (b []byte) {
	var message []byte
	for _, l := range lines {
		message = appendMessage(message[:0], app, l)
		b = strconv.AppendInt(b, int64(len(message)), 10)
		b = append(append(b, ' '), message...)
	}
	return b
}

// The priorities of messages: facility local7, and local3 of requests, as
// Heroku has them, and error or informational.
const (
	infoPriority         = 190
	errorPriority        = 187
	requestPriority      = 158
	requestErrorPriority = 155
)

// appendMessage appends a line by RFC 5424. The host is the app, the program
// "app" or "berth", the process what it is called.
func appendMessage(b []byte, app string, l appliance.LogLine) []byte {
	priority, program := infoPriority, "app"
	switch l.Stream {
	case appliance.Stderr:
		priority = errorPriority
	case appliance.Remark:
		program = "berth"
	case appliance.Requested:
		priority, program = requestPriority, "berth"
		if strings.HasPrefix(l.Text, "at=error ") {
			priority = requestErrorPriority
		}
	}
	b = fmt.Appendf(b, "<%d>1 %s %s %s %s - - ", priority, l.At.UTC().Format("2006-01-02T15:04:05.000000Z"), app, program, l.Process)
	return append(b, l.Text...)
}
