package router_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

// speaker is an app that upgrades and then says what it is told to.
func speaker(t *testing.T, say <-chan string) string {
	return app(t, func(w http.ResponseWriter, req *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-Websocket-Accept: x\r\n\r\nfirst\n")
		rw.Flush()
		go func() {
			for s := range say {
				io.WriteString(conn, s)
			}
		}()
		io.Copy(io.Discard, conn)
	})
}

func TestAWebSocketIsToldThatItsServerGoesAway(t *testing.T) {
	// "first\n" is a frame as far as anybody can tell: 0x66, and 0x69 for 105
	// bytes, of which four are there.
	const rest = 105 - len("rst\n")
	whole := string(make([]byte, rest))
	for name, c := range map[string]struct {
		said string
		told bool
	}{
		"between two frames":       {whole + "\x81\x05hello", true},
		"in the middle of a frame": {whole + "\x81\x05hel", false},
	} {
		d := open(t)
		say := make(chan string, 1)
		d.blog(speaker(t, say))
		conn, r := d.upgrade()
		say <- c.said
		if _, err := io.ReadFull(r, make([]byte, len(c.said))); err != nil {
			t.Fatal(err)
		}
		close(say)

		report := d.router.Remove("blog").Drain(t.Context(), 0)

		got, err := io.ReadAll(r)
		if want := string([]byte{0x88, 2, 0x03, 0xe9}); (string(got) == want) != c.told || !c.told && len(got) > 0 {
			t.Errorf("%s: the visitor got %x at the end, %v, want a close frame: %v", name, got, err, c.told)
		}
		if report.Cut != 1 || report.Took > 5*time.Second {
			t.Errorf("%s: report = %+v, want one cut", name, report)
		}
		conn.Close()
	}
}

// A message of one byte is a record of one byte.
func TestAMessageOfOneByteIsNotHeldBack(t *testing.T) {
	d := open(t)
	ended := make(chan struct{}, 1)
	d.blog(echo(t, ended))
	conn, r := d.upgrade()

	for _, b := range []byte("abc") {
		conn.Write([]byte{b})
		if got, err := r.ReadByte(); got != b || err != nil {
			t.Fatalf("echo = %q, %v, want %q", got, err, b)
		}
	}
}
