package certs

import (
	"crypto/tls"
	"fmt"
	"testing"
	"time"
)

// newLocalCA returns a CA whose clock the test can set.
func newLocalCA(t *testing.T, now *time.Time) *localCA {
	t.Helper()
	made, err := makeLocalCA(*now)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := parseLocalCA(made)
	if err != nil {
		t.Fatal(err)
	}
	ca.now = func() time.Time { return *now }
	return ca
}

func TestALeafIsReplacedBeforeItExpires(t *testing.T) {
	now := time.Now()
	ca := newLocalCA(t, &now)
	first, err := ca.leaf("blog.localhost")
	if err != nil {
		t.Fatal(err)
	}

	now = now.Add(59 * 24 * time.Hour)
	same, _ := ca.leaf("blog.localhost")
	now = now.Add(2 * 24 * time.Hour)
	next, _ := ca.leaf("blog.localhost")

	if same != first {
		t.Error("replaced after 59 days, want after 60")
	}
	if next == first || !next.Leaf.NotAfter.After(first.Leaf.NotAfter) {
		t.Error("not replaced after 61 days")
	}
}

func TestALeafDoesNotOutliveTheRoot(t *testing.T) {
	now := time.Now()
	ca := newLocalCA(t, &now)
	now = now.Add(rootLife - 24*time.Hour)

	leaf, err := ca.leaf("blog.localhost")

	if err != nil || leaf.Leaf.NotAfter.After(ca.root.NotAfter) {
		t.Errorf("leaf until %v, root until %v, %v", leaf.Leaf.NotAfter, ca.root.NotAfter, err)
	}
}

func TestLeafsInMemoryAreBounded(t *testing.T) {
	now := time.Now()
	ca := newLocalCA(t, &now)

	for i := range maxLeafs + 10 {
		if _, err := ca.leaf(fmt.Sprintf("app%d.localhost", i)); err != nil {
			t.Fatal(err)
		}
	}

	if len(ca.leafs) > maxLeafs {
		t.Errorf("%d leafs in memory, want at most %d", len(ca.leafs), maxLeafs)
	}
}

// A flood of made-up names must cost neither signatures nor memory.
func TestAFloodOfUnknownNamesSignsNothing(t *testing.T) {
	now := time.Now()
	m := &Manager{cfg: Config{Serves: func(string) bool { return false }}, local: newLocalCA(t, &now)}
	m.issuers.Store(new(issuers))

	for i := range 1000 {
		if _, err := m.certificate(&tls.ClientHelloInfo{ServerName: fmt.Sprintf("x%d.example.com", i)}); err != nil {
			t.Fatal(err)
		}
	}

	if len(m.local.leafs) != 1 {
		t.Errorf("%d certificates were signed, want 1", len(m.local.leafs))
	}
}
