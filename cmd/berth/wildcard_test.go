package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance/enginetest"
	"github.com/berthhq/berth/tls/acmetest"
)

// Not parallel: the ACME server reads the environment of this process.
func TestTheFirstPushOfANewAppNeedsNoOrder(t *testing.T) {
	enginetest.NeedDocker(t)
	acme := acmetest.Start(t, 0, 0) // nothing but DNS can be proven
	roots := filepath.Join(t.TempDir(), "acme.pem")
	m := prepared(t, "", "BERTH_ACME_ROOTS="+roots, "BERTH_RESOLVER="+acme.DNS())
	if err := errors.Join(os.WriteFile(roots, acme.RootPEM, 0o644), m.start(), m.admit()); err != nil {
		t.Fatal(err)
	}
	m.must(t, "/", "berth", "letsencrypt:set", "--global", "server", acme.Directory)
	m.must(t, "/", "berth", "domains:set-global", acmetest.Zone)
	give := m.command("/", "berth", "letsencrypt:dns", "--global", "rfc2136")
	give.Stdin = strings.NewReader("server=" + acme.DNS() + "\nkey=" + acmetest.KeyName + "\nsecret=" + acmetest.KeySecret)
	if out, err := give.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := m.eventually("the wildcard is there", func() error {
		out, err := m.run("/", "berth", "letsencrypt:report", "--format", "json")
		if err == nil && !strings.Contains(out, `"issuer":"Pebble`) {
			err = errors.New(out)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	orders := acme.Orders()

	m.must(t, m.repository(t, "first"), "git", "push", "-q", "berth:fresh", "main")

	m.trust = acme.Issued
	m.answers(t, "https://fresh."+acmetest.Zone+"/", "(certificate of Pebble")
	if now := acme.Orders(); now != orders {
		t.Errorf("%d orders after the push, want still %d", now, orders)
	}
	if err := m.kill(); err != nil {
		t.Fatal(err)
	}
	m.wantNoSecretFiles(t)
	if log := m.log(); strings.Contains(log, acmetest.KeySecret) {
		t.Errorf("the secret is in the log:\n%s", log)
	}
}
