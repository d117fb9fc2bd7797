package certs_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	certs "github.com/berthhq/berth/tls"
	"github.com/berthhq/berth/tls/acmetest"
)

// A zone is a name server with some records.
type zone struct {
	t    *testing.T
	addr string // by UDP and TCP

	mu      sync.Mutex // guards the fields below
	master  bool       // it answers for itself
	records []dns.RR
	broken  string // what it has trouble with: a name
	asked   int
}

func newZone(t *testing.T, records ...string) *zone {
	t.Helper()
	z := &zone{t: t}
	z.set(records...)
	// UDP and TCP at the same port, which TCP may have to itself already.
	for range 20 {
		packets, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		stream, err := net.Listen("tcp", packets.LocalAddr().String())
		if err != nil {
			packets.Close()
			continue
		}
		z.addr = stream.Addr().String()
		var running sync.WaitGroup
		servers := []*dns.Server{{PacketConn: packets, Handler: z}, {Listener: stream, Handler: z}}
		for _, s := range servers {
			started := make(chan struct{})
			s.NotifyStartedFunc = func() { close(started) }
			running.Go(func() { s.ActivateAndServe() })
			<-started
		}
		t.Cleanup(func() {
			for _, s := range servers {
				s.Shutdown()
			}
			running.Wait()
		})
		return z
	}
	t.Fatal("no port for a name server")
	return nil
}

func (z *zone) set(records ...string) {
	z.t.Helper()
	z.mu.Lock()
	defer z.mu.Unlock()
	z.records = nil
	for _, text := range records {
		rr, err := dns.NewRR(text)
		if err != nil {
			z.t.Fatal(err)
		}
		z.records = append(z.records, rr)
	}
}

// breaks gives the zone trouble with a name.
func (z *zone) breaks(name string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.broken = name
}

// rules makes it the server that answers for itself.
func (z *zone) rules() {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.master = true
}

// questions returns how many it was asked.
func (z *zone) questions() int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.asked
}

func (z *zone) port() string { _, port, _ := net.SplitHostPort(z.addr); return port }

func (z *zone) ServeDNS(w dns.ResponseWriter, question *dns.Msg) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.asked++
	q := question.Question[0]
	reply := new(dns.Msg).SetReply(question)
	reply.Authoritative = z.master
	if z.broken != "" && strings.EqualFold(q.Name, z.broken) {
		reply.Rcode = dns.RcodeServerFailure
		w.WriteMsg(reply)
		return
	}
	name, exists := q.Name, false
	for range 5 {
		next := ""
		for _, rr := range z.records {
			if h := rr.Header(); strings.EqualFold(h.Name, name) {
				exists = true
				if h.Rrtype == q.Qtype {
					reply.Answer = append(reply.Answer, rr)
				} else if c, ok := rr.(*dns.CNAME); ok {
					reply.Answer = append(reply.Answer, rr)
					next = c.Target
				}
			}
		}
		if name = next; name == "" {
			break
		}
	}
	if !exists {
		reply.Rcode = dns.RcodeNameError
	}
	if len(reply.Answer) == 0 {
		soa, _ := dns.NewRR("berth-test.com. 60 IN SOA ns.berth-test.com. x. 1 1 1 1 1")
		reply.Ns = append(reply.Ns, soa)
	}
	w.WriteMsg(reply)
}

// strange listens as another machine does: at the ports of ours.
func strange(t *testing.T, ip string, httpPort, httpsPort int) {
	t.Helper()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "It works!") })
	for i, port := range []int{httpPort, httpsPort} {
		l, err := net.Listen("tcp", net.JoinHostPort(ip, strconv.Itoa(port)))
		if err != nil {
			t.Fatal(err)
		}
		s := httptest.NewUnstartedServer(handler)
		s.Listener.Close()
		s.Listener = l
		if i == 0 {
			s.Start()
		} else {
			s.StartTLS()
		}
		t.Cleanup(s.Close)
	}
}

const (
	self  = "127.0.0.1"
	other = "127.0.0.2" // another machine answers there
	mute  = "127.0.0.3" // and nobody there
)

func addrs(list ...string) (addrs []netip.Addr) {
	for _, a := range list {
		addrs = append(addrs, netip.MustParseAddr(a))
	}
	return addrs
}

