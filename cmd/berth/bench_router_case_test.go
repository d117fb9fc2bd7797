package main

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// A routerCase is one thing that visitors do.
type routerCase struct {
	name, title string
	unit        string
	load        doorLoad
	rate        int // at which latency is measured: moderate for the slowest door
}

var routerCases = []routerCase{
	{"h1", "HTTPS, HTTP/1.1, kept connections, 1 KB", "requests", wrkLoad{"/1k", 64}, 1000},
	{"h2", "HTTPS, HTTP/2, 1 KB", "requests", h2load{path: "/1k", connections: 16, streams: 10}, 1000},
	{"tls", "full TLS handshakes, one request each", "handshakes", handshakes{256}, 250},
	{"1m", "HTTPS, HTTP/1.1, kept connections, 1 MB", "requests", wrkLoad{"/1m", 16}, 80},
	{"ws", "WebSocket over TLS, echo of 100 bytes", "messages", ownLoad{"echo", 64}, 1000},
}

// measured is what a case says of one door in one round.
type measured struct {
	perCPU         float64 // per second that the proxy's processor spent on it
	perOwn         float64 // per second of the process: without the kernel's network
	p50, p99, p999 time.Duration
	rss            float64
	others         float64 // the share of its processor that was not the proxy's
}

// compare runs a case in rounds, in which each door has its turn, so that all
// meet the machine in the same mood. Each case begins with doors that have
// just been opened, so memory is what this case takes.
func (l *lab) compare(c routerCase, p benchPlan) {
	l.Helper()
	doors := l.openAll(p, 1)
	defer closeAll(doors)
	rounds := map[string][]measured{}
	for _, o := range doors { // the first requests fill caches and pools
		c.load.full(o, 1)
	}
	for range p.rounds {
		for _, o := range doors {
			rounds[o.name] = append(rounds[o.name], o.measure(c, p.seconds))
		}
	}

	fmt.Printf("\n%-46s %s\n", c.title, fmt.Sprintf("latency at %d %s/s", c.rate, c.unit))
	fmt.Printf("%-12s %16s %12s %9s %9s %9s %9s    %s\n", "", c.unit+"/CPU·s", "own time", "p50", "p99", "p99.9", "RSS", "berth/this: CPU·s, own; p50, p99, p99.9; RSS")
	ours, noise := middle(rounds[berthDoor.name]), 0.0
	for _, o := range doors {
		m := middle(rounds[o.name])
		noise = max(noise, m.others)
		fmt.Printf("%-12s %16.0f %12.0f %9s %9s %9s %6.1f MB    %s\n", o.name, m.perCPU, m.perOwn, short(m.p50), short(m.p99), short(m.p999), m.rss/1e6, against(ours, m))
	}
	if noise > 0.03 {
		fmt.Printf("(something else had up to %.0f %% of the proxy's processor: repeat this on a quiet machine)\n", 100*noise)
	}
}

func against(ours, m measured) string {
	if ours == m || ours.perCPU == 0 {
		return ""
	}
	late := func(ours, theirs time.Duration) float64 { return float64(ours) / float64(theirs) }
	return fmt.Sprintf("%.2f, %.2f; %.2f, %.2f, %.2f; %.2f", ours.perCPU/m.perCPU, ours.perOwn/m.perOwn,
		late(ours.p50, m.p50), late(ours.p99, m.p99), late(ours.p999, m.p999), ours.rss/m.rss)
}

func (o *opened) measure(c routerCase, seconds int) (m measured) {
	o.lab.Helper()
	finish := o.profile(c.name, seconds)
	begun, before := time.Now(), o.cpu()
	allBefore, networkBefore := processor(o.lab.doorCPU)
	done := float64(c.load.full(o, seconds))
	own := (o.cpu() - before).Seconds()
	all, network := processor(o.lab.doorCPU)
	both := own + (network - networkBefore).Seconds()
	m.perOwn, m.perCPU = done/own, done/both
	m.others = max(0, ((all-allBefore).Seconds()-both)/time.Since(begun).Seconds())
	m.rss = float64(o.rss())
	finish()
	took := sorted(c.load.paced(o, seconds+1, c.rate))
	m.p50, m.p99, m.p999 = quantile(took, 0.5), quantile(took, 0.99), quantile(took, 0.999)
	return m
}

// profile has berth write where its processor time goes, if somebody wants it.
func (o *opened) profile(name string, seconds int) (finish func()) {
	dir := os.Getenv("BENCH_ROUTER_PROFILE")
	if dir == "" || o.control == "" {
		return func() {}
	}
	var done sync.WaitGroup
	done.Go(func() {
		r, err := http.Get(fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", o.control, seconds))
		if err != nil {
			o.lab.Error(err)
			return
		}
		defer r.Body.Close()
		text, err := io.ReadAll(r.Body)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name+".pprof"), text, 0o644)
		}
		if err != nil {
			o.lab.Error(err)
		}
	})
	return done.Wait
}

// middle is the median of each figure.
func middle(rounds []measured) measured {
	return measured{
		perCPU: mid(rounds, func(m measured) float64 { return m.perCPU }),
		perOwn: mid(rounds, func(m measured) float64 { return m.perOwn }),
		p50:    mid(rounds, func(m measured) time.Duration { return m.p50 }),
		p99:    mid(rounds, func(m measured) time.Duration { return m.p99 }),
		p999:   mid(rounds, func(m measured) time.Duration { return m.p999 }),
		others: mid(rounds, func(m measured) float64 { return m.others }),
		rss:    mid(rounds, func(m measured) float64 { return m.rss }),
	}
}

func mid[V cmp.Ordered](rounds []measured, of func(measured) V) (v V) {
	var all []V
	for _, m := range rounds {
		all = append(all, of(m))
	}
	if len(all) == 0 {
		return v
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// openAll opens the doors. They stay open together: who is not asked does
// next to nothing.
func (l *lab) openAll(p benchPlan, hosts int) (doors []*opened) {
	l.Helper()
	for _, d := range p.doors {
		doors = append(doors, l.opened(d, hosts))
	}
	return doors
}

func closeAll(doors []*opened) {
	for _, o := range doors {
		o.stop()
	}
}

func short(d time.Duration) string {
	if d >= 10*time.Second {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%.2f ms", float64(d)/1e6)
}
