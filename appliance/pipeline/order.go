package pipeline

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/berthhq/berth/appliance"
)

// startGroups returns the process types in the order to start them, each group
// when the one before it is up: as startOrder does, and no more at once than the
// app was told.
func (r *run) startGroups(ctx context.Context, formation appliance.Formation, services map[string]appliance.Service) ([][]string, error) {
	groups := startOrder(formation, services)
	text, err := r.Property(ctx, r.app, ParallelScheduleSetting)
	if text == AllAtOnce || err != nil {
		return groups, err
	}
	most, err := strconv.Atoi(text)
	if err != nil || most < 1 {
		return nil, fmt.Errorf("setting %s is damaged", ParallelScheduleSetting)
	}
	return atMost(most, groups), nil
}

// atMost splits groups so that none has more than so many types. As in Dokku,
// web comes first of its group, and alone.
func atMost(most int, groups [][]string) (smaller [][]string) {
	for _, group := range groups {
		if slices.Contains(group, Web) {
			smaller = append(smaller, []string{Web})
			group = slices.DeleteFunc(slices.Clone(group), func(typ string) bool { return typ == Web })
		}
		smaller = slices.AppendSeq(smaller, slices.Chunk(group, most))
	}
	return smaller
}

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
