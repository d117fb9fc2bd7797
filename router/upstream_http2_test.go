package router_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/berthhq/berth/router"
)

// shouter is a gRPC server that gives back in capitals whatever it is sent, as
// it comes.
func shouter(t *testing.T) string {
	t.Helper()
	shout := func(_ any, stream grpc.ServerStream) error {
		md, _ := metadata.FromIncomingContext(stream.Context())
		stream.SetTrailer(metadata.Pairs("seen", strings.Join(md.Get("x-forwarded-proto"), " ")))
		for {
			var in wrapperspb.StringValue
			if err := stream.RecvMsg(&in); err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
			if in.Value == "fail" {
				return status.Error(codes.ResourceExhausted, "hoarse")
			}
			if err := stream.SendMsg(wrapperspb.String(strings.ToUpper(in.Value))); err != nil {
				return err
			}
		}
	}
	s := grpc.NewServer()
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: "test.Shouter", HandlerType: (*any)(nil),
		Streams: []grpc.StreamDesc{{StreamName: "Shout", Handler: shout, ClientStreams: true, ServerStreams: true}},
	}, nil)
	l := listen(t)
	go s.Serve(l)
	t.Cleanup(s.Stop)
	return l.Addr().String()
}

func (d *door) grpc(ctx context.Context) grpc.ClientStream {
	d.t.Helper()
	conn, err := grpc.NewClient("passthrough:///blog.test",
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: d.roots, ServerName: "blog.test"})),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", d.https)
		}))
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { conn.Close() })
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/test.Shouter/Shout")
	if err != nil {
		d.t.Fatal(err)
	}
	return stream
}

func TestGRPCGoesBothWaysToItsEnd(t *testing.T) {
	d := open(t)
	d.blog(shouter(t))
	stream := d.grpc(t.Context())

	for i := range 100 {
		// Each is answered before the next is sent: nothing is held back.
		if err := stream.SendMsg(wrapperspb.String(fmt.Sprint("word ", i))); err != nil {
			t.Fatal(err)
		}
		var out wrapperspb.StringValue
		if err := stream.RecvMsg(&out); err != nil || out.Value != fmt.Sprint("WORD ", i) {
			t.Fatalf("got %q, %v, want WORD %d", out.Value, err, i)
		}
	}
	stream.CloseSend()

	if err := stream.RecvMsg(new(wrapperspb.StringValue)); err != io.EOF {
		t.Errorf("the end is %v, want EOF, which is status OK", err)
	}
	if seen := stream.Trailer().Get("seen"); len(seen) != 1 || seen[0] != "https" {
		t.Errorf("the trailer says the app saw X-Forwarded-Proto %q, want https", seen)
	}
	until(t, "it is counted", func() bool { return d.router.Stats("blog") == router.Stats{Requests: 1} })
}

func TestGRPCErrorsArePassedOn(t *testing.T) {
	d := open(t)
	d.blog(shouter(t))
	stream := d.grpc(t.Context())

	stream.SendMsg(wrapperspb.String("fail"))

	err := stream.RecvMsg(new(wrapperspb.StringValue))
	if status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "hoarse") {
		t.Errorf("got %v, want the app's ResourceExhausted", err)
	}
}

func TestAGRPCVisitorWhoLeavesEndsTheCallAtTheApp(t *testing.T) {
	d := open(t)
	d.blog(shouter(t))
	ctx, leave := cancellable(t)
	stream := d.grpc(ctx)
	stream.SendMsg(wrapperspb.String("x"))
	if err := stream.RecvMsg(new(wrapperspb.StringValue)); err != nil {
		t.Fatal(err)
	}

	leave()

	until(t, "it has ended", func() bool { return d.router.Stats("blog") == router.Stats{Requests: 1} })
}

func TestAServiceThatSpeaksHTTP2IsAskedByIt(t *testing.T) {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	app := &http.Server{Protocols: &protocols, Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		b, _ := io.ReadAll(req.Body)
		w.Header().Set("Trailer", "X-Sum")
		fmt.Fprint(w, req.Proto, " ", req.Host, " ", req.RequestURI, " ", req.Header.Get("X-Forwarded-Host"), " ", len(b))
		w.Header().Set("X-Sum", "42")
	})}
	l := listen(t)
	go app.Serve(l)
	t.Cleanup(func() { app.Close() })
	d := open(t)
	d.swap(router.Service{Name: "blog", Hosts: []string{"blog.test"}, Targets: []string{nobody(t), l.Addr().String()}, Protocol: router.HTTP2})

	for _, http2 := range []bool{false, true} {
		for range 4 {
			res, err := d.client(http2).Post("https://blog.test/a%2Fb?c;d", "text/plain", strings.NewReader(strings.Repeat("x", 100_000)))
			if err != nil {
				t.Fatal(err)
			}
			const want = "HTTP/2.0 blog.test /a%2Fb?c;d blog.test 100000"
			if got := read(t, res.Body); got != want || res.Trailer.Get("X-Sum") != "42" {
				t.Errorf("HTTP/2 %v: %s %q, trailer %v, want %q", http2, res.Status, got, res.Trailer, want)
			}
			res.Body.Close()
		}
	}
}
