package certs

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/libdns/libdns"
)

// A txt is one TXT record: nothing else is needed to prove a domain.
type txt struct {
	zone  string // "example.org"
	name  string // "_acme-challenge.www.example.org"
	value string
}

// relative is the name without the zone.
func (r txt) relative() string { return libdns.RelativeName(r.name, r.zone) }

// A txtService adds and removes TXT records. Others of the same name stay.
type txtService interface {
	add(ctx context.Context, r txt) error
	remove(ctx context.Context, r txt) error
}

// txtRecords is a txtService as certmagic wants it.
type txtRecords struct{ txtService }

func (t txtRecords) AppendRecords(ctx context.Context, zone string, records []libdns.Record) ([]libdns.Record, error) {
	return records, each(ctx, zone, records, t.add)
}

func (t txtRecords) DeleteRecords(ctx context.Context, zone string, records []libdns.Record) ([]libdns.Record, error) {
	return records, each(ctx, zone, records, t.remove)
}

func each(ctx context.Context, zone string, records []libdns.Record, do func(context.Context, txt) error) error {
	zone = strings.TrimSuffix(zone, ".")
	for _, record := range records {
		rr := record.RR()
		if err := do(ctx, txt{zone: zone, name: libdns.AbsoluteName(rr.Name, zone), value: rr.Data}); err != nil {
			return err
		}
	}
	return nil
}

// A setService knows the records of one name and type as a whole only.
type setService interface {
	// get returns the values, as the service writes them, none if there are none.
	get(ctx context.Context, r txt) ([]string, error)
	// put replaces the values before by those in after.
	put(ctx context.Context, r txt, before, after []string) error
}

// wholeSets adds and removes single records at a setService, one at a time:
// a name and its wildcard are proven by two records of the same name.
type wholeSets struct {
	mu   sync.Mutex
	sets setService
}

func (w *wholeSets) add(ctx context.Context, r txt) error {
	return w.change(ctx, r, func(values []string) []string {
		if slices.ContainsFunc(values, same(r.value)) {
			return values
		}
		return append(slices.Clone(values), quoted(r.value))
	})
}

func (w *wholeSets) remove(ctx context.Context, r txt) error {
	return w.change(ctx, r, func(values []string) []string {
		return slices.DeleteFunc(slices.Clone(values), same(r.value))
	})
}

func (w *wholeSets) change(ctx context.Context, r txt, change func([]string) []string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	before, err := w.sets.get(ctx, r)
	if err != nil {
		return err
	}
	after := change(before)
	if slices.Equal(before, after) {
		return nil
	}
	return w.sets.put(ctx, r, before, after)
}

// same tells whether a value as a service writes it is value.
func same(value string) func(string) bool {
	return func(kept string) bool { return kept == value || kept == quoted(value) }
}