// checked boots a world whose orders are checked against a zone.
func checked(t *testing.T, z *zone, change func(*certs.Preflight)) (*world, *acmetest.Server) {
	t.Helper()
	w := newWorld(t, blog)
	ca := acmetest.Start(t, port(w.http), port(w.https))
	w.boot(ca)
	strange(t, other, port(w.http), port(w.https))
	p := &certs.Preflight{
		Addresses: addrs(self, "2001:db8::7"), Resolvers: []string{z.addr},
		HTTPPort: port(w.http), HTTPSPort: port(w.https),
	}
	p.Private("")
	if change != nil {
		change(p)
	}
	w.m.ConfigurePreflight(p)
	return w, ca
}

func TestAnOrderThatWouldFailIsNotMadeAndTheRecordToSetIsNamed(t *testing.T) {
	const right = blog + ". 60 IN A " + self
	for name, test := range map[string]struct {
		records []string
		change  func(*certs.Preflight)
		want    []string // one of them
	}{
		"no record":            {nil, nil, []string{blog + " has no A record: set " + blog + ". A 127.0.0.1"}},
		"no record, IPv6 only": {nil, func(p *certs.Preflight) { p.Addresses = addrs("2001:db8::7") }, []string{blog + " has no AAAA record: set " + blog + ". AAAA 2001:db8::7"}},
		"no record, unknown machine": {nil, func(p *certs.Preflight) { p.Addresses = nil },
			[]string{blog + " has no A record: set " + blog + ". A to the address of this machine"}},
		"a stale AAAA": {[]string{right, blog + ". 60 IN AAAA ::ffff:0:127.0.0.3"}, nil,
			[]string{blog + " has AAAA ::ffff:0:7f00:3, which is not this machine: remove it, or set it to 2001:db8::7"}},
		"a stale AAAA of a machine without IPv6": {[]string{right, blog + ". 60 IN AAAA ::ffff:0:127.0.0.3"},
			func(p *certs.Preflight) { p.Addresses = addrs(self) }, []string{blog + " has AAAA ::ffff:0:7f00:3, which is not this machine: remove it"}},
		"another machine": {[]string{blog + ". 60 IN A " + other}, nil,
			[]string{blog + " has A 127.0.0.2, which is not this machine: set " + blog + ". A 127.0.0.1"}},
		"an address where nobody is": {[]string{blog + ". 60 IN A " + mute}, nil,
			[]string{blog + " has A 127.0.0.3, which is not this machine: set " + blog + ". A 127.0.0.1"}},
		"another machine too": {[]string{right, blog + ". 60 IN A " + other}, nil,
			[]string{blog + " has A 127.0.0.2, which is not this machine: remove it"}},
		"a CNAME to nothing": {[]string{blog + ". 60 IN CNAME old.example.net."}, nil,
			[]string{blog + " is a CNAME for old.example.net, which has no address: set " + blog + ". A 127.0.0.1 instead of the CNAME"}},
		"a CNAME to another machine": {[]string{blog + ". 60 IN CNAME a.example.net.", "a.example.net. 60 IN CNAME b.example.net.", "b.example.net. 60 IN A " + other}, nil,
			[]string{blog + " is a CNAME for b.example.net, which has A 127.0.0.2, which is not this machine: set " + blog + ". A 127.0.0.1 instead of the CNAME"}},
		"CNAMEs in a circle": {[]string{blog + ". 60 IN CNAME a.example.net.", "a.example.net. 60 IN CNAME " + blog + "."}, nil,
			[]string{"the CNAMEs of " + blog + " lead in a circle: set " + blog + ". A 127.0.0.1 instead of the CNAME"}},
		"an address of the inside": {[]string{blog + ". 60 IN A 10.255.255.1"},
			func(p *certs.Preflight) { *p = certs.Preflight{Addresses: p.Addresses, Resolvers: p.Resolvers} },
			[]string{blog + " has A 10.255.255.1, which nobody outside can reach: set " + blog + ". A 127.0.0.1"}},
		"CAA for another CA": {[]string{right, "berth-test.com. 60 IN CAA 0 issue \"digicert.com\""}, nil,
			[]string{`CAA at berth-test.com allows only digicert.com: add berth-test.com. CAA 0 issue "pebble.letsencrypt.org"`}},
		"CAA for nobody": {[]string{right, blog + ". 60 IN CAA 0 issue \";\"", "berth-test.com. 60 IN CAA 0 issue \"pebble.letsencrypt.org\""}, nil,
			[]string{`CAA at ` + blog + ` allows nobody: add ` + blog + `. CAA 0 issue "pebble.letsencrypt.org"`}},
		"CAA for another challenge": {[]string{right, "berth-test.com. 60 IN CAA 0 issue \"pebble.letsencrypt.org; validationmethods=dns-01\""}, nil,
			[]string{`CAA at berth-test.com allows only pebble.letsencrypt.org; validationmethods=dns-01: add berth-test.com. CAA 0 issue "pebble.letsencrypt.org"`}},
		"CAA nobody understands": {[]string{right, "berth-test.com. 60 IN CAA 128 unheard \"of\""}, nil,
			[]string{`CAA at berth-test.com has the critical property "unheard", which CAs refuse unless they know it: remove it`}},
	} {
		t.Run(name, func(t *testing.T) {
			z := newZone(t, test.records...)
			w, ca := checked(t, z, test.change)

			w.m.Manage(blog)

			e := w.event()
			if e.Kind != certs.Failed || e.Err.Error() != test.want[0] || !certs.Prevented(e.Err) {
				t.Errorf("told %s %v\nwant %s", e.Kind, e.Err, test.want[0])
			}
			if s := w.m.Status(blog); s.Kind != certs.KindPending || s.Err == nil {
				t.Errorf("status = %+v, want pending and why", s)
			}
			if r := w.m.Check(t.Context(), blog); len(r.Problems) != 1 || r.Problems[0].Error() != test.want[0] {
				t.Errorf("checked: %v", r)
			}
			if ca.Orders() != 0 {
				t.Errorf("%d orders were made, want none", ca.Orders())
			}
		})
	}
}

