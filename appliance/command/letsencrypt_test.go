package command_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/command"
)

func TestACredentialForTheDNSIsKeptAndShownNowhere(t *testing.T) {
	w := newWorld(t)
	w.ok("domains:set-global", "example.org")

	r := w.runWith("s3cret-token\n", ada, "letsencrypt:dns", "--global", "hetzner")
	w.must(r.err)

	settings, err := command.ACME(t.Context(), w.Store)
	w.must(err)
	if settings.DNS.Provider != "hetzner" || settings.DNS.Credential != "s3cret-token" || settings.Domain != "example.org" {
		t.Errorf("settings = %+v", settings)
	}
	shown := r.stdout + r.stderr + w.ok("letsencrypt:report") + w.ok("letsencrypt:report", "--format", "json")
	events, err := w.Store.Events(t.Context(), "", 100)
	w.must(err)
	text, err := json.Marshal(events)
	w.must(err)
	if strings.Contains(shown+string(text), "s3cret") {
		t.Errorf("the credential is shown:\n%s\n%s", shown, text)
	}
	if !strings.Contains(shown, "*.example.org") {
		t.Errorf("the wildcard of all apps is not in the report:\n%s", shown)
	}
}

// A token that was given to one provider must not be sent to another.
func TestAnotherProviderDoesNotGetTheCredentialOfTheFirst(t *testing.T) {
	w := newWorld(t)
	w.must(w.runWith("s3cret-token", ada, "letsencrypt:dns", "hetzner").err)

	r := w.run(ada, "letsencrypt:set", "--global", "dns-provider", "gandi")

	w.must(r.err)
	settings, err := command.ACME(t.Context(), w.Store)
	w.must(err)
	if settings.DNS.Provider != "gandi" || settings.DNS.Credential != "" {
		t.Errorf("settings = %+v", settings)
	}
	if !strings.Contains(r.stderr, "letsencrypt:dns gandi") {
		t.Errorf("said %q, want how to give it one", r.stderr)
	}
}

func TestACredentialCanBeTakenBack(t *testing.T) {
	w := newWorld(t)
	w.must(w.runWith("s3cret-token", ada, "letsencrypt:dns", "hetzner").err)

	w.ok("letsencrypt:dns")
	w.ok("letsencrypt:set", "dns-provider", "hetzner")

	if settings, err := command.ACME(t.Context(), w.Store); err != nil || settings.DNS.Credential != "" {
		t.Errorf("settings = %+v, %v", settings, err)
	}
}

func TestBindingsAtBothCAsAreKeptApart(t *testing.T) {
	w := newWorld(t)

	w.must(w.runWith("Zmlyc3Q", ada, "letsencrypt:eab", "id-1").err)
	w.must(w.runWith("c2Vjb25k=", ada, "letsencrypt:eab", "id-2", "--fallback").err)
	w.ok("letsencrypt:set", "fallback-server", "https://acme.example.net/dir")
	w.ok("letsencrypt:set", "challenge", "dns")
	w.ok("letsencrypt:set", "profile", "shortlived")

	s, err := command.ACME(t.Context(), w.Store)
	w.must(err)
	if s.EAB.KeyID != "id-1" || s.EAB.MACKey != "Zmlyc3Q" || s.Fallback.EAB.KeyID != "id-2" || s.Fallback.EAB.MACKey != "c2Vjb25k=" ||
		s.Fallback.Directory != "https://acme.example.net/dir" || !s.Always || s.Profile != "shortlived" {
		t.Errorf("settings = %+v", s)
	}
	report := w.ok("letsencrypt:report")
	if !strings.Contains(report, "id-2") || strings.Contains(report, "Zmlyc3Q") {
		t.Errorf("report:\n%s", report)
	}
	w.ok("letsencrypt:eab")
	if s, _ := command.ACME(t.Context(), w.Store); s.EAB.KeyID+s.EAB.MACKey != "" || s.Fallback.EAB.KeyID == "" {
		t.Errorf("after it was taken back: %+v", s)
	}
}

func TestWhatCannotBeACredentialIsRefusedAndNotRepeated(t *testing.T) {
	w := newWorld(t)
	for line, stdin := range map[string]string{
		"letsencrypt:dns nobody":                           "s3cret",
		"letsencrypt:dns cloudflare":                       "",
		"letsencrypt:dns gandi":                            "s3cret s3cret",
		"letsencrypt:dns route53":                          "s3cret",
		"letsencrypt:dns google":                           "s3cret",
		"letsencrypt:dns hetzner":                          strings.Repeat("s3cret", 10000),
		"letsencrypt:eab id":                               "s3cret key",
		"letsencrypt:set dns-provider nobody":              "",
		"letsencrypt:set challenge http":                   "",
		"letsencrypt:set profile $(id)":                    "",
		"letsencrypt:set fallback-server http://x.example": "",
	} {
		r := w.runWith(stdin, ada, strings.Fields(line)...)
		if r.err == nil || strings.Contains(r.err.Error()+appliance.HintOf(r.err)+r.stdout+r.stderr, "s3cret") {
			t.Errorf("%s: %v %q", line, r.err, r.stderr)
		}
	}
}

func TestOnlyAdminsSeeAndChangeWhereCertificatesComeFrom(t *testing.T) {
	w := newWorld(t)
	for _, line := range []string{"letsencrypt:report", "letsencrypt:dns hetzner", "letsencrypt:eab x", "letsencrypt:set email a@example.org"} {
		if r := w.runWith("s3cret", mia, strings.Fields(line)...); r.err == nil {
			t.Errorf("%s as a member went through", line)
		}
	}
}
