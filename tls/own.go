package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Certificates that people bring are kept as one value each: certificate,
// chain and key together, so that there is never one without the other.
const (
	ownFolder  = "berth/own"
	ownAll     = ownFolder + "/all.pem" // for the hosts of every owner
	ownOf      = ownFolder + "/of/"     // for the hosts of one
	ownRequest = ownFolder + "/request/"
)

// ownKey is where the certificate of owner is kept; "" is everybody.
func ownKey(owner string) string {
	if owner == "" {
		return ownAll
	}
	return ownOf + owner + ".pem"
}

// own has the certificates that people have brought. A host is served with its
// owner's if that covers it, else with everybody's: an owner's certificate is
// never shown for a host of another. Who has but a path of a host, which is
// another's, does not own it: what visitors are shown is about all of the host.
type own struct {
	any atomic.Bool // whether there are pairs: most machines have none, and each handshake asks

	mu     sync.RWMutex // guards the fields below
	pairs  map[string]*Pair
	owners map[string][]stake  // by host: paths of one can be several owners'
	hosts  map[string][]string // by owner

	taken map[string]bool // the hosts that are not ordered for; guarded by the manager's mu
}

// A stake is what an owner has of a host.
type stake struct {
	owner string
	whole bool // and not only paths
}

// An Own is a certificate that somebody has brought.
type Own struct {
	Leaf  *x509.Certificate
	Chain []byte // PEM, the leaf first, without the key
}

// loadOwn brings what is kept into memory. What cannot be used any more is told
// and stays where it is.
func (m *Manager) loadOwn(ctx context.Context) error {
	m.own.pairs, m.own.owners, m.own.hosts, m.own.taken = map[string]*Pair{}, map[string][]stake{}, map[string][]string{}, map[string]bool{}
	keys, err := m.cfg.Storage.List(ctx, ownFolder, true)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, key := range keys {
		owner := ""
		switch {
		case path.Ext(key) != ".pem" || path.Dir(key)+"/" == ownRequest:
			continue
		case key != ownAll:
			owner = path.Base(key[:len(key)-len(".pem")])
		}
		text, err := m.cfg.Storage.Load(ctx, key)
		if err != nil {
			return err
		}
		pair, err := readPair(text)
		if err != nil {
			m.cfg.Log.WarnContext(ctx, "certificate unusable", "kept", key, "err", err)
			continue
		}
		m.own.pairs[owner] = pair
	}
	m.own.any.Store(len(m.own.pairs) > 0)
	return nil
}

// AddOwn has the hosts of owner that a certificate covers served with it, from
// now on; of every owner if owner is "". bundle is PEM: the certificate, those
// between it and a root, and the private key, in any order. The key can be left
// out if it is that of Request, or of the certificate that is replaced. It
// returns what there is to know about the certificate beside that it is good.
func (m *Manager) AddOwn(ctx context.Context, owner string, bundle []byte) (Own, []Finding, error) {
	pair, notes, err := parsePair(bundle, m.kept(ctx, owner), nil, time.Now())
	if err != nil {
		return Own{}, nil, err
	}
	text, err := pair.encode()
	if err != nil {
		return Own{}, nil, err
	}
	if err := m.cfg.Storage.Store(ctx, ownKey(owner), text); err != nil {
		return Own{}, nil, err
	}
	m.own.set(owner, pair)
	m.reconsider(m.all()...)
	if m.ownsKeyOf(ctx, owner, pair) {
		// It has its certificate. If we are killed here, the next request
		// takes its place.
		err = m.cfg.Storage.Delete(ctx, ownRequest+requestName(owner))
	}
	return pair.own(), notes, err
}

// kept returns the keys of owner that are here already.
func (m *Manager) kept(ctx context.Context, owner string) (keys [][]byte) {
	for _, key := range []string{ownRequest + requestName(owner), ownKey(owner)} {
		if text, err := m.cfg.Storage.Load(ctx, key); err == nil {
			keys = append(keys, text)
		}
	}
	return keys
}

