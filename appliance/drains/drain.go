// Package drains takes what apps print to log services: as syslog (RFC 5424)
// over TCP, TLS and UDP, and in HTTP requests.
package drains

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/berthhq/berth/appliance"
)

// A Spec says where lines go, and how.
type Spec struct {
	ID       string `json:"id"`
	URL      string `json:"url"`              // may hold a password or a token: show Masked
	Format   string `json:"format,omitempty"` // of HTTP requests: "json", or syslog if ""
	Only     string `json:"only,omitempty"`   // OnlyApp or OnlyRouter; both if ""
	Anywhere bool   `json:"anywhere,omitempty"`
}

// What a drain may be for alone: what processes print, and what the appliance
// says of them; or the requests that the router has answered, or had answered.
const (
	OnlyApp    = "app"
	OnlyRouter = "router"
)

// JSON is the Format of requests that have a JSON object for each line.
const JSON = "json"

// Check returns nil for what can be a drain.
func (s Spec) Check() error {
	u, err := url.Parse(s.URL)
	if err != nil || u.Opaque != "" || u.Hostname() == "" || u.Fragment != "" || len(s.URL) > 2000 {
		return appliance.WithHint(fmt.Errorf("%w drain: that is no address", appliance.ErrInvalid), schemes)
	}
	switch u.Scheme {
	case "http", "https":
	case "syslog", "syslog+tls", "syslog+udp":
		if u.User != nil || u.RawQuery != "" || u.Path != "" && u.Path != "/" {
			return appliance.WithHint(fmt.Errorf("%w drain: syslog has a host and a port only", appliance.ErrInvalid), schemes)
		}
		if s.Format != "" {
			return fmt.Errorf("%w drain: the format of syslog is its own", appliance.ErrInvalid)
		}
	default:
		return appliance.WithHint(fmt.Errorf("%w drain: unknown scheme %.20q", appliance.ErrInvalid, u.Scheme), schemes)
	}
	if s.Format != "" && s.Format != JSON {
		return fmt.Errorf("%w format %.20q: syslog or json", appliance.ErrInvalid, s.Format)
	}
	if s.Only != "" && s.Only != OnlyApp && s.Only != OnlyRouter {
		return fmt.Errorf("%w kind of lines %.20q: %s, %s, or nothing for both", appliance.ErrInvalid, s.Only, OnlyApp, OnlyRouter)
	}
	return nil
}

const schemes = "as syslog+tls://logs.example.com:6514, syslog://…, syslog+udp://… or https://…"

// Masked is the address without what may be secret.
func (s Spec) Masked() string {
	u, err := url.Parse(s.URL)
	if err != nil {
		return "…"
	}
	text := u.Scheme + "://"
	if u.User != nil {
		text += "…@"
	}
	text += u.Host
	if len(u.Path) > 1 || u.RawQuery != "" {
		text += "/…" // a token, at many services
	}
	return text
}

// Addr is the network and the address that the drain is reached at.
func (s Spec) Addr() (network, addr string) {
	u, err := url.Parse(s.URL)
	if err != nil {
		return "tcp", ""
	}
	network, port := "tcp", u.Port()
	if u.Scheme == "syslog+udp" {
		network = "udp"
	}
	if port == "" {
		port = map[string]string{"http": "80", "https": "443", "syslog": "514", "syslog+udp": "514", "syslog+tls": "6514"}[u.Scheme]
	}
	return network, net.JoinHostPort(u.Hostname(), port)
}

// A Dial connects to where a drain may connect to.
type Dial func(ctx context.Context, network, addr string) (net.Conn, error)

// A Status is how a drain gets on.
type Status struct {
	Sent    int64
	Dropped int64 // lines that were left out
	Err     error // why lines cannot be sent now, or nil
}

// Bounds of what waits to be sent, and of what is sent at once.
const (
	maxWaiting = 4 << 20 // bytes
	maxLines   = 20_000
	maxAtOnce  = 500
	maxSent    = 512 << 10 // bytes at once, or one line
)

// The waits between attempts to reach a service.
const (
	firstRetry = time.Second
	lastRetry  = time.Minute
)

// lastTime is how long the daemon's end may be held up by what waits.
const lastTime = 2 * time.Second

// A drain sends lines of one app to one place.
type drain struct {
	Spec
	app    string
	sender sender
	log    *slog.Logger
	retry  time.Duration

	mu      sync.Mutex // guards the fields below
	waiting []appliance.LogLine
	bytes   int
	dropped int // since it was told
	status  Status
	some    chan struct{} // has a value when something waits
}

