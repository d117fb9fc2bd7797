package appliance_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
)

func TestParseImage(t *testing.T) {
	for _, name := range []string{"node", "node:24", "heroku/builder:24", "ghcr.io/acme/blog:v3", "localhost:5000/x",
		"node@sha256:" + strings.Repeat("a", 64)} {
		if image, err := appliance.ParseImage(name); err != nil || string(image) != name {
			t.Errorf("ParseImage(%q) = %q, %v", name, image, err)
		}
	}
	for _, name := range []string{"", "-v", "--privileged", "Node", "node 24", "node\nRUN id", "node:24 AS x", "../x", "node:$(id)", "a/" + strings.Repeat("b", 300)} {
		if _, err := appliance.ParseImage(name); !errors.Is(err, appliance.ErrInvalid) || appliance.HintOf(err) == "" {
			t.Errorf("ParseImage(%q) = %v, want ErrInvalid with advice", name, err)
		}
	}
}
