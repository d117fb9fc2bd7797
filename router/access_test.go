package router

import (
	"crypto/tls"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// ended is an exchange as it is when it has ended.
func ended(l *AccessLog) *exchange {
	g := New(nil).newGeneration(Service{Name: "blog"}, &stats{log: l})
	x := &exchange{
		gen: g, began: time.Now(), id: "GVXW3ZJ5T4R6K7Q2M8N9P1S0AB",
		req: &http.Request{
			Method: "GET", Host: "blog.example.org", RequestURI: "/posts/2026/11/a-title?page=2", RemoteAddr: "203.0.113.7:51234",
			URL: &url.URL{Path: "/posts/2026/11/a-title"}, ProtoMajor: 2, TLS: &tls.ConnectionState{Version: tls.VersionTLS13},
			Header: http.Header{
				"User-Agent": {"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"},
				"Referer":    {"https://blog.example.org/"},
			},
		},
	}
	x.status, x.out, x.addr, x.firstByte = 200, 1024, "172.18.0.2:5000", time.Millisecond
	return x
}

func TestObservingARequestAllocatesNothing(t *testing.T) {
	l := &AccessLog{Dir: t.TempDir()}
	x := ended(l)
	l.init()
	l.batch.records, l.batch.text = make([]record, 0, maxRecords), make([]byte, 0, maxText)

	n := testing.AllocsPerRun(1000, func() { x.gen.observe(x) })

	if n != 0 {
		t.Errorf("%v allocations", n)
	}
	if len(l.batch.records) != 1001 {
		t.Errorf("%d records, want one of each", len(l.batch.records))
	}
}

func BenchmarkObserve(b *testing.B) {
	l := &AccessLog{Dir: b.TempDir()}
	x := ended(l)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if x.gen.observe(x); i%2048 == 0 {
			b.StopTimer()
			l.flush()
			b.StartTimer()
		}
	}
}

// What a request costs in all, with the writing of its line.
func BenchmarkObserveAndWrite(b *testing.B) {
	l := &AccessLog{Dir: b.TempDir()}
	x := ended(l)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if x.gen.observe(x); i%2048 == 0 {
			l.flush()
		}
	}
}

// The same where each line goes to drains too.
func BenchmarkObserveWriteAndTell(b *testing.B) {
	var text []byte
	l := &AccessLog{Dir: b.TempDir(), Sink: func(string) func([]Access) {
		return func(list []Access) {
			for i := range list {
				text = list[i].AppendText(text[:0], "web.1")
			}
		}
	}}
	x := ended(l)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if x.gen.observe(x); i%2048 == 0 {
			l.flush()
		}
	}
}
