package certs

import (
	"context"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
)

// Private has addresses looked at that are not public, and zones' own servers
// asked at another port: those of a test.
func (p *Preflight) Private(dnsPort string) *Preflight {
	p.private, p.dnsPort = true, dnsPort
	return p
}

// A TestLedger has a clock that tests set.
type TestLedger struct {
	ledger
	at time.Time
}

func NewTestLedger(storage certmagic.Storage) *TestLedger {
	l := &TestLedger{at: time.Now()}
	l.ledger = ledger{storage, func() time.Time { return l.at }}
	return l
}

func (l *TestLedger) Pass(seconds int) { l.at = l.at.Add(time.Duration(seconds) * time.Second) }

func (l *TestLedger) Issued(t testing.TB, issuer, host string) {
	l.put(t, certificates(issuer, host), host)
}
func (l *TestLedger) Failed(t testing.TB, issuer, host string) { l.put(t, failures(issuer, host), "") }

func (l *TestLedger) put(t testing.TB, folder, what string) {
	t.Helper()
	if err := l.add(t.Context(), folder, what); err != nil {
		t.Fatal(err)
	}
}

func (l *TestLedger) Count(t testing.TB, issuer, host string) int {
	t.Helper()
	n, _, err := l.count(t.Context(), certificates(issuer, host), "", week)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Sweep does now what is done every day.
func (l *TestLedger) Sweep(ctx context.Context) error { return l.sweep(ctx) }