func TestSomethingElseAtOurOwnPortsIsFound(t *testing.T) {
	z := newZone(t, blog+". 60 IN A "+self)
	w, ca := checked(t, z, func(p *certs.Preflight) {
		a, b := listen(t), listen(t)
		p.HTTPPort, p.HTTPSPort = port(a), port(b)
		a.Close()
		b.Close()
		strange(t, self, p.HTTPPort, p.HTTPSPort)
	})

	w.m.Manage(blog)

	if e := w.event(); !strings.Contains(e.Err.Error(), " of 127.0.0.1 are answered by something else than Berth: find what has them, as in: docker ps") || ca.Orders() != 0 {
		t.Errorf("told %v, %d orders", e.Err, ca.Orders())
	}
}

func TestWhatCannotBeKnownFromHereIsAWarningOnly(t *testing.T) {
	const right = blog + ". 60 IN A " + self
	for name, test := range map[string]struct {
		records []string
		change  func(*certs.Preflight, *zone)
		want    string // "" for no warning
		wait    bool   // for the certificate
	}{
		"all is well":    {records: []string{right}},
		"an unsure AAAA": {records: []string{right, blog + ". 60 IN AAAA ::1"}, change: func(p *certs.Preflight, _ *zone) { p.Addresses = append(p.Addresses, netip.IPv6Loopback()) }, want: "it could not be checked from here whether ports"},
		"a NAT that does not lead back": {records: []string{blog + ". 60 IN A " + mute}, change: func(p *certs.Preflight, _ *zone) { p.Addresses = addrs(mute) },
			want: "of 127.0.0.3 lead to this machine: see to it that firewalls and routers let them in", wait: true},
		"a router that answers itself": {records: []string{blog + ". 60 IN A " + other}, change: func(p *certs.Preflight, _ *zone) { p.Addresses = addrs(other) },
			want: "it could not be checked from here"},
		"an unknown public address": {records: []string{blog + ". 60 IN A " + other}, change: func(p *certs.Preflight, _ *zone) { p.Addresses = nil },
			want: "whose public address is not known: if it is, start the daemon with BERTH_IP=127.0.0.2", wait: true},
		"an unknown public address that leads here": {records: []string{right}, change: func(p *certs.Preflight, _ *zone) { p.Addresses = nil }},
		"a forwarded address":                       {records: []string{right}, change: func(p *certs.Preflight, _ *zone) { p.Addresses = addrs("192.0.2.9") }},
		"a proxy": {records: []string{blog + ". 60 IN A " + other}, change: func(p *certs.Preflight, _ *zone) {
			p.Proxied = func(a netip.Addr) bool { return a.String() == other }
		}, want: blog + " leads to a proxy (127.0.0.2)", wait: true},
		"broken DNS":                {records: []string{right}, change: func(_ *certs.Preflight, z *zone) { z.breaks(blog + ".") }, want: "the DNS of " + blog + " could not be asked: the name server answers SERVFAIL"},
		"no DNS":                    {change: func(p *certs.Preflight, _ *zone) { p.Resolvers = []string{"127.0.0.1:1"} }, want: "could not be asked"},
		"CAA that cannot be asked":  {records: []string{right}, change: func(_ *certs.Preflight, z *zone) { z.breaks("berth-test.com.") }, want: "the CAA records of berth-test.com could not be asked for"},
		"CAA for us":                {records: []string{right, "berth-test.com. 60 IN CAA 0 issue \"digicert.com\"", "berth-test.com. 60 IN CAA 0 issue \"Pebble.LetsEncrypt.org; validationmethods=http-01\""}},
		"CAA about mail and such":   {records: []string{right, "berth-test.com. 60 IN CAA 0 iodef \"mailto:x@berth-test.com\"", "berth-test.com. 60 IN CAA 0 issuewild \";\""}},
		"CAA further up, overruled": {records: []string{right, blog + ". 60 IN CAA 0 issue \"pebble.letsencrypt.org\"", "berth-test.com. 60 IN CAA 0 issue \";\""}},
		"a CNAME to this machine":   {records: []string{blog + ". 60 IN CNAME apps.berth-test.com.", "apps.berth-test.com. 60 IN A " + self}},
	} {
		t.Run(name, func(t *testing.T) {
			z := newZone(t, test.records...)
			w, ca := checked(t, z, func(p *certs.Preflight) {
				if test.change != nil {
					test.change(p, z)
				}
			})

			w.m.Manage(blog)

			report := w.m.Check(t.Context(), blog)
			text := ""
			for _, f := range report.All() {
				text += f.Error() + "\n"
			}
			if (test.want == "") != (text == "") || !strings.Contains(text, test.want) {
				t.Errorf("warned %q, want %q", text, test.want)
			}
			w.until("an order is made", func() bool { return ca.Orders() > 0 })
			if test.wait {
				w.untilPublic(blog)
			}
			if err := report.Err(); err != nil || certs.Prevented(w.m.Status(blog).Err) {
				t.Errorf("an order was prevented: %v", err)
			}
		})
	}
}

