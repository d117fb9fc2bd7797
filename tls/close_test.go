package certs_test

import (
	"bytes"
	"crypto/x509"
	"runtime"
	"testing"
	"time"

	certs "github.com/berthhq/berth/tls"
	"github.com/berthhq/berth/tls/acmetest"
)

func TestCloseEndsOrders(t *testing.T) {
	w := newWorld(t, blog)
	silent := listen(t) // a CA that accepts and says nothing
	defer silent.Close()
	w.boot(&acmetest.Server{Directory: "https://" + silent.Addr().String() + "/dir", Roots: x509.NewCertPool()})
	w.m.Manage(blog)
	if _, err := silent.Accept(); err != nil {
		t.Fatal(err)
	}

	closed := make(chan struct{})
	go func() {
		w.m.Close()
		close(closed)
	}()

	select {
	case <-closed:
	case <-time.After(20 * time.Second):
		t.Fatal("Close waits for the CA")
	}
	select {
	case e := <-w.notified:
		t.Errorf("told %+v of an order that we ended ourselves", e)
	default:
	}
}

func TestCloseLeavesNothingRunning(t *testing.T) {
	w := newWorld(t, blog)
	w.boot(acmetest.Start(t, port(w.http), port(w.https)))
	w.m.Manage(blog)
	w.untilPublic(blog)

	w.m.Close()

	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for _, f := range []string{"certs.(*Manager).order", "certs.(*Manager).tidy", "certmagic.(*Cache).maintainAssets"} {
		if bytes.Contains(stacks, []byte(f)) {
			t.Errorf("%s still runs after Close", f)
		}
	}
}

func TestCloseWaitsForWhoIsBeingTold(t *testing.T) {
	w := newWorld(t, blog)
	w.notified = make(chan certs.Event) // the teller waits for us
	w.boot(acmetest.Start(t, port(w.http), port(w.https)))
	w.m.Manage(blog)
	w.untilPublic(blog)

	closed := make(chan struct{})
	go func() {
		w.m.Close()
		close(closed)
	}()

	select {
	case <-closed:
		t.Error("Close returned while somebody was being told")
	case <-time.After(100 * time.Millisecond): // long enough for a Close that does not wait
	}
	w.event()
	<-closed
}
