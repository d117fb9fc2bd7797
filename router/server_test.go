package router_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/router"
)

func TestServeLetsRequestsFinishAndTakesNoNewOnes(t *testing.T) {
	d := open(t)
	addr, arrived, finish := slow(t)
	d.blog(addr)
	answers := make(chan string, 2)
	for _, http2 := range []bool{false, true} {
		go func() {
			res, err := d.client(http2).Get("https://blog.test/")
			if err != nil {
				answers <- err.Error()
				return
			}
			defer res.Body.Close()
			body, _ := io.ReadAll(res.Body)
			answers <- string(body)
		}()
		within(t, arrived, "the request")
	}

	stopped := make(chan error, 1)
	go func() { stopped <- d.stop() }()
	until(t, "the port to be closed", func() bool {
		conn, err := net.Dial("tcp", d.https)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	finish <- struct{}{}
	finish <- struct{}{}

	for range 2 {
		if body := within(t, answers, "an answer"); body != "done" {
			t.Errorf("a request under way got %q, want done", body)
		}
	}
	if err := within(t, stopped, "Serve"); err != nil {
		t.Errorf("Serve = %v, want nil", err)
	}
}

func TestServeEndsWhatOutlastsItsGrace(t *testing.T) {
	d := open(t, func(s *router.Server) { s.Grace = 50 * time.Millisecond })
	ended := make(chan struct{}, 1)
	d.swap(router.Service{Name: "chat", Hosts: []string{"chat.test"}, Targets: []string{func() string { a, _, _ := slow(t); return a }()}})
	d.blog(echo(t, ended))
	_, r := d.upgrade()
	gone := make(chan error, 1)
	go func() {
		res, err := d.client(false).Get("https://chat.test/begun")
		if err != nil {
			gone <- err
			return
		}
		defer res.Body.Close()
		gone <- nil
		_, err = io.ReadAll(res.Body)
		gone <- err
	}()
	if err := within(t, gone, "the begin of the answer"); err != nil {
		t.Fatal(err)
	}

	stopped := make(chan error, 1)
	go func() { stopped <- d.stop() }()

	if err := within(t, stopped, "Serve"); err != nil {
		t.Errorf("Serve = %v, want nil", err)
	}
	if err := within(t, gone, "the end of the answer"); err == nil {
		t.Error("the request ended well, want it broken off")
	}
	if _, err := r.ReadByte(); err == nil {
		t.Error("the WebSocket outlives Serve")
	}
	within(t, ended, "the app to see the WebSocket's end")
}

func TestServeReturnsWhenAListenerFails(t *testing.T) {
	l := listen(t)
	l.Close()
	cert, _ := certificate(t)

	err := (&router.Server{HTTP: l, HTTPS: listen(t), TLS: &tls.Config{Certificates: []tls.Certificate{cert}}}).Serve(t.Context())

	if err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("Serve = %v, want the listener's error", err)
	}
}

func TestServeKeepsTheProtocolsOfItsTLSConfig(t *testing.T) {
	const acme = "acme-tls/1"
	d := open(t, func(s *router.Server) { s.TLS.NextProtos = []string{acme} })

	for offered, want := range map[string]string{"h2": "h2", "http/1.1": "http/1.1", acme: acme} {
		conn, err := tls.Dial("tcp", d.https, &tls.Config{ServerName: "blog.test", RootCAs: d.roots, NextProtos: []string{offered}})
		if err != nil {
			t.Fatal(err)
		}
		if got := conn.ConnectionState().NegotiatedProtocol; got != want {
			t.Errorf("offered %s, got %q", offered, got)
		}
		conn.Close()
	}
}

func TestHeadersThatAreTooLargeAreRefused(t *testing.T) {
	d := open(t)
	d.blog(app(t, says("blog")))

	// Small enough for the socket's buffer: we write all before we read.
	res := d.raw("GET / HTTP/1.1\r\nHost: blog.test\r\nX: " + strings.Repeat("x", 100<<10) + "\r\n\r\n")

	if res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("got %s, want 431", res.Status)
	}
	if res := d.raw(fmt.Sprintf("GET / HTTP/1.1\r\nHost: blog.test\r\nX: %s\r\n\r\n", strings.Repeat("x", 32<<10))); res.StatusCode != 200 {
		t.Errorf("got %s for 32 KB, want 200", res.Status)
	}
}
