package certs_test

import (
	"testing"

	certs "github.com/berthhq/berth/tls"
	"github.com/berthhq/berth/tls/acmetest"
)

func TestAForgottenHostIsNeitherServedNorRenewedButItsCertificateIsKept(t *testing.T) {
	w := newWorld(t, blog)
	ca := acmetest.Start(t, port(w.http), port(w.https))
	w.boot(ca)
	w.m.Manage(blog)
	w.untilPublic(blog)
	orders := ca.Orders()

	w.m.Forget(blog)

	if s := w.m.Status(blog); s != (certs.Status{}) {
		t.Errorf("status = %+v, want none", s)
	}
	if err := verify(w.dial(blog), blog, ca.Issued); err == nil {
		t.Error("the public certificate is still served")
	}
	w.m.Manage(blog)
	w.untilPublic(blog)
	if ca.Orders() != orders {
		t.Errorf("coming back cost an order: %d, want %d", ca.Orders(), orders)
	}
}

func TestAHostThatIsForgottenWhileItIsOrderedStaysForgotten(t *testing.T) {
	w := newWorld(t, blog)
	ca := acmetest.Start(t, port(w.http), port(w.https))
	w.boot(ca)
	w.m.Manage(blog)
	w.until("blog is being ordered", func() bool { return ca.Orders() > 0 })

	w.m.Forget(blog)
	w.m.Close() // waits for the order

	if err := verify(w.dial(blog), blog, ca.Issued); err == nil {
		t.Error("its public certificate is served")
	}
	if len(w.notified) > 0 {
		t.Errorf("told %+v of it", <-w.notified)
	}
}
