package pipeline

import (
	"maps"
	"slices"

	"github.com/berthhq/berth/appliance"
)

// startOrder returns the process types to run in the order to start them: those
// of one group at once, and each group when the one before it is up. All of an
// app is one group, but for services of a compose file that are to start after
// others. Services that wait for each other start together.
func startOrder(formation appliance.Formation, services map[string]appliance.Service) (groups [][]string) {
	left := maps.Clone(formation)
	maps.DeleteFunc(left, func(_ string, n int) bool { return n == 0 })
	for len(left) > 0 {
		types := slices.Sorted(maps.Keys(left))
		group := slices.DeleteFunc(slices.Clone(types), func(typ string) bool {
			return slices.ContainsFunc(services[typ].After, func(first string) bool { return left[first] > 0 })
		})
		if len(group) == 0 {
			group = types
		}
		for _, typ := range group {
			delete(left, typ)
		}
		groups = append(groups, group)
	}
	return groups
}