// RemoveOwn has the hosts of owner served as if it had never brought a
// certificate. It tells whether there was one.
func (m *Manager) RemoveOwn(ctx context.Context, owner string) (bool, error) {
	there := m.cfg.Storage.Exists(ctx, ownKey(owner))
	for _, key := range []string{ownKey(owner), ownRequest + requestName(owner)} {
		if err := m.cfg.Storage.Delete(ctx, key); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return there, err
		}
	}
	m.own.set(owner, nil)
	m.reconsider(m.all()...)
	return there, nil
}

// Own returns the certificate that owner has brought, if any.
func (m *Manager) Own(owner string) (Own, bool) {
	m.own.mu.RLock()
	defer m.own.mu.RUnlock()
	pair := m.own.pairs[owner]
	if pair == nil {
		return Own{}, false
	}
	return pair.own(), true
}

// Shown returns the certificate that a visitor of host is shown.
func (m *Manager) Shown(host string) (Own, bool) {
	cert, err := m.certificate(&tls.ClientHelloInfo{ServerName: host})
	if err != nil {
		return Own{}, false
	}
	return ownOfChain(cert.Leaf, cert.Certificate), true
}

func ownOfChain(leaf *x509.Certificate, chain [][]byte) Own {
	o := Own{Leaf: leaf}
	for _, der := range chain {
		o.Chain = append(o.Chain, certificatePEM(der)...)
	}
	return o
}

// Verified tells whether visitors who know the CAs that this machine knows
// trust the certificate.
func (o Own) Verified() bool {
	b, err := readBundle(o.Chain)
	if err != nil {
		return false
	}
	between := x509.NewCertPool()
	for _, c := range b.certs {
		between.AddCert(c)
	}
	_, err = o.Leaf.Verify(x509.VerifyOptions{Intermediates: between})
	return err == nil
}

// Covers tells whether the certificate is good for host.
func (o Own) Covers(host string) bool { return covers(o.Leaf, normal(host)) }

// ManageFor is Manage for all the domains of an owner, who may have brought a
// certificate for them: hosts, and paths of hosts (example.org/api). What was
// the owner's before is not any more.
func (m *Manager) ManageFor(owner string, domains ...string) {
	stakes := map[string]bool{}
	var hosts []string
	for _, domain := range domains {
		host, _, part := strings.Cut(domain, "/")
		if whole, known := stakes[normal(host)]; !known || !whole {
			stakes[normal(host)] = !part
		}
		if host = normal(host); !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	lost := m.own.assign(owner, hosts, stakes)
	m.Manage(hosts...)
	m.reconsider(append(lost, hosts...)...)
}

// reconsider ends orders for those of the hosts that are served with what
// somebody has brought, and begins them for those that are not any more.
func (m *Manager) reconsider(hosts ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range hosts {
		name = normal(name)
		h := m.hosts[name]
		if h == nil || m.own.taken[name] == (m.own.certificate(name) != nil) {
			continue
		}
		m.drop(name, "") // nor renewed
		m.restart(name, nil)
	}
}

// all returns the hosts that are managed.
func (m *Manager) all() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Keys(m.hosts))
}

// takes tells whether host needs no order, as somebody has brought a
// certificate for it. The caller has the manager's mu.
func (o *own) takes(host string) bool {
	taken := o.certificate(host) != nil
	if taken {
		o.taken[host] = true
	} else {
		delete(o.taken, host)
	}
	return taken
}

// assign returns the hosts that are not the owner's any more.
func (o *own) assign(owner string, hosts []string, whole map[string]bool) (lost []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, host := range hosts {
		i := slices.IndexFunc(o.owners[host], func(s stake) bool { return s.owner == owner })
		if i < 0 {
			i = len(o.owners[host])
			o.owners[host] = append(o.owners[host], stake{owner: owner})
		}
		o.owners[host][i].whole = whole[host]
	}
	for _, host := range o.hosts[owner] {
		if !slices.Contains(hosts, host) {
			lost = append(lost, host)
			o.disown(host, owner)
		}
	}
	o.hosts[owner] = hosts
	if len(hosts) == 0 {
		delete(o.hosts, owner)
	}
	return lost
}

