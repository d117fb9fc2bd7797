package appliance_test

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
)

func TestEnvfileIsReadAsItsWritersMeanIt(t *testing.T) {
	for given, want := range map[string]map[string]string{
		"":                                        {},
		"\ufeffA=1\r\n\r\n# no\n  export B = 2":   {"A": "1", "B": "2"},
		"A=it's $HOME `id` \\n # a comment\nB=":   {"A": "it's $HOME `id` \\n", "B": ""},
		"A='it'\\''s'\nB='one\ntwo' # c\nC=3":     {"A": "it's", "B": "one\ntwo", "C": "3"},
		`A="a\nb\"\$\` + "`" + `\\\z" ` + "\nB=x": {"A": "a\nb\"$`\\\\z", "B": "x"},
		"A=\"one\ntwo=2\n\"\nB=#x":                {"A": "one\ntwo=2\n", "B": "#x"},
		"A=1\nA=2":                                {"A": "2"},
		"A=a=b#c":                                 {"A": "a=b#c"},
	} {
		got, err := appliance.ParseEnvfile(given)

		if err != nil || !maps.Equal(got, want) {
			t.Errorf("ParseEnvfile(%q) = %q, %v, want %q", given, got, err, want)
		}
	}
}

// A line that cannot be read may be a piece of a secret: the error says where,
// never what.
func TestErrorOfAnEnvfileSaysTheLineAndNotWhatIsInIt(t *testing.T) {
	const secret = "hunter2"
	for given, line := range map[string]string{
		"A=1\n" + secret:                           "line 2:",
		"A='1\n2'\n\n" + secret + "/x==":           "line 4:",
		"A=\"" + secret + "\nB=2":                  "line 1:",
		"A=1\nB='x' " + secret:                     "line 2:",
		"A='x'\\":                                  "line 1:",
		"A=" + strings.Repeat(secret, 20<<10):      "line 1:",
		"A=\x00" + secret:                          "line 1:",
		secret + "\nB=2":                           "line 1:",
		"A=1\n2" + secret + "=" + secret + "\nB=2": "line 2:",
	} {
		got, err := appliance.ParseEnvfile(given)

		if !errors.Is(err, appliance.ErrInvalid) || got != nil || !strings.HasPrefix(err.Error(), line) {
			t.Errorf("ParseEnvfile(%.40q) = %.40q, %.80v, want an error of %s", given, got, err, line)
			continue
		}
		if text := err.Error() + appliance.HintOf(err); strings.Contains(text, secret) {
			t.Errorf("the error for %.40q is %.200q, want it without what is there", given, text)
		}
	}
}
