package appliance_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
)

func TestDomainsHaveOneSpelling(t *testing.T) {
	for given, want := range map[string]string{
		"Blog.example.org":           "blog.example.org",
		"*.Example.org.":             "*.example.org",
		"Example.org/":               "example.org",
		"example.org/Api/v2/":        "example.org/Api/v2",
		"*.example.org/a_b.c~d-e":    "*.example.org/a_b.c~d-e",
		"bücher.example":             "xn--bcher-kva.example",
		"BÜCHER.example":             "xn--bcher-kva.example",
		"*.straße.example/x":         "*.xn--strae-oqa.example/x",
		"xn--bcher-kva.example/blog": "xn--bcher-kva.example/blog",
	} {
		got, err := appliance.ParseDomain(given)

		if err != nil || got != want {
			t.Errorf("ParseDomain(%q) = %q, %v, want %q", given, got, err, want)
		}
	}
}

// What is added here is compared with what visitors send, so nothing may be in
// it that can be written in two ways.
func TestWhatIsNoDomainIsRefused(t *testing.T) {
	for _, given := range []string{
		"", "*", "*.", "*.org", "*.*.example.org", "a.*.example.org", "*example.org", "**.example.org", "*.1.2.3.4", "/api",
		"example.org//", "example.org//api", "example.org/api//v2", "example.org/..", "example.org/./api", "example.org/api/../x",
		"example.org/%61pi", "example.org/a b", "example.org/a;b", "example.org/a\\b", "example.org/bücher", "example.org/a?x", "example.org/a#x",
		"example.org:443/api", "https://example.org/api", "example.org/\x00", "example.org/" + strings.Repeat("a/", 150), "a_b.example.org",
		"xn--\u2603.example.org\x00",
	} {
		if got, err := appliance.ParseDomain(given); !errors.Is(err, appliance.ErrInvalid) || got != "" {
			t.Errorf("ParseDomain(%.90q) = %q, %v, want ErrInvalid", given, got, err)
		}
	}
}

func TestCertificatesAreForHosts(t *testing.T) {
	got := appliance.HostsOf([]string{"example.org", "example.org/api", "*.example.org/x", "*.example.org"})

	if want := []string{"example.org", "*.example.org"}; !slices.Equal(got, want) {
		t.Errorf("HostsOf = %q, want %q", got, want)
	}
}
