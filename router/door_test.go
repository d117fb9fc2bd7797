package router_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance/await"
	"github.com/berthhq/berth/router"
)

// A door is a router behind a real server, with both its ports.
type door struct {
	t           *testing.T
	router      *router.Router
	http, https string // addresses
	roots       *x509.CertPool
	config      *tls.Config  // of the server
	stop        func() error // ends the server and tells what Serve returned
}

func open(t *testing.T, change ...func(*router.Server)) *door {
	t.Helper()
	r := router.New(slog.New(slog.DiscardHandler))
	cert, roots := certificate(t)
	s := &router.Server{
		HTTP:   listen(t),
		HTTPS:  listen(t),
		TLS:    &tls.Config{Certificates: []tls.Certificate{cert}},
		Plain:  r,
		Secure: r,
		Grace:  5 * time.Second,
	}
	for _, f := range change {
		f(s)
	}
	d := &door{t: t, router: r, http: s.HTTP.Addr().String(), https: s.HTTPS.Addr().String(), roots: roots, config: s.TLS}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	stopped := false
	d.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-done
	}
	t.Cleanup(func() {
		if err := d.stop(); err != nil {
			t.Errorf("Serve = %v", err)
		}
	})
	return d
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// certificate is self-signed, for every host under test.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		NotAfter:              time.Now().Add(time.Hour),
		DNSNames:              []string{"*.test"},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

// client finds every host here. It follows no redirects.
func (d *door) client(http2 bool) *http.Client {
	var protocols http.Protocols
	protocols.SetHTTP1(!http2)
	protocols.SetHTTP2(http2)
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			to := d.http
			if strings.HasSuffix(addr, ":443") {
				to = d.https
			}
			return (&net.Dialer{}).DialContext(ctx, network, to)
		},
		TLSClientConfig:     &tls.Config{RootCAs: d.roots},
		Protocols:           &protocols,
		MaxIdleConnsPerHost: 100,
		DisableCompression:  true,
	}
	d.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// get asks over HTTPS and returns the status and the body.
func (d *door) get(url string) (int, string) {
	d.t.Helper()
	res, err := d.client(false).Get(url)
	if err != nil {
		d.t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode, read(d.t, res.Body)
}

// raw sends what no client would, over plain HTTP, and returns the answer.
func (d *door) raw(request string) *http.Response {
	d.t.Helper()
	conn, err := net.Dial("tcp", d.http)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { conn.Close() })
	io.WriteString(conn, request)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		d.t.Fatal(err)
	}
	return res
}

func (d *door) swap(s router.Service) *router.Generation {
	d.t.Helper()
	old, err := d.router.Swap(s)
	if err != nil {
		d.t.Fatal(err)
	}
	return old
}

// blog serves blog.test from the targets.
func (d *door) blog(targets ...string) *router.Generation {
	d.t.Helper()
	return d.swap(router.Service{Name: "blog", Hosts: []string{"blog.test"}, Targets: targets})
}

// app starts an app and returns its address.
func app(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.Listener.Addr().String()
}

// says is an app that always says the same.
func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) }
}

func read(t *testing.T, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// within fails the test when c gives nothing for a long time.
func within[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(30 * time.Second):
		t.Fatalf("waited 30 s in vain: %s", what)
		panic("unreachable")
	}
}

// until waits for a condition.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	await.That(t, what, condition)
}

func cancellable(t *testing.T) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return ctx, cancel
}