// A sender sends lines. What returns a refusedError is not sent again.
type sender interface {
	send(ctx context.Context, lines []appliance.LogLine) error
	close()
}

type refusedError struct{ error }

func newDrain(spec Spec, app string, dial Dial, config *tls.Config, log *slog.Logger) *drain {
	d := &drain{Spec: spec, app: app, log: log, retry: firstRetry, some: make(chan struct{}, 1)}
	if u, err := url.Parse(spec.URL); err == nil && (u.Scheme == "http" || u.Scheme == "https") {
		d.sender = newHTTP(spec, app, dial, config)
	} else {
		d.sender = newSyslog(spec, app, dial, config)
	}
	return d
}

// add leaves lines to be sent. When there are too many, the oldest are left
// out.
func (d *drain) add(lines []appliance.LogLine) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting = append(d.waiting, lines...)
	for _, l := range lines {
		d.bytes += len(l.Text)
	}
	n := 0
	for len(d.waiting)-n > maxLines || d.bytes > maxWaiting && n < len(d.waiting) {
		d.bytes -= len(d.waiting[n].Text)
		n++
	}
	if n > 0 {
		d.waiting = append([]appliance.LogLine(nil), d.waiting[n:]...)
		d.drop(n)
	}
	select {
	case d.some <- struct{}{}:
	default: // it has been given already
	}
}

// leaveOut counts lines that did not get here.
func (d *drain) leaveOut(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.drop(n)
}

// drop counts lines that were left out. The caller holds mu.
func (d *drain) drop(n int) {
	d.dropped += n
	d.status.Dropped += int64(n)
}

// A batch is what is sent at once: lines, after one that says how many are
// missing before them, if any are.
type batch struct {
	lines   []appliance.LogLine
	missing int
}

// take returns what is to be sent next, or nothing.
func (d *drain) take() (b batch) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, size := 0, 0
	for n < min(maxAtOnce, len(d.waiting)) && size < maxSent {
		size += len(d.waiting[n].Text)
		n++
	}
	if n == 0 {
		return b
	}
	if b.missing, d.dropped = d.dropped, 0; b.missing > 0 {
		b.lines = append(b.lines, appliance.LogLine{
			At: d.waiting[0].At, Process: "drain", Stream: appliance.Remark,
			Text: fmt.Sprintf("… %d lines were left out: the drain could not take them in time", b.missing),
		})
	}
	d.bytes -= size
	b.lines = append(b.lines, d.waiting[:n]...)
	if d.waiting = d.waiting[n:]; len(d.waiting) == 0 {
		d.waiting = nil // which lets go of what was sent
	}
	return b
}

// run sends what comes until ctx is done, and then, for a moment, what is left.
func (d *drain) run(ctx context.Context) {
	defer d.sender.close()
	for {
		select {
		case <-ctx.Done():
		case <-d.some:
		}
		last := ctx.Err() != nil // what comes later than that is nobody's
		for b := d.take(); len(b.lines) > 0; b = d.take() {
			if !d.deliver(ctx, b) {
				return
			}
		}
		if last {
			return
		}
	}
}

// deliver sends a batch, again and again until it has arrived, and reports
// whether there is no more to do. When ctx is done it tries once more.
func (d *drain) deliver(ctx context.Context, b batch) (done bool) {
	for wait := d.retry; ; wait = min(2*wait, lastRetry) {
		if ctx.Err() != nil {
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastTime)
			defer cancel()
			return d.note(b, d.sender.send(last, b.lines))
		}
		if d.note(b, d.sender.send(ctx, b.lines)) {
			return true
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait/2 + rand.N(wait)):
		}
	}
}

// note notes how it went, and reports whether there is no more to do.
func (d *drain) note(b batch, err error) (done bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil && d.status.Err == nil {
		d.log.Warn("a drain takes no lines", "app", d.app, "drain", d.Masked(), "err", err)
	}
	d.status.Err = err
	n := len(b.lines)
	if b.missing > 0 {
		n--
	}
	if err == nil {
		d.status.Sent += int64(n)
		return true
	}
	if _, refused := err.(refusedError); refused {
		d.drop(n)
		d.dropped += b.missing
		return true
	}
	return false
}

func (d *drain) now() Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.status
}
