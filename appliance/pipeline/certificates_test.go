package pipeline_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
	certs "github.com/berthhq/berth/tls"
)

func TestAPushEndsWithWhatStandsInTheWayOfACertificate(t *testing.T) {
	w := newWorld(t)
	w.Certificates.Configure(certs.ACME{Directory: "https://127.0.0.1:1/directory"}) // nobody's
	w.Preflight = certs.Preflight{Resolvers: []string{"127.0.0.1:1"}}
	w.must(w.ApplyOrderChecks(t.Context()))
	w.must(w.Store.AddDomain(t.Context(), "blog", "www.berth-test.com"))

	out, err := w.push("blog", serves())

	if err != nil || !strings.Contains(out, "the DNS of www.berth-test.com could not be asked") {
		t.Errorf("%v, printed\n%s", err, out)
	}
	if strings.Contains(out, "blog.localhost could") {
		t.Errorf("told of a host that is to have no public certificate:\n%s", out)
	}
	w.must(w.Store.Set(t.Context(), pipeline.OrderCheckSetting, "off"))
	w.must(w.ApplyOrderChecks(t.Context()))
	if lines := w.CertificateTrouble(t.Context(), "www.berth-test.com"); len(lines) > 0 {
		t.Errorf("with the check off: %q", lines)
	}
}

func TestLimitsAreReadAsPeopleSetThem(t *testing.T) {
	for text, want := range map[string]certs.Limits{
		"off": {}, "50,5,5,300": certs.LetsEncrypt, " 1, 2,3 ,0": {Certificates: 1, Duplicates: 2, Failures: 3},
	} {
		if got, err := pipeline.ParseLimits(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "1", "1,2,3", "1,2,3,4,5", "1,2,3,-4", "1,2,3,x", "1,2,3,99999999999"} {
		if got, err := pipeline.ParseLimits(text); !errors.Is(err, appliance.ErrInvalid) {
			t.Errorf("%q: %+v, %v, want it refused", text, got, err)
		}
	}
}
