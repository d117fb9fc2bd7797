package router

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// ErrUnhealthy says that a target has not passed its health check in time.
var ErrUnhealthy = errors.New("unhealthy")

// attemptTimeout is for one question and its answer.
const attemptTimeout = 5 * time.Second

// maxContent is how much of an answer is searched for content.
const maxContent = 1 << 20

// A HealthCheck says what a target must answer before it gets traffic.
type HealthCheck struct {
	// Path must answer 2xx or 3xx. If it is "", whatever listens passes,
	// unless it speaks HTTP and answers 5xx to GET /.
	Path     string
	TCP      bool          // only connect
	TLS      bool          // ask over TLS, whatever the certificate
	Host     string        // the Host header to ask with; the target if ""
	Header   http.Header   // what to ask with besides
	Content  string        // must be in the first MB of the answer's body
	Timeout  time.Duration // for the whole wait; 60 s if 0
	Attempt  time.Duration // for one question and its answer; 5 s if 0
	Interval time.Duration // 25 ms if 0, or 10 ms while nothing listens
}

// The waits between two questions. Knocking where nobody is at home costs
// nothing.
const (
	askEvery   = 25 * time.Millisecond
	knockEvery = 10 * time.Millisecond
)

// errNotHTTP is what a target answers that accepted a connection and then
// closed it, or said something that is no HTTP.
var errNotHTTP = errors.New("the answer is not HTTP")

// Wait polls target until it passes. If ctx ends first it returns the cause;
// if Timeout does, an ErrUnhealthy that tells what the target did last.
func (h HealthCheck) Wait(ctx context.Context, target string) error {
	timeout := cmp.Or(h.Timeout, time.Minute)
	end := time.Now().Add(timeout)
	limited, cancel := context.WithDeadline(ctx, end)
	defer cancel()

	evidence := "it was not asked"
	strange := 0
	for {
		err := h.Ask(limited, target)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err == nil {
			return nil
		}
		// A process that dies also closes its connections, so something that
		// speaks no HTTP has to be there twice.
		if errors.Is(err, errNotHTTP) {
			strange++
		} else {
			strange = 0
		}
		if h.Path == "" && strange == 2 {
			return nil
		}
		// What the last attempt had to say is worth little if it was the
		// whole wait that ended.
		if time.Now().Before(end) || evidence == "it was not asked" {
			evidence = err.Error()
		}
		pause := askEvery
		if errors.Is(err, syscall.ECONNREFUSED) {
			pause = knockEvery
		}
		select {
		case <-limited.Done():
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return fmt.Errorf("%w: %s after %s", ErrUnhealthy, evidence, timeout)
		case <-time.After(cmp.Or(h.Interval, pause)):
		}
	}
}

// Ask asks once, and returns nil if the target passes. Path "" is "/".
func (h HealthCheck) Ask(ctx context.Context, target string) error {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(h.Attempt, attemptTimeout))
	defer cancel()

	conn, err := dial(ctx, "tcp", target)
	if err != nil {
		return dialEvidence(err)
	}
	defer conn.Close()
	if h.TCP {
		return nil
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if h.TLS {
		// The process is in its own network, and its certificate is nobody's
		// business but its own.
		conn = tls.Client(conn, &tls.Config{ServerName: h.Host, InsecureSkipVerify: true})
	}
	path := "/" + strings.TrimPrefix(h.Path, "/")
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+target+path, nil)
	if err != nil {
		return fmt.Errorf("health check path %q: %w", h.Path, err)
	}
	req.Host = h.Host
	req.Close = true
	req.Header.Set("User-Agent", "Berth health check")
	maps.Copy(req.Header, h.Header)
	if host := h.Header.Get("Host"); host != "" {
		req.Host = host
	}
	res, err := roundTrip(req, conn)
	if ctx.Err() != nil {
		return fmt.Errorf("GET %s got no answer", path)
	}
	if err != nil {
		return fmt.Errorf("GET %s: %w", path, errNotHTTP)
	}
	if res.StatusCode >= 400 && (h.Path != "" || res.StatusCode >= 500) {
		return fmt.Errorf("GET %s answered %s", path, res.Status)
	}
	if h.Content == "" {
		return nil
	}
	// What has come until it breaks off may have the content too.
	body, _ := io.ReadAll(io.LimitReader(res.Body, maxContent))
	if !bytes.Contains(body, []byte(h.Content)) {
		return fmt.Errorf("GET %s answered %s without %.80q in it", path, res.Status, h.Content)
	}
	return nil
}

// roundTrip sends req over conn and reads the header of the answer. There is
// no http.Transport in it: that one logs what a server says unasked.
func roundTrip(req *http.Request, conn net.Conn) (*http.Response, error) {
	if err := req.Write(conn); err != nil {
		return nil, err
	}
	r := bufio.NewReader(io.LimitReader(conn, maxContent+64<<10))
	for {
		res, err := http.ReadResponse(r, req)
		// 103 Early Hints and the like come before the answer.
		if err != nil || res.StatusCode >= 200 || res.StatusCode == http.StatusSwitchingProtocols {
			return res, err
		}
	}
}

// dialEvidence says why there was no connection, without the address, which
// means nothing to the app's owner.
func dialEvidence(err error) error {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno
	}
	if n, ok := errors.AsType[net.Error](err); ok && n.Timeout() {
		return errors.New("no connection in time")
	}
	return err
}
