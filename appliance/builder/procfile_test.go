package builder_test

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
)

func TestParseProcfile(t *testing.T) {
	for text, want := range map[string]appliance.Procfile{
		"":                                {},
		"web: node server.js":             {"web": "node server.js"},
		"web:node server.js\nworker: w\n": {"web": "node server.js", "worker": "w"},
		"\ufeffweb: a\r\n\r\n# no: no\r\n \t\r\nworker:\tb c \r\n": {"web": "a", "worker": "b c"},
		"my_type-2: URL=http://x:80/ run":                          {"my_type-2": "URL=http://x:80/ run"},
		"\tweb\t:\tnode\tserver.js\t\n":                            {"web": "node\tserver.js"},
		"release: ./migrate\nweb: a # b: c":                        {"release": "./migrate", "web": "a # b: c"},
		strings.Repeat("a", 63) + ": b":                            {strings.Repeat("a", 63): "b"},
	} {
		got, err := builder.ParseProcfile([]byte(text))
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("%q = %q, %v, want %q", text, got, err, want)
		}
	}
}

func TestParseProcfileNamesTheLineThatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"web: a\nnonsense":              `line 2: "nonsense"`,
		"web: a\n\nweb: b":              `line 3: "web: b"`,
		"web:":                          `line 1: "web:"`,
		"../x: a":                       `line 1: "../x: a"`,
		"a b: c":                        `line 1: "a b: c"`,
		"web: a\x00b":                   `line 1: "web: a\x00b"`,
		strings.Repeat("a", 64) + ": b": "line 1",
		"web: a\r\nweb : b\r\n":         `line 2: "web : b"`,
		strings.Repeat("é", 9999):       "…\"",
		"\x1b[31mred: x":                `line 1: "\x1b[31mred: x"`,
	} {
		_, err := builder.ParseProcfile([]byte(text))
		if !errors.Is(err, appliance.ErrInvalid) || !strings.Contains(err.Error(), want) || appliance.HintOf(err) == "" || len(err.Error()) > 700 {
			t.Errorf("%.40q: error = %v, want %s and a hint", text, err, want)
		}
	}
}
