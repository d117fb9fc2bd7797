package pipeline

import (
	"cmp"
	"slices"

	"github.com/berthhq/berth/appliance"
)

// A place is what one process has in a formation: web.2.
type place struct {
	typ   string
	index int
}

// serving returns those of the live processes that are to serve: one in each
// place, and none that is not ready yet or is about to end.
func (s *state) serving(live []appliance.Process) (list []appliance.Process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := map[place]int{} // in list
	for _, p := range live {
		if s.retiring[p.ID] || p.Turn != "" && s.coming[p.Turn] {
			continue
		}
		i, taken := at[place{p.Type, p.Index}]
		switch {
		case !taken:
			at[place{p.Type, p.Index}] = len(list)
			list = append(list, p)
		case compareClaims(p, list[i]) < 0:
			list[i] = p
		}
	}
	return list
}

// compareClaims says which of two processes has more right to a place that
// both have. That happens when we were interrupted while one took over from
// the other, which it did as soon as it was kept.
func compareClaims(a, b appliance.Process) int {
	kept := a.Kept != appliance.Never
	if kept != (b.Kept != appliance.Never) {
		if kept {
			return -1
		}
		return 1
	}
	if kept {
		return b.Started.Compare(a.Started)
	}
	return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.ID, b.ID))
}

// surplus returns those of the live processes that serve nothing: they have no
// place in the formation, or another has it.
func (s *state) surplus(formation appliance.Formation, live []appliance.Process) (list []appliance.Process) {
	serving := s.serving(live)
	for _, p := range live {
		has := slices.ContainsFunc(serving, func(q appliance.Process) bool { return q.ID == p.ID })
		if (!has || p.Index > formation[p.Type]) && !s.isRetiring(p.ID) {
			list = append(list, p)
		}
	}
	return list
}
