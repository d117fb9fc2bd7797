package certs

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// caa finds whether the domain's owner lets a CA certify the name (RFC 8659).
func (c *check) caa(ctx context.Context) {
	var identities []string
	for _, ca := range c.cas {
		known := c.m.identities(ctx, ca.directory)
		if len(known) == 0 {
			return // it does not say what it is called in DNS
		}
		identities = append(identities, known...)
	}
	for domain := strings.TrimPrefix(c.name, "*."); strings.Contains(domain, "."); _, domain, _ = strings.Cut(domain, ".") {
		answer, err := c.dns.ask(ctx, domain, dns.TypeCAA)
		if err != nil {
			c.warn(fmt.Sprintf("the CAA records of %s could not be asked for: %v", domain, err), "a CA that cannot ask for them either refuses")
			return
		}
		var records []*dns.CAA
		for _, record := range answer.Answer {
			if caa, ok := record.(*dns.CAA); ok {
				records = append(records, caa)
			}
		}
		if len(records) > 0 {
			c.allowed(domain, records, identities)
			return
		}
	}
}

// allowed judges the records that hold for the name: those closest to it.
func (c *check) allowed(domain string, records []*dns.CAA, identities []string) {
	property := "issue"
	if isWild(c.name) && slices.ContainsFunc(records, func(r *dns.CAA) bool { return strings.EqualFold(r.Tag, "issuewild") }) {
		property = "issuewild"
	}
	var only []string
	asked := false
	for _, r := range records {
		tag := strings.ToLower(r.Tag)
		if r.Flag&128 != 0 && !slices.Contains([]string{"issue", "issuewild", "iodef", "issuemail", "issuevmc", "contactemail", "contactphone"}, tag) {
			c.problem(fmt.Sprintf("CAA at %s has the critical property %.40q, which CAs refuse unless they know it", domain, r.Tag), "remove it")
			return
		}
		if tag != property {
			continue
		}
		asked = true
		name, parameters, _ := strings.Cut(r.Value, ";")
		name = strings.ToLower(strings.TrimSpace(name))
		if slices.Contains(identities, name) && c.method(parameters) {
			return
		}
		if name != "" {
			only = append(only, printable(strings.TrimSpace(r.Value)))
		}
	}
	if !asked {
		return
	}
	whom := "nobody"
	if len(only) > 0 {
		whom = "only " + strings.Join(only, ", ")
	}
	c.problem(fmt.Sprintf("CAA at %s allows %s", domain, whom), fmt.Sprintf("add %s. CAA 0 %s %q", domain, property, identities[0]))
}

// method tells whether a record lets the name be proven in the way we do. The
// CA knows best whether the account is the one that it names.
func (c *check) method(parameters string) bool {
	for parameter := range strings.SplitSeq(parameters, ";") {
		tag, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
		if strings.TrimSpace(tag) != "validationmethods" {
			continue
		}
		ways := strings.Split(value, ",")
		if c.m.byDNS(c.name) {
			return slices.Contains(ways, "dns-01")
		}
		return slices.Contains(ways, "http-01") || slices.Contains(ways, "tls-alpn-01")
	}
	return true
}

// directories remembers what CAs are called in CAA records.
type directories struct {
	mu    sync.Mutex // guards known
	known map[string][]string
}

// identities returns what the CA is called in CAA records, if it says so.
func (m *Manager) identities(ctx context.Context, directory string) []string {
	m.directories.mu.Lock()
	known, ok := m.directories.known[directory]
	m.directories.mu.Unlock()
	if ok {
		return known
	}
	known, err := fetchIdentities(ctx, directory, &tls.Config{RootCAs: m.cfg.Roots})
	if err != nil {
		m.cfg.Log.DebugContext(ctx, "ask the CA what it is called", "directory", directory, "err", err)
		return nil // the order will say so
	}
	m.directories.mu.Lock()
	defer m.directories.mu.Unlock()
	if m.directories.known == nil || len(m.directories.known) > 10 {
		m.directories.known = map[string][]string{}
	}
	m.directories.known[directory] = known
	return known
}

func fetchIdentities(ctx context.Context, directory string, config *tls.Config) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, directory, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", "berth")
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: config, DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	var said struct {
		Meta struct {
			CAAIdentities []string `json:"caaIdentities"`
		} `json:"meta"`
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, 64<<10)).Decode(&said); err != nil {
		return nil, err
	}
	for i, name := range said.Meta.CAAIdentities {
		said.Meta.CAAIdentities[i] = normal(name)
	}
	return said.Meta.CAAIdentities, nil
}
