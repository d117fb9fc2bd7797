package router

import (
	"net"
	"net/http/httptest"
	"testing"
	"time"
)

// A hurried connection tells when it has been told to stop.
type hurried struct {
	net.Conn
	told chan struct{}
}

func (h hurried) SetDeadline(time.Time) error { close(h.told); return nil }

// Attack of the clock: the last of a body goes out just when it is told to
// hurry. The next request on that connection would fail at once.
func TestAConnectionThatWasToldToHurryIsNotKept(t *testing.T) {
	conn := hurried{told: make(chan struct{})}
	x := &exchange{req: httptest.NewRequest("POST", "/", nil), link: &link{conn: conn}}
	x.w = &response{httptest.NewRecorder(), x}
	u := &upload{x: x, done: make(chan struct{})}
	x.upload = u
	go func() {
		defer close(u.done)
		<-conn.told
		u.whole = true
	}()

	x.finishUpload()

	if u.whole {
		t.Error("the connection may be kept, but was told to stop")
	}
}
