package appliance_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
)

func TestConfigPairsAreCutAtTheFirstEqualsSign(t *testing.T) {
	for given, want := range map[string][2]string{
		"KEY=value":                           {"KEY", "value"},
		"KEY=":                                {"KEY", ""},
		"_k9=a=b=c":                           {"_k9", "a=b=c"},
		"lower=a b\nc\t":                      {"lower", "a b\nc\t"},
		"Q=\"'$(id)`":                         {"Q", "\"'$(id)`"},
		"U=ü\xff":                             {"U", "ü\xff"},
		"BIG=" + strings.Repeat("x", 120<<10): {"BIG", strings.Repeat("x", 120<<10)},
	} {
		key, value, err := appliance.ParseConfigPair(given)

		if err != nil || key != want[0] || value != want[1] {
			t.Errorf("ParseConfigPair(%.40q) = %q, %.40q, %v, want %.40q", given, key, value, err, want)
		}
	}
}

// A value is a secret until shown otherwise, and errors end up on screens and
// in the audit trail.
func TestErrorOfAConfigPairNeverHoldsTheValue(t *testing.T) {
	const secret = "hunter2"
	for _, given := range []string{
		secret, "", "=" + secret, "1KEY=" + secret, "A-B=" + secret, "KEY =" + secret, "A.B=" + secret, "É=" + secret,
		"KEY=" + secret + "\x00", "KEY=" + strings.Repeat(secret, 20<<10), strings.Repeat("K", 256) + "=" + secret,
	} {
		key, value, err := appliance.ParseConfigPair(given)

		if !errors.Is(err, appliance.ErrInvalid) || key != "" || value != "" {
			t.Errorf("ParseConfigPair(%.40q) = %q, %.40q, %v, want ErrInvalid", given, key, value, err)
			continue
		}
		if text := err.Error() + appliance.HintOf(err); strings.Contains(text, secret) {
			t.Errorf("the error for %.40q is %.200q, want it without the value", given, text)
		}
	}
}

func TestConfigTakesOnlyAPortForPORT(t *testing.T) {
	for _, given := range []string{"PORT=", "PORT=0", "PORT=65536", "PORT=-1", "PORT=http", "PORT=80 80"} {
		if _, _, err := appliance.ParseConfigPair(given); !errors.Is(err, appliance.ErrInvalid) {
			t.Errorf("ParseConfigPair(%q): %v, want ErrInvalid", given, err)
		}
	}
	if _, value, err := appliance.ParseConfigPair("PORT=8080"); err != nil || value != "8080" {
		t.Errorf("ParseConfigPair(PORT=8080) = %q, %v", value, err)
	}
}
