package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/berthhq/berth/appliance/await"
)

// browser returns a client to which every host is this machine, on the ports
// of its berth, and that trusts what berth certs:root prints.
func (m *machine) browser() (*http.Client, error) {
	root, err := m.command("/", "berth", "certs:root").Output()
	if err != nil {
		return nil, fmt.Errorf("certs:root: %w", err)
	}
	trust := x509.NewCertPool()
	if m.trust != nil {
		trust = m.trust.Clone()
	}
	if !trust.AppendCertsFromPEM(root) {
		return nil, errors.New("certs:root prints no certificate")
	}
	return &http.Client{
		Timeout:       await.Patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:       m.dial,
			TLSClientConfig:   &tls.Config{RootCAs: trust},
			ForceAttemptHTTP2: true,
		},
	}, nil
}

// dial connects to this machine, whatever the host.
func (m *machine) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	switch port {
	case "80":
		port = fmt.Sprint(m.http)
	case "443":
		port = fmt.Sprint(m.https)
	}
	d := net.Dialer{Timeout: 10 * time.Second}
	return d.DialContext(ctx, network, "127.0.0.1:"+port)
}

// get asks for a URL, perhaps after "-H" and a header, and returns the status
// line, the headers and the body as text.
func (m *machine) get(args ...string) (string, error) {
	client, err := m.browser()
	if err != nil {
		return "", err
	}
	defer client.CloseIdleConnections()
	header := http.Header{}
	for len(args) > 2 && args[0] == "-H" {
		name, value, _ := strings.Cut(args[1], ": ")
		header.Set(name, value)
		args = args[2:]
	}
	if len(args) != 1 {
		return "", errors.New("usage: get [-H header]... url")
	}
	to, err := url.Parse(args[0])
	if err != nil {
		return "", err
	}
	r, err := client.Do(&http.Request{Method: http.MethodGet, URL: to, Header: header, Host: header.Get("Host")})
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	var text strings.Builder
	fmt.Fprintf(&text, "%s %s\n", r.Proto, r.Status)
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		fmt.Fprintf(&text, "%s: %s\n", name, strings.Join(r.Header[name], ", "))
	}
	if r.TLS != nil {
		fmt.Fprintf(&text, "(certificate of %s)\n", r.TLS.PeerCertificates[0].Issuer.CommonName)
	}
	fmt.Fprintf(&text, "\n%s", body)
	return text.String(), err
}
