package certs

import (
	"context"
	"time"
)

// onEvent hears what certmagic does. It is called in the goroutine of the
// order, so an answer can stop it.
func (m *Manager) onEvent(ctx context.Context, event string, data map[string]any) error {
	name, _ := data["identifier"].(string)
	renewal, _ := data["renewal"].(bool)
	err, _ := data["error"].(error)
	m.enter(ctx, event, name, data)
	switch {
	case event == "cert_obtaining":
		return m.allow(ctx, name)
	case event == "cert_failed":
		m.failed(ctx, name, err)
	case event == "cert_obtained" && renewal:
		// One that is new is told of by obtain, when it is in memory.
		m.note(name, nil)
		m.shown.renewed(time.Now())
		m.tell(ctx, Event{Host: name, Kind: Renewed})
	case event == "cached_managed_cert" || event == "cached_unmanaged_cert":
		m.shown.forget()
	}
	return nil
}

// allow says why no attempt for name must be made now, if there is a reason.
// It is asked before each, the first, a repeated one and a renewal.
func (m *Manager) allow(ctx context.Context, name string) error {
	if !m.serves(name) {
		m.note(name, errNotServed)
		return errNotServed
	}
	m.mu.Lock()
	h := m.hosts[name]
	var refused error
	if h != nil && time.Now().Before(h.until) {
		refused = h.err
	}
	m.mu.Unlock()
	if refused != nil {
		return refused
	}
	if m.before == nil {
		return nil
	}
	err := m.before(ctx, name)
	if err != nil {
		m.failed(ctx, name, err)
	}
	return err
}

// failed notes and tells why an attempt failed, once for each: certmagic tells
// of a failure first and may return it later.
func (m *Manager) failed(ctx context.Context, name string, err error) {
	if ctx.Err() != nil { // we ended it ourselves
		return
	}
	err = explain(err)
	before := m.note(name, err)
	m.mu.Lock()
	if h := m.hosts[name]; h != nil {
		if until := refusedUntil(err, time.Now()); !until.IsZero() && m.issuers.Load().acme.Fallback.Directory == "" {
			h.until = until
		}
		if cert, _ := m.public(nil, name); cert == nil {
			m.uncover(name)
		}
	}
	m.mu.Unlock()
	if before != nil && before.Error() == err.Error() {
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
