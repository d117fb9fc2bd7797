package builder

import (
	"errors"
	"fmt"
	"maps"

	"go.yaml.in/yaml/v3"

	"github.com/berthhq/berth/appliance"
)

// A composeTree reads the YAML of a compose file into maps, lists and strings,
// with its variables filled in.
type composeTree struct {
	lookup func(name string) (string, bool)
	app    appliance.AppName
	unset  map[string]bool // the variables that there are not
	nodes  int             // that it has seen; each time, if one is referred to
}

// maxNodes is far more than a compose file needs. A few lines of YAML can
// stand for billions of them.
const maxNodes = 20_000

var errTooLarge = errors.New("it stands for too much: it refers to itself, or to the same things too often")

// read returns what node stands for: nil, a string, a []any or a
// map[string]any. It has one type only for what YAML takes for a number, a
// date or a truth: 1.10 is a version.
func (t *composeTree) read(node *yaml.Node) (any, error) {
	if t.nodes++; t.nodes > maxNodes {
		return nil, errTooLarge
	}
	switch node.Kind {
	case yaml.DocumentNode:
		return t.read(node.Content[0])
	case yaml.AliasNode:
		return t.read(node.Alias)
	case yaml.SequenceNode:
		list := make([]any, len(node.Content))
		for i, n := range node.Content {
			var err error
			if list[i], err = t.read(n); err != nil {
				return nil, err
			}
		}
		return list, nil
	case yaml.MappingNode:
		return t.mapping(node)
	}
	if node.ShortTag() == "!!null" {
		return nil, nil
	}
	s, err := t.fill(node.Value)
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", node.Line, err)
	}
	return s, nil
}

func (t *composeTree) mapping(node *yaml.Node) (any, error) {
	m, merged := map[string]any{}, map[string]any{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, n := node.Content[i], node.Content[i+1]
		v, err := t.read(n)
		if err != nil {
			return nil, err
		}
		if key.Value == "<<" {
			list, ok := v.([]any)
			if !ok {
				list = []any{v}
			}
			for _, one := range list {
				if from, ok := one.(map[string]any); ok {
					// Of several, the first that has a key counts.
					maps.Copy(from, merged)
					merged = from
				}
			}
			continue
		}
		if _, twice := m[key.Value]; twice {
			return nil, fmt.Errorf("line %d: %.60q is there twice", key.Line, key.Value)
		}
		m[key.Value] = v
	}
	maps.Copy(merged, m)
	return merged, nil
}
