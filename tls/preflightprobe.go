package certs

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

// probePath is where a machine proves by HTTP that it is the one that asks.
const probePath = "/.well-known/berth-check/"

// probeTime is how long a port may take to answer.
const probeTime = 4 * time.Second

// Who answers at a port.
type who int

const (
	nobody who = iota
	us
	another
)

// probe asks who answers at the two ports of an address.
func (m *Manager) probe(ctx context.Context, name string, addr netip.Addr, httpPort, httpsPort int) (plain, secure who) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	var both sync.WaitGroup
	both.Go(func() { plain = m.probeHTTP(ctx, name, addr, httpPort) })
	both.Go(func() { secure = m.probeTLS(ctx, name, addr, httpsPort) })
	both.Wait()
	return plain, secure
}

// probeHTTP asks a question that only this process can answer.
func (m *Manager) probeHTTP(ctx context.Context, name string, addr netip.Addr, port int) who {
	question := rand.Text()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+name+probePath+question, nil)
	if err != nil {
		return nobody
	}
	connected := false
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(addr.String(), strconv.Itoa(port)))
		connected = err == nil
		return conn, err
	}}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		if connected {
			return another // it accepts, and does not speak as we do
		}
		return nobody
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(answer.Body, 200))
	if subtle.ConstantTimeCompare(bytes.TrimSpace(body), []byte(m.proof(question))) == 1 {
		return us
	}
	return another
}

// probeTLS looks whether the certificate for the name is the one that we would
// show: its key is nowhere else.
func (m *Manager) probeTLS(ctx context.Context, name string, addr netip.Addr, port int) who {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(addr.String(), strconv.Itoa(port)))
	if err != nil {
		return nobody
	}
	defer conn.Close()
	client := tls.Client(conn, &tls.Config{ServerName: name, InsecureSkipVerify: true}) // it is compared below
	if err := client.HandshakeContext(ctx); err != nil {
		return another
	}
	ours, err := m.certificate(&tls.ClientHelloInfo{ServerName: name})
	if shown := client.ConnectionState().PeerCertificates[0]; err == nil && (shown.Equal(ours.Leaf) || shown.CheckSignatureFrom(m.local.root) == nil) {
		return us
	}
	return another
}

// proof is what only this process can answer to a question.
func (m *Manager) proof(question string) string {
	mac := hmac.New(sha256.New, m.secret[:])
	mac.Write([]byte(question))
	return hex.EncodeToString(mac.Sum(nil))
}

// answerProbe proves to who asks that it has reached this process, if that is
// what it asks for.
func (m *Manager) answerProbe(w http.ResponseWriter, r *http.Request) bool {
	if len(r.URL.Path) <= len(probePath) || len(r.URL.Path) > len(probePath)+100 || r.URL.Path[:len(probePath)] != probePath {
		return false
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintln(w, m.proof(r.URL.Path[len(probePath):]))
	return true
}
