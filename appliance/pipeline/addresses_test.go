package pipeline_test

import (
	"net/netip"
	"testing"

	"github.com/berthhq/berth/appliance/pipeline"
)

func TestAppsHaveAHostWithoutAnybodysDoing(t *testing.T) {
	for ip, want := range map[string]string{
		"":                "localhost",
		"203.0.113.7":     "203-0-113-7.sslip.io",
		"2001:db8::1:2a7": "2001-db8--1-2a7.sslip.io",
	} {
		var a pipeline.Addresses
		if ip != "" {
			a.IP = netip.MustParseAddr(ip)
		}

		if got := a.Domain(); got != want {
			t.Errorf("domain of a machine at %q = %q, want %q", ip, got, want)
		}
	}
}

func TestADomainThatWasSetGoesFirst(t *testing.T) {
	w := newWorld(t)
	w.Wait() // until nothing reads what is not meant to change
	w.Addresses.IP = netip.MustParseAddr("203.0.113.7")

	before, err1 := w.Hosts(t.Context(), "blog")
	w.must(w.Store.Set(t.Context(), pipeline.DomainSetting, "example.org"))
	after, err2 := w.Hosts(t.Context(), "blog")

	if err1 != nil || len(before) != 1 || before[0] != "blog.203-0-113-7.sslip.io" {
		t.Errorf("hosts without a domain = %q, %v", before, err1)
	}
	if err2 != nil || len(after) != 1 || after[0] != "blog.example.org" {
		t.Errorf("hosts with a domain = %q, %v", after, err2)
	}
}
