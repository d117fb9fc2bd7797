package builder

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/berthhq/berth/appliance"
)

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*`)

// maxVariables is how deep variables may stand within each other.
const maxVariables = 10

// fill replaces $NAME, ${NAME}, and ${NAME:-other} and its kin, as Compose
// does; $$ is a dollar.
func (t *composeTree) fill(s string) (string, error) { return t.fillIn(s, 0) }

func (t *composeTree) fillIn(s string, depth int) (string, error) {
	if depth > maxVariables {
		return "", errTooLarge
	}
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "$")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		name := variable.FindString(after)
		switch {
		case strings.HasPrefix(after, "$"):
			b.WriteByte('$')
			s = after[1:]
		case name != "":
			b.WriteString(t.get(name))
			s = after[len(name):]
		case strings.HasPrefix(after, "{"):
			inside, rest, ok := cutBrace(after[1:])
			if !ok {
				return "", badVariable(s)
			}
			v, err := t.expand(inside, depth)
			if err != nil {
				return "", err
			}
			b.WriteString(v)
			s = rest
		default:
			return "", badVariable(s)
		}
		if b.Len() > maxCompose {
			return "", errTooLarge
		}
	}
}

func badVariable(s string) error {
	return fmt.Errorf("%.80q is no variable: a dollar that is meant is written $$", s)
}

// cutBrace cuts s at the brace that ends it.
func cutBrace(s string) (inside, rest string, ok bool) {
	depth := 1
	for i, c := range s {
		switch c {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return s[:i], s[i+1:], true
			}
		}
	}
	return "", "", false
}

// expand returns what stands for what is between the braces.
func (t *composeTree) expand(s string, depth int) (string, error) {
	name := variable.FindString(s)
	operator, other := s[len(name):], ""
	for _, o := range []string{":-", ":?", ":+", "-", "?", "+"} {
		if rest, ok := strings.CutPrefix(operator, o); ok {
			operator, other = o, rest
			break
		}
	}
	value, has := t.lookup(name)
	there := has
	if strings.HasPrefix(operator, ":") {
		there = value != ""
	}
	switch {
	case name == "":
	case operator == "":
		return t.get(name), nil
	case operator == "+" || operator == ":+":
		if !there {
			return "", nil
		}
		return t.fillIn(other, depth+1)
	case operator == "-" || operator == ":-":
		if there {
			return value, nil
		}
		return t.fillIn(other, depth+1)
	case operator == "?" || operator == ":?":
		if there {
			return value, nil
		}
		return "", appliance.WithHint(fmt.Errorf("%s must be set: %.200s", name, other), fmt.Sprintf("set it: config:set %s %s=…", t.app, name))
	}
	return "", badVariable("${" + s + "}")
}

func (t *composeTree) get(name string) string {
	v, ok := t.lookup(name)
	if !ok {
		t.unset[name] = true
	}
	return v
}
