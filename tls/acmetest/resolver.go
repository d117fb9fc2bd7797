package acmetest

import (
	"net"

	"github.com/miekg/dns"
)

// A resolver says that every name is this machine.
type resolver struct {
	listener net.Listener
	server   *dns.Server
	done     chan struct{}
}

func startResolver() (*resolver, error) {
	// Pebble asks over TCP.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &resolver{listener: listener, done: make(chan struct{})}
	started := make(chan struct{})
	r.server = &dns.Server{Listener: listener, Handler: dns.HandlerFunc(answer), NotifyStartedFunc: func() { close(started) }}
	go func() {
		defer close(r.done)
		r.server.ActivateAndServe() // until Shutdown; a lost listener shows in the test
	}()
	select {
	case <-started: // Shutdown refuses what has not
	case <-r.done:
	}
	return r, nil
}

func (r *resolver) addr() string { return r.listener.Addr().String() }

func (r *resolver) close() {
	r.server.Shutdown()
	<-r.done
}

func answer(w dns.ResponseWriter, question *dns.Msg) {
	reply := new(dns.Msg).SetReply(question)
	for _, q := range question.Question {
		if q.Qtype == dns.TypeA {
			reply.Answer = append(reply.Answer, &dns.A{
				Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeA, Class: dns.ClassINET},
				A:   net.IPv4(127, 0, 0, 1),
			})
		}
	}
	w.WriteMsg(reply) // the asker's loss if it went away
}
