package certs

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
)

const (
	// ticketKeys is where the keys are kept, all in one value: sessions can be
	// taken up again after a restart.
	ticketKeys = "berth/session-tickets.json"

	// A key seals new tickets for ticketTurn, and opens old ones for two turns
	// more. Who steals one can read what was said in that time and no other:
	// only sessions of TLS 1.2, as those of 1.3 agree on a fresh key each.
	ticketTurn = 12 * time.Hour
	ticketKept = 3
)

// A ticketKey is one key and when it began to be used.
type ticketKey struct {
	Key   [32]byte  `json:"key"`
	Since time.Time `json:"since"`
}

// tickets are the keys of the sessions that visitors take up again.
type tickets struct {
	config *tls.Config // the one that all connections use

	mu   sync.Mutex  // guards keys
	keys []ticketKey // newest first
}

// loadTicketKeys returns the keys that are good at now. It makes a new one if
// that is due.
func loadTicketKeys(ctx context.Context, storage certmagic.Storage, now time.Time) ([]ticketKey, error) {
	var keys []ticketKey
	kept, err := storage.Load(ctx, ticketKeys)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err == nil && json.Unmarshal(kept, &keys) != nil {
		keys = nil // nothing is lost but the chance to take up a session
	}
	keys, turned := turn(keys, now)
	if !turned {
		return keys, nil
	}
	text, err := json.Marshal(keys)
	if err != nil {
		return nil, err
	}
	return keys, storage.Store(ctx, ticketKeys, text)
}

// turn drops the keys that are too old at now and adds a new one if that is due.
func turn(keys []ticketKey, now time.Time) (_ []ticketKey, turned bool) {
	keys = slices.DeleteFunc(slices.Clone(keys), func(k ticketKey) bool {
		// One from the future was made by a clock that was wrong.
		return now.Sub(k.Since) >= ticketKept*ticketTurn || k.Since.After(now)
	})
	if len(keys) > 0 && now.Sub(keys[0].Since) < ticketTurn {
		return keys, false
	}
	fresh := ticketKey{Since: now}
	rand.Read(fresh.Key[:]) // never fails
	keys = slices.Insert(keys, 0, fresh)
	return keys[:min(len(keys), ticketKept)], true
}

// use has connections from now on use the keys.
func (t *tickets) use() {
	t.mu.Lock()
	defer t.mu.Unlock()
	keys := make([][32]byte, len(t.keys))
	for i, k := range t.keys {
		keys[i] = k.Key
	}
	t.config.SetSessionTicketKeys(keys)
}

// next is how long the newest key is still used to seal, at now.
func (t *tickets) next(now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return min(max(ticketTurn-now.Sub(t.keys[0].Since), time.Second), ticketTurn)
}

// rotateTickets takes a new key when it is time, until Close.
func (m *Manager) rotateTickets() {
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-time.After(m.tickets.next(time.Now())):
		}
		m.rotate(time.Now())
	}
}

func (m *Manager) rotate(now time.Time) {
	keys, err := loadTicketKeys(m.ctx, m.cfg.Storage, now)
	if err != nil {
		if m.ctx.Err() == nil {
			m.cfg.Log.Warn("rotate session tickets", "err", err)
		}
		if keys == nil {
			return
		}
		// Kept or not, an old key must not go on.
	}
	m.tickets.mu.Lock()
	m.tickets.keys = keys
	m.tickets.mu.Unlock()
	m.tickets.use()
}
