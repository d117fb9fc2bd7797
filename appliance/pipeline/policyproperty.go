package pipeline

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/berthhq/berth/router"
)

// A DoorProperty is something about the door that has one value: router:set
// sets it. Names are Dokku's where there is one.
type DoorProperty struct {
	Name    string
	Help    string
	Machine bool // it is the machine's only
	Guards  bool // it protects the machine: only admins give an app more of it

	set   func(*router.Policy, string) error
	show  func(router.Policy) string
	trust func(*router.Trust, string) // for what is the machine's only
}

// DoorProperties are in the order in which they are applied.
var DoorProperties = []DoorProperty{
	{
		Name: "client-max-body-size", Help: "the most that a visitor may send, as 50m; 0 for any size",
		set:  func(p *router.Policy, v string) (err error) { p.MaxBody, err = parseBodySize(v); return err },
		show: func(p router.Policy) string { return showBodySize(p.MaxBody) },
	},
	{
		Name: "max-connections", Guards: true, Help: "requests and WebSockets under way at once; 0 for any number",
		set: func(p *router.Policy, v string) error {
			n, err := parseCount(v, 0, 1_000_000)
			p.MaxRequests = int(n)
			return err
		},
		show: func(p router.Policy) string { return strconv.Itoa(p.MaxRequests) },
	},
	timeout("proxy-connect-timeout", "how long a process may take to accept a connection, as 5s", func(p *router.Policy) *time.Duration { return &p.Timeouts.Connect }),
	{
		Name: "proxy-read-timeout", Help: "how long a process may take to begin its answer, as 60s; 0 for ever",
		set: func(p *router.Policy, v string) (err error) {
			if p.Timeouts.FirstByte, err = parseWait(v); err != nil {
				return err
			}
			// nginx's is also for the time between two bytes: whoever makes
			// it longer must not meet the next limit.
			if t := &p.Timeouts; t.Idle != 0 && (t.FirstByte == 0 || t.FirstByte > t.Idle) {
				t.Idle = t.FirstByte
			}
			return nil
		},
		show: func(p router.Policy) string { return showWait(p.Timeouts.FirstByte) },
	},
	timeout("idle-timeout", "how long an answer or a WebSocket may be silent, as 5m; 0 for ever", func(p *router.Policy) *time.Duration { return &p.Timeouts.Idle }),
	truth("https-redirect", "send plain HTTP to HTTPS", func(p *router.Policy) *bool { return &p.PlainHTTP }, true),
	{
		Name: "hsts", Help: "true: browsers come by HTTPS only; false; or forget: they forget that",
		set: func(p *router.Policy, v string) error {
			switch v {
			case "true":
				if p.HSTS.Forget = false; p.HSTS.MaxAge == 0 {
					p.HSTS.MaxAge = router.DefaultPolicy().HSTS.MaxAge
				}
			case "false":
				p.HSTS.MaxAge, p.HSTS.Preload, p.HSTS.Forget = 0, false, false
			case "forget":
				p.HSTS.Forget = true
			default:
				return errors.New("give true, false or forget")
			}
			return nil
		},
		show: func(p router.Policy) string {
			if p.HSTS.Forget {
				return "forget"
			}
			return strconv.FormatBool(p.HSTS.MaxAge > 0)
		},
	},
	{
		Name: "hsts-max-age", Help: "for how long, in seconds, as 15724800",
		set: func(p *router.Policy, v string) error {
			n, err := parseCount(v, 1, 10*365*24*3600)
			if p.HSTS.MaxAge > 0 { // hsts false holds whatever else is set
				p.HSTS.MaxAge = time.Duration(n) * time.Second
			}
			return err
		},
		show: func(p router.Policy) string { return strconv.FormatInt(int64(p.HSTS.MaxAge/time.Second), 10) },
	},
	truth("hsts-include-subdomains", "also for what is below the host", func(p *router.Policy) *bool { return &p.HSTS.Subdomains }, false),
	list("hsts-except", "hosts for which it is not sent, as old.example.org", func(p *router.Policy) *[]string { return &p.HSTS.Except }),
	truth("hsts-preload", "let browsers have it built in", func(p *router.Policy) *bool { return &p.HSTS.Preload }, false),
	truth("compression", "compress answers (gzip, zstd) for who can take it", func(p *router.Policy) *bool { return &p.Compression.On }, false),
	{
		Name: "compression-min-size", Help: "the smallest answer that is compressed, as 1k",
		set: func(p *router.Policy, v string) (err error) {
			p.Compression.MinSize, err = parseSize(v, 1)
			return err
		},
		show: func(p router.Policy) string { return showBodySize(cmp.Or(p.Compression.MinSize, kb)) },
	},
	list("compression-types", "media types that are compressed, as text/*,application/json", func(p *router.Policy) *[]string { return &p.Compression.Types }),
	list("allow-ips", "addresses and networks that may come in, as 203.0.113.7,10.0.0.0/8", func(p *router.Policy) *[]string { return &p.Allow }),
	truth("error-pages-for-empty", "show error pages also where the app answers with an error and nothing else", func(p *router.Policy) *bool { return &p.PagesForEmpty }, false),
	truth("access-log", "keep a line of each request", func(p *router.Policy) *bool { return &p.Log.Off }, true),
	truth("access-log-query", "with what is behind the question mark, which may be a secret", func(p *router.Policy) *bool { return &p.Log.Query }, false),
	trusting("trusted-proxies", "whose word is taken on who a visitor is: addresses, networks, cloudflare", func(t *router.Trust, v string) { t.Proxies = words(v) }),
	trusting("trusted-header", "where they say it: X-Forwarded-For or Forwarded", func(t *router.Trust, v string) { t.Header = v }),
	trusting("proxy-protocol", "who begins connections with a PROXY protocol header: addresses, networks", func(t *router.Trust, v string) { t.ProxyProtocol = words(v) }),
}

