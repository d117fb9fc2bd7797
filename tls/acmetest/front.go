package acmetest

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// A Refusal is how a server answers requests that it will not serve.
type Refusal struct {
	Status     int
	Type       string        // "rateLimited"
	Detail     string        // for people
	RetryAfter time.Duration // in the header
}

// Refuse has every new order answered with a refusal; nil ends that.
func (s *Server) Refuse(how *Refusal) { s.refusal.Store(how) }

// front counts orders and stands between the client and Pebble where Pebble
// itself has no such failure.
func (s *Server) front(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == s.newOrder {
		s.orders.Add(1)
		if how := s.refusal.Load(); how != nil {
			s.refused.Add(1)
			how.write(w)
			return
		}
	}
	if strings.Contains(r.URL.Path, "renewalInfo") {
		w = hurried{w}
	}
	s.pebble.ServeHTTP(w, r)
}

func (how *Refusal) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/problem+json")
	if how.RetryAfter > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(int(how.RetryAfter.Seconds())))
	}
	w.WriteHeader(how.Status)
	json.NewEncoder(w).Encode(map[string]any{
		"type": "urn:ietf:params:acme:error:" + how.Type, "detail": how.Detail, "status": how.Status,
	})
}

// hurried says that renewal information is to be asked for again in a second,
// where Pebble says six hours.
type hurried struct{ http.ResponseWriter }

func (h hurried) WriteHeader(status int) {
	h.hurry()
	h.ResponseWriter.WriteHeader(status)
}

func (h hurried) Write(b []byte) (int, error) {
	h.hurry() // too late if the header has been written: then it was in time
	return h.ResponseWriter.Write(b)
}

func (h hurried) hurry() {
	if h.Header().Get("Retry-After") != "" {
		h.Header().Set("Retry-After", "1")
	}
}

// WantRenewal has the CA say from now on that cert is to be renewed at once,
// as it does before it must revoke what it has issued by mistake.
func (s *Server) WantRenewal(cert *x509.Certificate) error {
	window, err := json.Marshal(map[string]any{"suggestedWindow": map[string]time.Time{
		"start": time.Now().Add(-2 * time.Hour), "end": time.Now().Add(-time.Hour),
	}})
	if err != nil {
		return err
	}
	return s.store.SetARIResponse(cert.SerialNumber, string(window))
}

// Refused counts the orders that were answered with a refusal.
func (s *Server) Refused() int { return int(s.refused.Load()) }

// DNS is the address of the name server that every name leads to, and at which
// the records of Zone can be changed with KeyName and KeySecret.
func (s *Server) DNS() string {
	if s.dns == nil { // of a server that a test has made up
		return ""
	}
	return s.dns.address
}

// RefuseChanges has the name server refuse changes of its zone.
func (s *Server) RefuseChanges(refuse bool) {
	s.dns.mu.Lock()
	defer s.dns.mu.Unlock()
	s.dns.refuse = refuse
}

// Changes counts the changes of the zone so far; Texts is what is left.
func (s *Server) Changes() (changes int, texts map[string][]string) {
	s.dns.mu.Lock()
	defer s.dns.mu.Unlock()
	texts = map[string][]string{}
	for name, values := range s.dns.texts {
		texts[name] = append([]string(nil), values...)
	}
	return s.dns.changes, texts
}
