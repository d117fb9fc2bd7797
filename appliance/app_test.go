package appliance_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
)

func TestAppNamesAreHostLabels(t *testing.T) {
	longest := strings.Repeat("a", 63)
	for _, name := range []string{"a", "7", "blog", "my-blog", "a--b", "0-9", "xn-a", longest} {
		got, err := appliance.ParseAppName(name)

		if err != nil || string(got) != name {
			t.Errorf("ParseAppName(%q) = %q, %v, want it as it is", name, got, err)
		}
	}
}

// An app's name becomes a directory, an argument of git and a part of host
// names and image tags. What would be something else there is refused here,
// and nowhere again.
func TestAppNamesThatAreAnAttackOrAMistakeAreRefused(t *testing.T) {
	for _, name := range []string{
		"", "-", "-oProxyCommand=x", "--upload-pack=x", "blog-", "-blog",
		".", "..", "../x", "a/b", "/etc/passwd", `a\b`, "~", "~root",
		"a'b", `a"b`, "a b", "a\tb", "blog\n", "\nblog", "a\nb", "blog\x00", "a\x00b", "blog\r",
		"$(id)", "`id`", "a;b", "a|b", "a&b", "a>b", "*", "a?b", "a:b", "a@b", "a=b", "%41",
		"Blog", "BLOG", "blög", "blog\u200b", "ｂｌｏｇ", "a_b", "my.blog", "blog.git",
		"xn--bcher-kva", "ab--cd", strings.Repeat("a", 64), strings.Repeat("a", 1<<20), "\xff\xfe",
	} {
		got, err := appliance.ParseAppName(name)

		if !errors.Is(err, appliance.ErrInvalid) || got != "" {
			t.Errorf("ParseAppName(%.80q) = %q, %v, want ErrInvalid", name, got, err)
			continue
		}
		if len(err.Error()) > 500 || strings.ContainsAny(err.Error(), "\n\x00") {
			t.Errorf("the error for %.80q is %.600q, want one short line", name, err)
		}
		if appliance.HintOf(err) == "" {
			t.Errorf("the error for %.80q does not say what a name may be", name)
		}
	}
}

func TestHostsAreTakenInLowerCaseWithoutTheLastDot(t *testing.T) {
	label := strings.Repeat("a", 63)
	longest := strings.Join([]string{label, label, label, strings.Repeat("a", 61)}, ".")
	for given, want := range map[string]string{
		"blog.example.org":        "blog.example.org",
		"Blog.Example.ORG":        "blog.example.org",
		"blog.example.org.":       "blog.example.org",
		"a.b":                     "a.b",
		"xn--bcher-kva.example":   "xn--bcher-kva.example",
		"Bücher.example":          "xn--bcher-kva.example",
		"1-2-3-4.sslip.io":        "1-2-3-4.sslip.io",
		"127.0.0.1.nip.io":        "127.0.0.1.nip.io",
		longest:                   longest,
		"blog.localhost":          "blog.localhost",
		"1.2.3.4.in-addr.arpa":    "1.2.3.4.in-addr.arpa",
		"a--b.this-is-fine.co.uk": "a--b.this-is-fine.co.uk",
	} {
		got, err := appliance.ParseHost(given)

		if err != nil || got != want {
			t.Errorf("ParseHost(%q) = %q, %v, want %q", given, got, err, want)
		}
	}
}

func TestWhatIsNoHostIsRefused(t *testing.T) {
	label := strings.Repeat("a", 63)
	for _, given := range []string{
		"", ".", "..", "localhost", "blog", "blog..org", ".blog.org", "blog.org..",
		"https://blog.org", "blog.org/", "blog.org:443", "user@blog.org", "blog.org?x", "blog org.de",
		"*.example.org", "-a.org", "a-.org", "a_b.org", "bl\xf6g.org", "blo\u2028g.org", "blog.org\n", "blog.org\x00", "a\n.org",
		"127.0.0.1", "::1", "[::1]", "1.2.3.4.", "127.1", "1.2.3", "example.42", "0x7f.1",
		label + "a.org", strings.Join([]string{label, label, label, strings.Repeat("a", 62)}, "."),
	} {
		got, err := appliance.ParseHost(given)

		if !errors.Is(err, appliance.ErrInvalid) || got != "" {
			t.Errorf("ParseHost(%.90q) = %q, %v, want ErrInvalid", given, got, err)
			continue
		}
		if strings.ContainsAny(err.Error(), "\n\x00") {
			t.Errorf("the error for %q is %q, want one line", given, err)
		}
	}
}
