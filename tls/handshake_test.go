package certs_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"slices"
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

	// Of TLS 1.2, one suite at a time: all that Go knows.
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if !slices.Contains(suite.SupportedVersions, tls.VersionTLS12) {
			continue
		}
		conn, err := tls.Dial("tcp", w.https.Addr().String(), &tls.Config{
			ServerName: "blog.localhost", InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite.ID},
		})
		// The certificate's key is ECDSA, so those for RSA are not chosen.
		want := slices.Contains([]string{
			"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
		}, suite.Name)
		if want != (err == nil) {
			t.Errorf("%s: %v, want accepted %v", suite.Name, err, want)
		}
		if err == nil {
			conn.Close()
		}
	}
}
