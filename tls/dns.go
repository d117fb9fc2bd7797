package certs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/libdns/cloudflare"
	"github.com/libdns/libdns"
	"github.com/libdns/rfc2136"
)

// DNS are the settings for proving by a DNS record (DNS-01) that a domain is
// ours. Without it there are no wildcard certificates.
type DNS struct {
	Provider   string // one of DNSProviders; "" for none
	Credential string // a secret, in the form that the provider wants
}

// dnsLimit bounds what a provider may take for one change.
const dnsLimit = time.Minute

// dnsTTL is the life of challenge records: gone from caches soon.
const dnsTTL = 60 * time.Second

// dnsProviders make what changes the records at a provider, of its credential.
var dnsProviders = map[string]func(credential string) (certmagic.DNSProvider, error){
	"cloudflare": func(token string) (certmagic.DNSProvider, error) {
		return &cloudflare.Provider{APIToken: token}, oneWord(token)
	},
	"digitalocean": func(token string) (certmagic.DNSProvider, error) {
		return txtRecords{&digitalOcean{newREST("https://api.digitalocean.com", token)}}, oneWord(token)
	},
	"gandi": func(token string) (certmagic.DNSProvider, error) {
		return txtRecords{&wholeSets{sets: &gandi{newREST("https://api.gandi.net", token)}}}, oneWord(token)
	},
	"google": newGoogle,
	"hetzner": func(token string) (certmagic.DNSProvider, error) {
		return txtRecords{&hetzner{newREST("https://api.hetzner.cloud", token)}}, oneWord(token)
	},
	"rfc2136": newRFC2136,
	"route53": newRoute53,
}

// DNSProviders returns the names of the providers, sorted.
func DNSProviders() []string { return slices.Sorted(maps.Keys(dnsProviders)) }

// Check tells whether the credential has the form that the provider wants. The
// provider itself is not asked.
func (d DNS) Check() error {
	_, err := d.provider()
	return err
}

func (d DNS) provider() (certmagic.DNSProvider, error) {
	newProvider, ok := dnsProviders[d.Provider]
	if !ok {
		return nil, fmt.Errorf("no DNS provider %.40q: there are %s", d.Provider, strings.Join(DNSProviders(), ", "))
	}
	if strings.TrimSpace(d.Credential) == "" {
		return nil, fmt.Errorf("no credential for %s", d.Provider)
	}
	p, err := newProvider(strings.TrimSpace(d.Credential))
	if err != nil {
		return nil, fmt.Errorf("credential for %s: %w", d.Provider, err)
	}
	return limited{p, d.Provider, secretsOf(d.Credential)}, nil
}

func oneWord(token string) error {
	if strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return errors.New("a token is one word")
	}
	return nil
}

// fields reads the lines of a credential that has several parts, "name = value".
func fields(credential string, names ...string) (map[string]string, error) {
	found := map[string]string{}
	for line := range strings.Lines(credential) {
		name, value, ok := strings.Cut(line, "=")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		if strings.TrimSpace(line) == "" || strings.HasPrefix(name, "#") || strings.HasPrefix(name, "[") {
			continue
		}
		if !ok || !slices.Contains(names, name) {
			// Not what the line says: it may be the secret.
			return nil, fmt.Errorf("want lines of name=value with %s", strings.Join(names, ", "))
		}
		found[name] = value
	}
	return found, nil
}

// newRFC2136 changes records at any name server that takes dynamic updates
// signed with a key.
func newRFC2136(credential string) (certmagic.DNSProvider, error) {
	f, err := fields(credential, "server", "key", "algorithm", "secret")
	if err != nil {
		return nil, err
	}
	if f["server"] == "" || f["key"] == "" || f["secret"] == "" {
		return nil, errors.New("want the lines server=, key= and secret=")
	}
	if f["algorithm"] == "" {
		f["algorithm"] = "hmac-sha256"
	}
	if _, _, err := net.SplitHostPort(f["server"]); err != nil {
		f["server"] = net.JoinHostPort(f["server"], "53")
	}
	return &rfc2136.Provider{Server: f["server"], KeyName: f["key"], KeyAlg: f["algorithm"], Key: f["secret"]}, nil
}

// limited ends what takes too long: the order's own context has no deadline,
// and not every provider's client has one. And it says what is wrong.
type limited struct {
	p        certmagic.DNSProvider
	provider string
	secrets  []string
}

func (l limited) AppendRecords(ctx context.Context, zone string, records []libdns.Record) ([]libdns.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, dnsLimit)
	defer cancel()
	done, err := l.p.AppendRecords(ctx, zone, records)
	if err == nil && len(done) == len(records) {
		done = records // as they were asked for: not quoted, and to be found again
	}
	return done, l.explained(err)
}

func (l limited) DeleteRecords(ctx context.Context, zone string, records []libdns.Record) ([]libdns.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, dnsLimit)
	defer cancel()
	done, err := l.p.DeleteRecords(ctx, zone, records)
	return done, l.explained(err)
}

// quoted is a TXT value as name servers write it.
func quoted(value string) string {
	text, _ := json.Marshal(value) // challenges have no character that JSON writes otherwise
	return string(text)
}
