package certs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"
	"golang.org/x/net/publicsuffix"
)

// Limits are how often a CA lets itself be asked; what is 0 has no limit.
type Limits struct {
	Certificates int // new ones for a registered domain in a week
	Duplicates   int // for the same name in a week
	Failures     int // of validations of a name in an hour
	Orders       int // of the account in three hours
}

// LetsEncrypt are the limits that Let's Encrypt has published.
var LetsEncrypt = Limits{Certificates: 50, Duplicates: 5, Failures: 5, Orders: 300}

// limitsOf returns the limits of the CA with this directory, as far as they
// are known.
func limitsOf(directory string) Limits {
	if directory == certmagic.LetsEncryptProductionCA {
		return LetsEncrypt
	}
	return Limits{}
}

const week = 7 * 24 * time.Hour

// A ledger remembers what was asked of CAs. Every entry is a key of its own in
// storage, named by its time, so that one more is one write, and a kill loses
// none.
type ledger struct {
	storage certmagic.Storage
	now     func() time.Time
}

const ledgerFolder = "berth/ledger/"

func orders(issuer string) string { return ledgerFolder + issuer + "/orders" }
func failures(issuer, host string) string {
	return ledgerFolder + issuer + "/failures/" + certmagic.StorageKeys.Safe(host)
}
func certificates(issuer, host string) string {
	return ledgerFolder + issuer + "/certificates/" + registered(host)
}

// registered is the domain that somebody has bought: what limits are about.
func registered(host string) string {
	host = strings.TrimPrefix(host, "*.")
	if domain, err := publicsuffix.EffectiveTLDPlusOne(host); err == nil {
		return domain
	}
	return host // an address, or a public suffix itself
}

// add writes an entry into a folder.
func (l ledger) add(ctx context.Context, folder, what string) error {
	key := fmt.Sprintf("%s/%d", folder, l.now().UnixNano())
	if what != "" {
		key += "-" + certmagic.StorageKeys.Safe(what)
	}
	return l.storage.Store(ctx, key, nil)
}

// count returns the number of entries of the last while, of those about what
// unless that is "", and when there will be one less. Older ones are removed.
func (l ledger) count(ctx context.Context, folder, what string, while time.Duration) (n int, less time.Time, err error) {
	keys, err := l.storage.List(ctx, folder, false)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, time.Time{}, nil
	}
	if err != nil {
		return 0, time.Time{}, err
	}
	for _, key := range keys {
		stamp, about, _ := strings.Cut(path.Base(key), "-")
		nanos, err := strconv.ParseInt(stamp, 10, 64)
		if err != nil {
			continue // not ours
		}
		at := time.Unix(0, nanos)
		if l.now().Sub(at) >= while {
			if err := l.storage.Delete(ctx, key); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return 0, time.Time{}, err
			}
			continue
		}
		if what != "" && about != certmagic.StorageKeys.Safe(what) {
			continue
		}
		if n++; less.IsZero() || at.Add(while).Before(less) {
			less = at.Add(while)
		}
	}
	return n, less, nil
}

// sweep removes what counts for nothing any more, also of names that nobody
// orders for again.
func (l ledger) sweep(ctx context.Context) error {
	keys, err := l.storage.List(ctx, strings.TrimSuffix(ledgerFolder, "/"), true)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, key := range keys {
		stamp, _, _ := strings.Cut(path.Base(key), "-")
		nanos, numErr := strconv.ParseInt(stamp, 10, 64)
		if numErr == nil && l.now().Sub(time.Unix(0, nanos)) >= week {
			err = errors.Join(err, l.storage.Delete(ctx, key))
		}
	}
	return err
}

// allows says which limit of the issuer an attempt to order for host could
// break, which tries as many ways of proving the name. A renewal is exempt from
// those of new certificates: it says which one it replaces (RFC 9773).
func (l ledger) allows(ctx context.Context, issuer, host string, limits Limits, ways int, renewal bool) (Finding, error) {
	for _, test := range []struct {
		limit, costs int
		folder, what string
		while        time.Duration
		new          bool // it is about new certificates
		said         string
	}{
		{limits.Failures, ways, failures(issuer, host), "", time.Hour, false, "validations of " + host + " have failed within an hour"},
		{limits.Orders, ways, orders(issuer), "", 3 * time.Hour, true, "orders were made within three hours"},
		{limits.Duplicates, 1, certificates(issuer, host), host, week, true, "certificates of " + host + " were issued within a week"},
		{limits.Certificates, 1, certificates(issuer, host), "", week, true, "certificates of names in " + registered(host) + " were issued within a week"},
	} {
		if test.limit == 0 || test.new && renewal {
			continue
		}
		n, less, err := l.count(ctx, test.folder, test.what, test.while)
		if err != nil {
			return Finding{}, err
		}
		if n >= test.limit || n > 0 && n+test.costs > test.limit {
			return Finding{
				fmt.Sprintf("%d %s, and %s allows %d", n, test.said, issuerHost(issuer), test.limit),
				"the next can be ordered at " + less.UTC().Format("2006-01-02 15:04 UTC"),
			}, nil
		}
	}
	return Finding{}, nil
}

// issuerHost is the name of a CA as people know it from its directory.
func issuerHost(issuer string) string {
	host, _, _ := strings.Cut(issuer, "-")
	if strings.HasSuffix(issuer, "letsencrypt.org-directory") {
		return "Let's Encrypt"
	}
	return host
}

// enter has the ledger know how an attempt has ended. What cannot be written
// is logged: it must not cost a certificate.
func (m *Manager) enter(ctx context.Context, event, name string, data map[string]any) {
	var err error
	switch renewal, _ := data["renewal"].(bool); event {
	case "cert_obtained":
		if issuer, _ := data["issuer"].(string); issuer != "" && !renewal {
			err = m.ledger.add(ctx, certificates(issuer, name), name)
		}
	case "cert_failed":
		cause, _ := data["error"].(error)
		if !validation(cause) {
			return
		}
		issuers, _ := data["issuers"].([]string)
		for _, issuer := range issuers {
			for range m.ways(name) {
				err = errors.Join(err, m.ledger.add(ctx, failures(issuer, name), ""))
			}
			for range m.ways(name) - 1 { // each has an order of its own
				err = errors.Join(err, m.ledger.add(ctx, orders(issuer), ""))
			}
		}
	}
	if err != nil && ctx.Err() == nil {
		m.cfg.Log.WarnContext(ctx, "keep count of certificates", "host", name, "err", err)
	}
}

// ways is how many ways of proving name are tried, one after the other, in one
// attempt.
func (m *Manager) ways(name string) int {
	if m.byDNS(name) || isAddress(name) {
		return 1
	}
	return 2 // HTTP-01 and TLS-ALPN-01
}

// validation tells whether err is a CA's that has looked at the name and did
// not find what it wanted: that counts.
func validation(err error) bool {
	problem, ok := errors.AsType[acme.Problem](err)
	if !ok {
		return false
	}
	if _, ok := problem.Resource.(acme.Authorization); ok {
		return true
	}
	switch problem.Type {
	case acme.ProblemTypeConnection, acme.ProblemTypeDNS, acme.ProblemTypeTLS, acme.ProblemTypeCAA,
		acme.ProblemTypeIncorrectResponse, acme.ProblemTypeUnauthorized:
		return true
	}
	return false
}
