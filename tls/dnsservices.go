package certs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// digitalOcean is https://docs.digitalocean.com/reference/api/ (Domain Records).
type digitalOcean struct{ rest }

type digitalOceanRecord struct {
	ID   int64  `json:"id,omitempty"`
	Type string `json:"type"`
	Name string `json:"name"`
	Data string `json:"data"`
	TTL  int    `json:"ttl"`
}

func (d *digitalOcean) path(r txt) string {
	return "/v2/domains/" + url.PathEscape(r.zone) + "/records"
}

func (d *digitalOcean) add(ctx context.Context, r txt) error {
	record := digitalOceanRecord{Type: "TXT", Name: r.relative(), Data: r.value, TTL: int(dnsTTL.Seconds())}
	return d.do(ctx, http.MethodPost, d.path(r), record, nil)
}

func (d *digitalOcean) remove(ctx context.Context, r txt) error {
	var list struct {
		Records []digitalOceanRecord `json:"domain_records"`
	}
	query := url.Values{"type": {"TXT"}, "name": {r.name}, "per_page": {"200"}}
	if err := d.do(ctx, http.MethodGet, d.path(r)+"?"+query.Encode(), nil, &list); err != nil {
		return err
	}
	for _, record := range list.Records {
		if same(r.value)(record.Data) {
			if err := d.do(ctx, http.MethodDelete, d.path(r)+"/"+strconv.FormatInt(record.ID, 10), nil, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// hetzner is https://docs.hetzner.cloud/reference/cloud (Zone RRSets). Its
// actions make a set that is not there, and remove one that becomes empty.
type hetzner struct{ rest }

func (h *hetzner) add(ctx context.Context, r txt) error { return h.action(ctx, "add_records", r, true) }

func (h *hetzner) remove(ctx context.Context, r txt) error {
	return h.action(ctx, "remove_records", r, false)
}

func (h *hetzner) action(ctx context.Context, action string, r txt, ttl bool) error {
	body := map[string]any{"records": []map[string]string{{"value": quoted(r.value)}}}
	if ttl {
		body["ttl"] = int(dnsTTL.Seconds())
	}
	path := fmt.Sprintf("/v1/zones/%s/rrsets/%s/TXT/actions/%s", url.PathEscape(r.zone), url.PathEscape(r.relative()), action)
	return h.do(ctx, http.MethodPost, path, body, nil)
}

// gandi is https://api.gandi.net/docs/livedns/.
type gandi struct{ rest }

// gandiTTL is the shortest that it takes.
const gandiTTL = 300

func (g *gandi) path(r txt) string {
	return fmt.Sprintf("/v5/livedns/domains/%s/records/%s/TXT", url.PathEscape(r.zone), url.PathEscape(r.relative()))
}

func (g *gandi) get(ctx context.Context, r txt) ([]string, error) {
	var set struct {
		Values []string `json:"rrset_values"`
	}
	err := g.do(ctx, http.MethodGet, g.path(r), nil, &set)
	if e, ok := errors.AsType[*restError](err); ok && e.status == http.StatusNotFound && !strings.Contains(strings.ToLower(e.said), "domain") {
		return nil, nil // no such record; a domain that is not there is an error
	}
	return set.Values, err
}

func (g *gandi) put(ctx context.Context, r txt, _, after []string) error {
	if len(after) == 0 {
		return g.do(ctx, http.MethodDelete, g.path(r), nil, nil)
	}
	return g.do(ctx, http.MethodPut, g.path(r), map[string]any{"rrset_ttl": gandiTTL, "rrset_values": after}, nil)
}
