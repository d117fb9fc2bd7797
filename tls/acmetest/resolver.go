package acmetest

import (
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// The key with which the name server wants changes of its zone to be signed.
const (
	KeyName   = "berth-test."
	KeySecret = "c2lnbmVkLWJ5LXRoZS10ZXN0" // base64, as such keys are written
)

// A resolver says that every name is this machine. It is the name server of
// one zone too, whose TXT records change by signed updates (RFC 2136).
type resolver struct {
	zone    string // "berth-test.com."
	servers []*dns.Server
	address string
	done    sync.WaitGroup

	mu      sync.Mutex // guards the fields below
	texts   map[string][]string
	changes int  // accepted ones
	refuse  bool // changes
}

func startResolver(zone string) (*resolver, error) {
	r := &resolver{zone: dns.Fqdn(zone), texts: map[string][]string{}}
	listener, packets, err := listenBoth()
	if err != nil {
		return nil, err
	}
	r.address = listener.Addr().String()
	r.servers = []*dns.Server{{Listener: listener}, {PacketConn: packets}} // Pebble asks by TCP, others by UDP
	var started sync.WaitGroup
	for _, s := range r.servers {
		s.Handler = dns.HandlerFunc(r.answer)
		s.TsigSecret = map[string]string{KeyName: KeySecret}
		s.MsgAcceptFunc = func(dns.Header) dns.MsgAcceptAction { return dns.MsgAccept } // updates too
		started.Add(1)
		s.NotifyStartedFunc = started.Done
		r.done.Go(func() { s.ActivateAndServe() }) // until Shutdown; a lost listener shows in the test
	}
	started.Wait() // Shutdown refuses what has not
	return r, nil
}

// listenBoth listens at one port by TCP and UDP.
func listenBoth() (net.Listener, net.PacketConn, error) {
	var errs []error
	for range 10 { // the port may be taken by UDP
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, nil, err
		}
		packets, err := net.ListenPacket("udp", listener.Addr().String())
		if err == nil {
			return listener, packets, nil
		}
		listener.Close()
		errs = append(errs, err)
	}
	return nil, nil, errors.Join(errs...)
}

func (r *resolver) close() {
	for _, s := range r.servers {
		s.Shutdown()
	}
	r.done.Wait()
}

func (r *resolver) answer(w dns.ResponseWriter, question *dns.Msg) {
	reply := new(dns.Msg).SetReply(question)
	if question.Opcode == dns.OpcodeUpdate {
		reply.Rcode = r.update(question, question.IsTsig() != nil && w.TsigStatus() == nil)
		if question.IsTsig() != nil {
			reply.SetTsig(KeyName, dns.HmacSHA256, 300, time.Now().Unix())
		}
		w.WriteMsg(reply)
		return
	}
	for _, q := range question.Question {
		name := strings.ToLower(q.Name)
		header := dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: dns.ClassINET}
		switch {
		case q.Qtype == dns.TypeA:
			reply.Answer = append(reply.Answer, &dns.A{Hdr: header, A: net.IPv4(127, 0, 0, 1)})
		case q.Qtype == dns.TypeTXT:
			for _, text := range r.text(name) {
				reply.Answer = append(reply.Answer, &dns.TXT{Hdr: header, Txt: []string{text}})
			}
		case q.Qtype == dns.TypeSOA && name == r.zone:
			reply.Answer = append(reply.Answer, &dns.SOA{Hdr: header, Ns: "ns." + r.zone, Mbox: "ops." + r.zone, Serial: 1, Refresh: 60, Retry: 60, Expire: 60, Minttl: 1})
		}
	}
	w.WriteMsg(reply) // the asker's loss if it went away
}

func (r *resolver) text(name string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.texts[name])
}

// update changes the zone and returns how that went.
func (r *resolver) update(change *dns.Msg, signed bool) (code int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !signed || r.refuse {
		return dns.RcodeRefused
	}
	if len(change.Question) != 1 || change.Question[0].Name != r.zone {
		return dns.RcodeNotZone
	}
	for _, record := range change.Ns {
		text, ok := record.(*dns.TXT)
		if !ok || !dns.IsSubDomain(r.zone, text.Hdr.Name) {
			return dns.RcodeNotImplemented
		}
		name, value := strings.ToLower(text.Hdr.Name), strings.Join(text.Txt, "")
		r.texts[name] = slices.DeleteFunc(r.texts[name], func(kept string) bool { return kept == value })
		if text.Hdr.Class == dns.ClassINET {
			r.texts[name] = append(r.texts[name], value)
		}
		if len(r.texts[name]) == 0 {
			delete(r.texts, name)
		}
	}
	r.changes++
	return dns.RcodeSuccess
}