// Check returns nil for a value that the property can have.
func (d DoorProperty) Check(value string) error {
	if d.trust != nil {
		var t router.Trust
		d.trust(&t, value)
		return t.Validate()
	}
	policy := router.DefaultPolicy()
	return d.set(&policy, value)
}

// Exceeds reports whether a value, which Check has passed, is more than what
// holds for the machine.
func (d DoorProperty) Exceeds(value string, machine router.Policy) bool {
	policy := machine
	if err := d.set(&policy, value); err != nil {
		return true
	}
	return machine.MaxRequests > 0 && (policy.MaxRequests == 0 || policy.MaxRequests > machine.MaxRequests)
}

// Show returns what holds, in words.
func (d DoorProperty) Show(p router.Policy) string {
	if d.show == nil {
		return ""
	}
	return d.show(p)
}

func timeout(name, help string, of func(*router.Policy) *time.Duration) DoorProperty {
	return DoorProperty{
		Name: name, Help: help,
		set:  func(p *router.Policy, v string) (err error) { *of(p), err = parseWait(v); return err },
		show: func(p router.Policy) string { return showWait(*of(&p)) },
	}
}

// truth is a property that is true or false; inverted if the policy's own is
// its opposite.
func truth(name, help string, of func(*router.Policy) *bool, inverted bool) DoorProperty {
	return DoorProperty{
		Name: name, Help: help,
		set: func(p *router.Policy, v string) error {
			if v != "true" && v != "false" {
				return errors.New("give true or false")
			}
			*of(p) = (v == "true") != inverted
			return nil
		},
		show: func(p router.Policy) string { return strconv.FormatBool(*of(&p) != inverted) },
	}
}

func list(name, help string, of func(*router.Policy) *[]string) DoorProperty {
	return DoorProperty{
		Name: name, Help: help,
		set: func(p *router.Policy, v string) error {
			if *of(p) = words(v); len(*of(p)) == 0 {
				return errors.New("there is nothing between the commas") // which would be as if nobody had asked for anything
			}
			return nil // Validate knows better what is wrong
		},
		show: func(p router.Policy) string { return strings.Join(*of(&p), ",") },
	}
}

func trusting(name, help string, set func(*router.Trust, string)) DoorProperty {
	return DoorProperty{Name: name, Help: help, Machine: true, trust: set}
}

// words are what stands between commas or spaces.
func words(s string) []string {
	return strings.FieldsFunc(s, func(c rune) bool { return c == ',' || c == ' ' })
}

func parseBodySize(s string) (int64, error) {
	n, err := parseSize(s, 0)
	if err != nil {
		return 0, fmt.Errorf("%w, or 0 for any size", err)
	}
	return n, nil
}

func showBodySize(n int64) string {
	for _, unit := range []struct {
		size int64
		name string
	}{{gb, "g"}, {mb, "m"}, {kb, "k"}} {
		if n >= unit.size && n%unit.size == 0 {
			return strconv.FormatInt(n/unit.size, 10) + unit.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// parseWait reads a time as nginx's users write it: 60s, 5m, 90 (seconds).
func parseWait(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if n, notNumber := strconv.Atoi(s); notNumber == nil && n < 1e6 {
		d, err = time.Duration(n)*time.Second, nil
	}
	if err != nil || d < 0 || d > 0 && d < 100*time.Millisecond || d > 24*time.Hour {
		return 0, errors.New("write it as 90s or 5m, up to 24h; 0 is for ever")
	}
	return d, nil
}

func showWait(d time.Duration) string {
	if d == 0 {
		return "0"
	}
	return shortTime(d)
}
