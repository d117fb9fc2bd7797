package certs_test

import (
	"testing"

	certs "github.com/berthhq/berth/tls"
	"github.com/berthhq/berth/tls/acmetest"
)

func TestConfigureOrdersFromTheNewDirectory(t *testing.T) {
	w := newWorld(t, blog)
	broken := acmetest.Start(t, 0, 0)
	w.boot(broken)
	w.m.Manage(blog)
	if e := w.event(); e.Kind != certs.Failed {
		t.Fatalf("told %+v, want failed", e)
	}
	// Trusted by the same roots: httptest has one certificate for all.
	working := acmetest.Start(t, port(w.http), port(w.https))

	w.m.Configure(certs.ACME{Directory: working.Directory, Email: "ops@berth-test.com"})

	w.untilPublic(blog)
	if err := verify(w.dial(blog), blog, working.Issued); err != nil {
		t.Error(err)
	}
	if s := w.m.Status(blog); s.Err != nil {
		t.Errorf("status has the error of the first directory still: %v", s.Err)
	}
}

func TestAChangeOfDirectoryTakesNoCertificateFromASite(t *testing.T) {
	w := newWorld(t, blog)
	first := acmetest.Start(t, port(w.http), port(w.https))
	w.boot(first)
	w.m.Manage(blog)
	w.untilPublic(blog)
	second := acmetest.Start(t, 0, 0) // does not work yet
	w.event()

	w.m.Configure(certs.ACME{Directory: second.Directory})
	failed := w.event()
	afterConfigure := w.dial(blog)
	w.boot(second)
	w.m.Manage(blog)
	w.event()
	afterRestart := w.dial(blog)

	if failed.Kind != certs.Failed {
		t.Errorf("told %+v, want failed: the new directory must be asked", failed)
	}
	if err := verify(afterConfigure, blog, first.Issued); err != nil {
		t.Errorf("after Configure: %v", err)
	}
	if err := verify(afterRestart, blog, first.Issued); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	third := acmetest.Start(t, port(w.http), port(w.https))
	w.m.Configure(certs.ACME{Directory: third.Directory})
	w.until("the new directory's certificate is served alone", func() bool {
		return verify(w.dial(blog), blog, third.Issued) == nil
	})
}

func TestConfigureWithTheSameDirectoryOrdersOnlyWhatIsMissing(t *testing.T) {
	w := newWorld(t, blog)
	ca := acmetest.Start(t, port(w.http), port(w.https))
	w.boot(ca)
	w.m.Manage(blog)
	w.untilPublic(blog)
	w.event()
	before, orders := w.dial(blog).PeerCertificates[0], ca.Orders()

	w.m.Configure(certs.ACME{Directory: ca.Directory, Email: "others@berth-test.com"})
	w.m.Manage(blog, blog)
	w.m.Close()

	if !w.dial(blog).PeerCertificates[0].Equal(before) || ca.Orders() != orders || len(w.notified) > 0 {
		t.Errorf("orders = %d, want %d, and nothing told", ca.Orders(), orders)
	}
}