// One port is enough for a certificate, and visitors come by both.
func TestAPortThatDoesNotLeadHereIsNamed(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, port *int) (want string){
		"closed": func(t *testing.T, at *int) string {
			l := listen(t)
			*at = port(l)
			l.Close()
			return fmt.Sprintf("port %d of 127.0.0.1 does not answer, and the other one does: see to it that firewalls and routers let it in", *at)
		},
		"somebody else's": func(t *testing.T, at *int) string {
			a, b := listen(t), listen(t)
			x, y := port(a), port(b)
			a.Close()
			b.Close()
			strange(t, self, x, y) // by HTTP at x and by HTTPS at y
			if *at = x; t.Name()[len(t.Name())-1] == 'S' {
				*at = y
			}
			return fmt.Sprintf("port %d of 127.0.0.1 is answered by something else than Berth: find what has it, as in: docker ps", *at)
		},
		"one that accepts and says nothing": func(t *testing.T, at *int) string {
			*at = port(listen(t))
			return fmt.Sprintf("port %d of 127.0.0.1 is answered by something else than Berth", *at)
		},
		"another Berth's": func(t *testing.T, at *int) string {
			w := newWorld(t, blog)
			w.boot(acmetest.Start(t, 0, 0))
			if *at = port(w.http); t.Name()[len(t.Name())-1] == 'S' {
				*at = port(w.https)
			}
			return fmt.Sprintf("port %d of 127.0.0.1 is answered by something else than Berth", *at)
		},
	} {
		for scheme, which := range map[string]func(*certs.Preflight) *int{
			"HTTP":  func(p *certs.Preflight) *int { return &p.HTTPPort },
			"HTTPS": func(p *certs.Preflight) *int { return &p.HTTPSPort },
		} {
			t.Run(name+" for "+scheme, func(t *testing.T) {
				want := ""
				z := newZone(t, blog+". 60 IN A "+self)
				w, _ := checked(t, z, func(p *certs.Preflight) { want = change(t, which(p)) })
				w.m.Manage(blog)

				report := w.m.Check(t.Context(), blog)

				if len(report.Problems) > 0 || len(report.Warnings) != 1 || !strings.HasPrefix(report.Warnings[0].Error(), want) {
					t.Errorf("found %v, want only the warning %q", report.All(), want)
				}
			})
		}
	}
}

