package builder

import (
	"errors"
	"fmt"
	"strings"

	"github.com/berthhq/berth/appliance"
)

// ports reads what the service listens on. Where that would be on the machine
// does not matter: the router has the machine's ports.
func (r *composeReader) ports(s *composeService, v any) error {
	list, ok := v.([]any)
	if !ok {
		return errors.New("a list")
	}
	for _, one := range list {
		target, protocol := "", "tcp"
		switch p := one.(type) {
		case string:
			target, protocol, _ = strings.Cut(p[strings.LastIndex(p, ":")+1:], "/")
		case map[string]any:
			target, _ = p["target"].(string)
			protocol, _ = p["protocol"].(string)
		}
		if protocol != "" && protocol != "tcp" {
			r.ignore(s.name, fmt.Sprintf("port %.20s/%.10s (the router speaks HTTP only)", target, protocol))
			continue
		}
		first, _, isRange := strings.Cut(target, "-")
		port, err := appliance.ParsePort(first)
		if err != nil {
			return fmt.Errorf("%.80q is no port", fmt.Sprint(one))
		}
		if isRange {
			r.ignore(s.name, fmt.Sprintf("ports %.20s (only %d of them)", target, port))
		}
		s.published = append(s.published, port)
	}
	return nil
}

func (r *composeReader) expose(s *composeService, v any) error {
	list, ok := words(v)
	if !ok {
		return errors.New("a list")
	}
	for _, one := range list {
		port, err := appliance.ParsePort(strings.TrimSuffix(one, "/tcp"))
		if err != nil {
			r.ignore(s.name, fmt.Sprintf("expose %.20s", one))
			continue
		}
		s.exposed = append(s.exposed, port)
	}
	return nil
}
