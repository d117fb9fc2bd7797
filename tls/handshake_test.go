package certs_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"testing"

	"github.com/berthhq/berth/tls/acmetest"
)

func TestHTTP2IsNegotiatedAndOldTLSIsRefused(t *testing.T) {
	w := newWorld(t, "blog.localhost")
	w.boot(acmetest.Start(t, 0, 0))
	w.m.Manage("blog.localhost")

	client := &http.Client{Transport: &http.Transport{
		ForceAttemptHTTP2: true,
		TLSClientConfig:   &tls.Config{RootCAs: localRoots(t, w.m)},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", w.https.Addr().String())
		},
	}}
	defer client.CloseIdleConnections()
	res, err := client.Get("https://blog.localhost/")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.ProtoMajor != 2 {
		t.Errorf("protocol = %s, want HTTP/2", res.Proto)
	}
	if got := w.dial("blog.localhost", "http/1.1").NegotiatedProtocol; got != "http/1.1" {
		t.Errorf("negotiated %q, want http/1.1", got)
	}

	for version, accepted := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		conn, err := tls.Dial("tcp", w.https.Addr().String(), &tls.Config{
			ServerName: "blog.localhost", InsecureSkipVerify: true, MinVersion: version, MaxVersion: version,
		})
		if accepted != (err == nil) {
			t.Errorf("%s: %v, want accepted %v", tls.VersionName(version), err, accepted)
		}
		if err == nil {
			conn.Close()
		}
	}

	_, err = tls.Dial("tcp", w.https.Addr().String(), &tls.Config{
		ServerName: "blog.localhost", InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12,
		CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_128_GCM_SHA256},
	})
	if err == nil {
		t.Error("a weak cipher suite was accepted")
	}
}
