package certs

import "context"

// onEvent hears what certmagic does. It is called in the goroutine of the
// order, so an answer can stop it.
func (m *Manager) onEvent(ctx context.Context, event string, data map[string]any) error {
	name, _ := data["identifier"].(string)
	renewal, _ := data["renewal"].(bool)
	err, _ := data["error"].(error)
	switch {
	case event == "cert_obtaining" && !m.cfg.Serves(name):
		m.note(name, errNotServed)
		return errNotServed
	case event == "cert_failed":
		m.failed(ctx, name, err)
	case event == "cert_obtained" && renewal:
		// One that is new is told of by obtain, when it is in memory.
		m.note(name, nil)
		m.tell(ctx, Event{Host: name, Kind: Renewed})
	}
	return nil
}

// failed notes and tells why an attempt failed, once for each: certmagic tells
// of a failure first and may return it later.
func (m *Manager) failed(ctx context.Context, name string, err error) {
	if ctx.Err() != nil { // we ended it ourselves
		return
	}
	err = explain(err)
	if before := m.note(name, err); before != nil && before.Error() == err.Error() {
		return
	}
	m.tell(ctx, Event{Host: name, Kind: Failed, Err: err})
}

// note keeps err for Status and returns what was there before.
func (m *Manager) note(name string, err error) (before error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.hosts[name]
	if h == nil {
		return nil
	}
	before, h.err = h.err, err
	return before
}

func (m *Manager) tell(ctx context.Context, e Event) {
	if e.Err != nil {
		m.cfg.Log.WarnContext(ctx, "certificate "+e.Kind, "host", e.Host, "err", e.Err)
	} else {
		m.cfg.Log.InfoContext(ctx, "certificate "+e.Kind, "host", e.Host)
	}
	m.cfg.Notify(ctx, e)
}
