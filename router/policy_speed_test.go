package router

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

// visitor is an exchange as it is before the policy sees it, and the answer of
// an app.
func visitor(accept string) (*exchange, *http.Response) {
	req := &http.Request{
		Method: "GET", URL: &url.URL{Path: "/"}, Host: "www.example.com", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Accept-Encoding": {accept}}, TLS: &tls.ConnectionState{}, RemoteAddr: "192.0.2.1:4711",
	}
	res := &http.Response{
		StatusCode: 200, ContentLength: 1024, Body: http.NoBody,
		Header: http.Header{"Content-Type": {"text/html; charset=utf-8"}, "Content-Length": {"1024"}},
	}
	return &exchange{req: req, from: client{addr: netip.MustParseAddr("192.0.2.1"), proto: "https"}}, res
}

// Every request of every app passes here, with what the default asks for.
func TestTheDefaultPolicyAllocatesNothing(t *testing.T) {
	p := newPolicy(DefaultPolicy())
	x, res := visitor("identity")

	allocated := testing.AllocsPerRun(1000, func() {
		x.from = (*trust)(nil).clientOf(x.req)
		delete(res.Header, "Strict-Transport-Security")
		delete(res.Header, "Vary")
		if p.answer(x) {
			t.Fatal("answered")
		}
		p.amend(x, res)
	})

	if allocated != 0 {
		t.Errorf("%v allocations for each request, want none", allocated)
	}
	if res.Header.Get("Strict-Transport-Security") == "" || res.Header.Get("Vary") == "" {
		t.Errorf("%v: the policy has not been applied", res.Header)
	}
}

// All answers share the values of some headers. Who adds to one must not add
// to all.
func TestHeadersThatAllAnswersShareStayWhatTheyAre(t *testing.T) {
	p := newPolicy(Policy{HSTS: DefaultPolicy().HSTS, Compression: Compression{On: true}, Headers: map[string]string{"X-A": "1"}})
	for range 2 {
		x, res := visitor("identity")
		p.amend(x, res)
		for _, name := range []string{"Strict-Transport-Security", "Vary", "X-A"} {
			if len(res.Header[name]) != 1 {
				t.Errorf("%s: %q, want one value", name, res.Header[name])
			}
			res.Header.Add(name, "more")
		}
	}
}

func BenchmarkDefaultPolicy(b *testing.B) {
	for name, accept := range map[string]string{"identity": "identity", "picture": "gzip, deflate, br, zstd"} {
		b.Run(name, func(b *testing.B) {
			p := newPolicy(DefaultPolicy())
			x, res := visitor(accept)
			if name == "picture" {
				res.Header["Content-Type"] = []string{"image/png"}
			}
			b.ReportAllocs()
			for b.Loop() {
				x.from = (*trust)(nil).clientOf(x.req)
				delete(res.Header, "Strict-Transport-Security")
				delete(res.Header, "Vary")
				p.answer(x)
				p.amend(x, res)
			}
		})
	}
}

func BenchmarkCompression(b *testing.B) {
	text := strings.Repeat("All happy families are alike; each unhappy family is unhappy in its own way. ", 200)
	for _, coding := range []string{"gzip", "zstd"} {
		b.Run(coding, func(b *testing.B) {
			p := newPolicy(DefaultPolicy())
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				x, res := visitor(coding)
				res.Body, res.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
				p.amend(x, res)
				if n, err := io.Copy(io.Discard, res.Body); err != nil || n >= int64(len(text)) {
					b.Fatal(n, err)
				}
				res.Body.Close()
			}
		})
	}
}
