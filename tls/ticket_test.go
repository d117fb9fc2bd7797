package certs

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
)

// newTicketManager returns a manager whose only host is served locally.
func newTicketManager(t *testing.T, storage certmagic.Storage) *Manager {
	t.Helper()
	m, err := New(t.Context(), Config{Storage: storage, Serves: func(string) bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// visit shakes hands with config's server and tells whether a session of
// before was taken up again.
func visit(t *testing.T, config *tls.Config, sessions tls.ClientSessionCache, version uint16) (resumed bool) {
	t.Helper()
	there, here := net.Pipe()
	defer there.Close()
	defer here.Close()
	go func() {
		server := tls.Server(there, config)
		if server.Handshake() == nil {
			server.Write([]byte{1}) // carries the ticket of TLS 1.3 along
		}
	}()
	client := tls.Client(here, &tls.Config{
		ServerName: "blog.localhost", InsecureSkipVerify: true, ClientSessionCache: sessions, MinVersion: version, MaxVersion: version,
	})
	if _, err := client.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return client.ConnectionState().DidResume
}

func TestASessionIsTakenUpAgainAfterARestartAndForTwoTurnsOfTheKey(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			storage := &certmagic.FileStorage{Path: t.TempDir()}
			sessions := tls.NewLRUClientSessionCache(1)
			m := newTicketManager(t, storage)
			config := m.TLSConfig().Clone() // as servers do
			if visit(t, config, sessions, version) {
				t.Fatal("the first visit took up a session")
			}
			ticket, _ := sessions.Get("blog.localhost")
			again := func(config *tls.Config) bool {
				sessions.Put("blog.localhost", ticket)
				return visit(t, config, sessions, version)
			}
			begin := m.tickets.keys[0].Since

			if !again(config) {
				t.Error("not by the same server")
			}
			m.rotate(begin.Add(ticketTurn))
			if !again(config) {
				t.Error("not after a turn of the key")
			}
			m.rotate(begin.Add(2 * ticketTurn))
			if !again(config) {
				t.Error("not after two turns")
			}
			m.Close()
			restarted := newTicketManager(t, storage)
			restarted.tickets.keys = m.tickets.keys // clocks go on: what it loads is of the future
			restarted.tickets.use()
			if !again(restarted.TLSConfig()) {
				t.Error("not after a restart")
			}
			m.ctx = t.Context()
			m.rotate(begin.Add(3 * ticketTurn))
			if again(config) {
				t.Error("still after three turns, want the key gone")
			}
		})
	}
}

func TestTheKeysOfTicketsSurviveARestart(t *testing.T) {
	storage := &certmagic.FileStorage{Path: t.TempDir()}
	sessions := tls.NewLRUClientSessionCache(1)
	visit(t, newTicketManager(t, storage).TLSConfig(), sessions, tls.VersionTLS13)

	if !visit(t, newTicketManager(t, storage).TLSConfig(), sessions, tls.VersionTLS13) {
		t.Error("another manager of the same storage did not take up the session")
	}
	if visit(t, newTicketManager(t, &certmagic.FileStorage{Path: t.TempDir()}).TLSConfig(), sessions, tls.VersionTLS13) {
		t.Error("a stranger took up the session")
	}
}

func TestKeysOfTicketsTurnOnTimeAndOldOnesGo(t *testing.T) {
	now := time.Now()
	keys, turned := turn(nil, now)
	if !turned || len(keys) != 1 {
		t.Fatalf("at first %d keys, turned %v", len(keys), turned)
	}

	if same, turned := turn(keys, now.Add(ticketTurn-time.Second)); turned || same[0] != keys[0] {
		t.Error("turned too soon")
	}
	for i := range 5 {
		now = now.Add(ticketTurn)
		before := keys[0]
		if keys, turned = turn(keys, now); !turned || keys[0] == before || keys[1] != before || len(keys) > ticketKept {
			t.Errorf("turn %d: %d keys, turned %v", i, len(keys), turned)
		}
	}
	if keys, _ := turn(keys, now.Add(10*ticketTurn)); len(keys) != 1 {
		t.Errorf("after a long sleep %d keys, want a new one alone", len(keys))
	}
	if keys, _ := turn(keys, now.Add(-time.Hour)); !keys[0].Since.Before(now) {
		t.Error("a key from the future is used")
	}
}

func TestDamagedKeysOfTicketsAreReplaced(t *testing.T) {
	storage := &certmagic.FileStorage{Path: t.TempDir()}
	if err := storage.Store(t.Context(), ticketKeys, []byte(`[{"key":[1,`)); err != nil {
		t.Fatal(err)
	}

	m := newTicketManager(t, storage)

	if len(m.tickets.keys) != 1 || m.tickets.keys[0].Key == [32]byte{} {
		t.Errorf("keys = %v", m.tickets.keys)
	}
}