// Attack: a name of the visitor's own, added as a domain, leads to a machine of
// the network behind this one, and what is said of it tells what is there.
func TestTheNetworkBehindThisMachineIsNotLookedAroundIn(t *testing.T) {
	for _, public := range []bool{true, false} {
		z := newZone(t, blog+". 60 IN A "+other)
		w := newWorld(t, blog)
		w.boot(acmetest.Start(t, port(w.http), port(w.https)))
		came := make(chan struct{}, 10)
		inside, err := net.Listen("tcp", other+":0")
		if err != nil {
			t.Fatal(err)
		}
		defer inside.Close()
		go func() {
			for {
				conn, err := inside.Accept()
				if err != nil {
					return
				}
				came <- struct{}{}
				conn.Close()
			}
		}()
		p := &certs.Preflight{Resolvers: []string{z.addr}, HTTPPort: port(inside), HTTPSPort: port(inside)}
		if public {
			p.Addresses = addrs("192.0.2.7")
		}
		w.m.ConfigurePreflight(p)
		w.m.Manage(blog)

		report := w.m.Check(t.Context(), blog)

		if err := report.Err(); err == nil || !strings.Contains(err.Error(), blog+" has A 127.0.0.2, which nobody outside can reach") {
			t.Errorf("found %v, want that nobody outside can reach it", report.All())
		}
		if len(came) > 0 {
			t.Error("something connected to it")
		}
	}
}

// What a resolver remembers may be hours old.
func TestAStaleCacheIsNotBelieved(t *testing.T) {
	master := newZone(t, blog+". 60 IN A "+self)
	master.rules()
	cache := newZone(t, blog+". 60 IN A "+other, "berth-test.com. 60 IN NS ns.berth-test.com.", "ns.berth-test.com. 60 IN A "+self)
	w, ca := checked(t, cache, func(p *certs.Preflight) { p.Private(master.port()) })

	w.m.Manage(blog)
	w.untilPublic(blog)

	if ca.Orders() != 1 || master.questions() == 0 {
		t.Errorf("%d orders, the zone's own server was asked %d times", ca.Orders(), master.questions())
	}
	// Nor is it asked when it is not there.
	cache.set(blog+". 60 IN A "+self, "berth-test.com. 60 IN NS ns.berth-test.com.", "ns.berth-test.com. 60 IN A "+mute)
	w.m.Forget(blog)
	w.m.ConfigurePreflight((&certs.Preflight{Addresses: addrs(self), Resolvers: []string{cache.addr}}).Private(master.port()))
	w.m.Manage(blog)
	w.untilPublic(blog)
}

func TestACheckIsRepeatedAtOnceWhenSomebodyAsks(t *testing.T) {
	z := newZone(t)
	w, ca := checked(t, z, nil)
	w.m.Manage(blog)
	if e := w.event(); !certs.Prevented(e.Err) {
		t.Fatalf("told %+v", e)
	}
	z.set(blog + ". 60 IN A " + self)

	retried := w.m.Retry(blog, "gone.berth-test.com")

	w.untilPublic(blog)
	if len(retried) != 1 || retried[0] != blog || ca.Orders() != 1 {
		t.Errorf("retried %q, %d orders", retried, ca.Orders())
	}
	if again := w.m.Retry(blog); len(again) != 0 {
		t.Errorf("retried %q, which has its certificate", again)
	}
	if s := w.m.Status(blog); s.Err != nil {
		t.Errorf("status = %+v", s)
	}
}

func TestTheProofThatAMachineIsThisOneIsItsOwn(t *testing.T) {
	w := newWorld(t, blog)
	w.boot(acmetest.Start(t, 0, 0))
	first := get(t, w, "/.well-known/berth-check/abc")

	w.boot(acmetest.Start(t, 0, 0)) // another process

	if again := get(t, w, "/.well-known/berth-check/abc"); again == first || len(strings.TrimSpace(again)) != 64 {
		t.Errorf("answered %q after %q, want another proof", again, first)
	}
	for _, path := range []string{"/.well-known/berth-check/", "/.well-known/berth-check/" + strings.Repeat("x", 200), "/x"} {
		if got := get(t, w, path); !strings.Contains(got, "no app") {
			t.Errorf("%.50s answered %q, want the app to be asked", path, got)
		}
	}
}

func get(t *testing.T, w *world, path string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.http.Addr().String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
