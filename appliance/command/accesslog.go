package command

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/router"
)

// An accessLine is what the router keeps of a request, as far as people are
// shown it.
type accessLine struct {
	At        string  `json:"at"`
	Method    string  `json:"method"`
	Host      string  `json:"host"`
	Path      string  `json:"path"`
	RequestID string  `json:"request_id"`
	Client    string  `json:"client"`
	TLS       string  `json:"tls"`
	Target    string  `json:"target"`
	Code      string  `json:"code"`
	Outcome   string  `json:"outcome"`
	Status    int     `json:"status"`
	Out       int64   `json:"bytes_out"`
	Connect   float64 `json:"connect_ms"`
	Duration  float64 `json:"duration_ms"`
}

// router shows what the router did for an app: a line of each request, in
// Heroku's form, or as it is kept.
func (l logs) router(ctx context.Context, c *Call, last int) error {
	return l.requests(ctx, c, last, func([]byte) bool { return true })
}

// requests is router of the requests whose lines are wanted.
func (l logs) requests(ctx context.Context, c *Call, last int, wanted func(line []byte) bool) error {
	if l.Router.AccessLog == nil {
		return fmt.Errorf("the access log %w", appliance.ErrNotFound)
	}
	log := l.Router.AccessLog.Those(wanted)
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	// By SSH, a write for each line takes many times as long as the reading.
	// Who follows sees each line when it comes.
	out := bufio.NewWriterSize(c.Stdout, 32<<10)
	show := func(text string) error {
		_, err := fmt.Fprintln(out, text)
		if err == nil && c.Bool("tail") {
			err = out.Flush()
		}
		return err
	}
	dynos := &dynos{logs: l, app: c.App}
	err = log.Read(ctx, l.Service(c.App), last, c.Bool("tail"), func(line []byte) error {
		if asJSON {
			return show(string(line))
		}
		var entry accessLine
		if json.Unmarshal(line, &entry) != nil {
			return nil // what a crash has left of a line
		}
		text := entry.text(dynos.of(ctx, entry))
		if !c.Bool("quiet") {
			text = entry.At + " berth[router]: " + text
		}
		return show(text)
	})
	if flushed := out.Flush(); err == nil {
		err = flushed
	}
	if n := log.Dropped(); n > 0 {
		fmt.Fprintf(c.Stderr, " !     since its start, berth has not written the lines of %d requests, of all apps: there were more than it could, or the disk is full\n", n)
	}
	return err
}

func wantsJSON(c *Call) (bool, error) {
	switch format, _ := c.Flags.GetString("format"); format {
	case "json":
		return true, nil
	case "stdout":
		return false, nil
	default:
		return false, fmt.Errorf("%w: --format is stdout or json, not %q", ErrUsage, format)
	}
}

// text is the line in Heroku's form. What visitors have sent is quoted.
func (e accessLine) text(dyno string) string {
	var b strings.Builder
	level := "info"
	if e.Code != "" && (e.Status >= 500 || e.Outcome != "served" && e.Outcome != "gone") || e.Outcome == "failed" || e.Outcome == "cut" {
		level = "error"
	}
	fmt.Fprintf(&b, "at=%s", level)
	if e.Code != "" {
		fmt.Fprintf(&b, " code=%s desc=%q", e.Code, router.Describe(e.Code))
	}
	fmt.Fprintf(&b, " method=%s path=%q host=%s request_id=%s fwd=%q dyno=%s connect=%.0fms service=%.0fms status=%d bytes=%d",
		bare(e.Method), e.Path, bare(e.Host), bare(e.RequestID), e.Client, dyno, math.Round(e.Connect), math.Round(e.Duration), e.Status, e.Out)
	if e.TLS == "" {
		return b.String() + " protocol=http"
	}
	return b.String() + " protocol=https tls_version=tls" + e.TLS
}

// bare is s without quotes if that is clear.
func bare(s string) string {
	if quoted := fmt.Sprintf("%q", s); len(quoted) != len(s)+2 || strings.ContainsAny(s, " =") {
		return quoted
	}
	return s
}

// dynos know the names of an app's processes by their addresses.
type dynos struct {
	logs
	app   appliance.AppName
	names map[string]appliance.Process
	asked time.Time
}

// askEvery bounds how often the engine is asked for a process that it does not
// have: one that is gone has no name any more, but its address.
const askEvery = 2 * time.Second

func (d *dynos) of(ctx context.Context, e accessLine) string {
	if e.Target == "" {
		return ""
	}
	p, ok := d.names[e.Target]
	if !ok && time.Since(d.asked) > askEvery {
		d.asked, d.names = time.Now(), map[string]appliance.Process{}
		// Without the engine there are addresses.
		processes, _ := d.Engine.Processes(ctx, d.app)
		for _, p := range processes {
			d.names[p.Addr] = p
		}
		p, ok = d.names[e.Target]
	}
	at, err := time.Parse(time.RFC3339Nano, e.At)
	if !ok || err != nil || at.Before(p.Started) { // another had the address then
		return e.Target
	}
	return fmt.Sprintf("%s.%d", p.Type, p.Index)
}