func (o *own) disown(host, owner string) {
	o.owners[host] = slices.DeleteFunc(o.owners[host], func(s stake) bool { return s.owner == owner })
	if len(o.owners[host]) == 0 {
		delete(o.owners, host)
	}
}

// forget is for a host that is not managed any more. The caller has the
// manager's mu.
func (o *own) forget(host string) {
	delete(o.taken, host)
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.owners, host)
}

func (o *own) set(owner string, pair *Pair) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if pair == nil {
		delete(o.pairs, owner)
	} else {
		o.pairs[owner] = pair
	}
	o.any.Store(len(o.pairs) > 0)
}

// certificate returns what somebody has brought for host, if it is good now.
func (o *own) certificate(host string) *tls.Certificate {
	if !o.any.Load() {
		return nil
	}
	o.mu.RLock()
	defer o.mu.RUnlock()
	for _, owner := range o.ownersOf(host) {
		if pair := o.pairs[owner]; pair.serves(host) {
			return &pair.Certificate
		}
	}
	if pair := o.pairs[""]; pair.serves(host) {
		return &pair.Certificate
	}
	return nil
}

// watch tells of certificates that are about to expire, as nobody but their
// owner can renew them, and sees to it that hosts whose certificate has expired
// get another; and it tidies up. It runs until Close.
func (m *Manager) watch() {
	told := map[*Pair]int{}
	for hour := 0; ; hour++ {
		m.warnOwn(time.Now(), told)
		if hour%24 == 0 {
			if err := m.ledger.sweep(m.ctx); err != nil && m.ctx.Err() == nil {
				m.cfg.Log.Warn("tidy up the ledger of certificates", "err", err)
			}
		}
		select {
		case <-m.ctx.Done():
			return
		case <-time.After(time.Hour):
		}
	}
}

// expiryWarnings are the days before the end at which an owner is told.
var expiryWarnings = []int{30, 14, 7, 3, 1, 0}

func (m *Manager) warnOwn(now time.Time, told map[*Pair]int) {
	m.own.mu.RLock()
	var about []Event
	ended := false
	for _, pair := range m.own.pairs {
		left, stage := pair.Leaf.NotAfter.Sub(now), 0
		for _, days := range expiryWarnings {
			if left <= time.Duration(days)*24*time.Hour {
				stage++
			}
		}
		if stage <= told[pair] {
			continue
		}
		told[pair] = stage
		ended = ended || left <= 0
		about = append(about, Event{Host: pair.Leaf.DNSNames[0], Kind: Expiring, Err: expiry(pair.Leaf, now)})
	}
	m.own.mu.RUnlock()

	for _, e := range about {
		m.tell(m.ctx, e)
	}
	if ended {
		m.reconsider(m.all()...)
	}
}

func wildcard(host string) string {
	for i := range len(host) {
		if host[i] == '.' {
			return "*" + host[i:]
		}
	}
	return ""
}

// requestName keeps an owner's name apart from that of everybody.
func requestName(owner string) string {
	if owner == "" {
		return "all.pem"
	}
	return "of-" + owner + ".pem"
}

// ownersOf returns who may say what a host is served with: who has all of it,
// or else those who have paths of it. The caller has mu.
func (o *own) ownersOf(host string) (owners []string) {
	here, around := o.owners[host], o.owners[wildcard(host)]
	for _, stakes := range [][]stake{here, around} {
		for _, s := range stakes {
			if s.whole {
				owners = append(owners, s.owner)
			}
		}
		if len(owners) > 0 {
			return owners
		}
	}
	if len(here) == 0 {
		here = around
	}
	for _, s := range here {
		owners = append(owners, s.owner)
	}
	return owners
}
