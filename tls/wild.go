package certs

import "strings"

// wildOf returns the wildcard that certifies name, "" if none can.
func wildOf(name string) string {
	_, parent, ok := strings.Cut(name, ".")
	if !ok || isWild(name) || isAddress(name) {
		return ""
	}
	return "*." + parent
}

// coverOf returns the wildcard that is managed and certifies name, or is about
// to. One whose order has failed is not waited for. The caller has mu.
func (m *Manager) coverOf(name string) string {
	wild := wildOf(name)
	h := m.hosts[wild]
	if h == nil || h.stop == nil {
		return ""
	}
	if cert, _ := m.public(nil, wild); h.err != nil && cert == nil {
		return ""
	}
	return wild
}

// cover ends what is done for the hosts that wild certifies: it is there now.
// The caller has mu.
func (m *Manager) cover(wild string) {
	if !isWild(wild) {
		return
	}
	for name, h := range m.hosts {
		if wildOf(name) != wild || h.machine {
			continue
		}
		m.drop(name, "") // what it has had alone is not renewed any more
		if h.stop != nil {
			h.stop()
			m.start(name)
		}
	}
}

// uncover orders single certificates for the hosts that wild was to certify.
// The caller has mu.
func (m *Manager) uncover(wild string) {
	if !isWild(wild) {
		return
	}
	for name, h := range m.hosts {
		if h.covered == wild {
			m.start(name)
		}
	}
}
