package router_test

import (
	"io"
	"net"
	"testing"

	"github.com/berthhq/berth/router"
)

// Attack: many visitors ask for something large and take nothing of it, so that
// what has been read for them fills the memory.
func TestOnlySoManyLargeBuffersAreHeldByWhoTakesNothing(t *testing.T) {
	d := open(t)
	ended := make(chan struct{}, 1000)
	d.blog(endless(t, ended))
	var all []net.Conn
	for range 2 * router.MostWide {
		conn, err := net.Dial("tcp", d.http)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n")
		all = append(all, conn)
	}
	until(t, "there are no more large buffers", func() bool { return router.WideTaken() == router.MostWide })

	// Who comes now is served all the same.
	conn, err := net.Dial("tcp", d.http)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n")
	if n, err := io.CopyN(io.Discard, conn, 16<<20); err != nil {
		t.Errorf("one more visitor got %d bytes, %v, want the answer to go on", n, err)
	}
	if n := router.WideTaken(); n > router.MostWide {
		t.Errorf("%d large buffers are taken, want %d at most", n, router.MostWide)
	}

	conn.Close()
	for _, conn := range all {
		conn.Close()
	}
	until(t, "all large buffers are back", func() bool { return router.WideTaken() == 0 })
}
