package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// BenchmarkRouter is "make bench-router". It prints what the front door costs
// beside nginx, HAProxy, Caddy, kamal-proxy and Go's own reverse proxy, all of
// them on the same processor and before the same app; docs/performance.md
// explains the tables. In its environment it looks for
//
//	BENCH_ROUTER          cases, h1,h2,tls,1m,ws,idle,routes,table; or "quick"
//	BENCH_ROUTER_DOORS    berth,nginx,haproxy,caddy,kamal-proxy,go
//	BENCH_ROUTER_SECONDS  of each measurement at full load; latency takes one more
//	BENCH_ROUTER_ROUNDS   of each case
//	BENCH_ROUTER_PROFILE  a directory for CPU profiles of berth
func BenchmarkRouter(b *testing.B) {
	plan := routerPlan()
	l := newLab(b, plan.doors)
	fmt.Printf("\n%d processors: the proxy on one (%s), the load and the app on %s\n", runtime.NumCPU(), l.doorCPU, l.loadCPU)
	for _, d := range plan.doors {
		fmt.Printf("%-12s %s\n", d.name, d.version(l))
	}
	for _, c := range routerCases {
		if plan.has(c.name) {
			l.compare(c, plan)
		}
	}
	if plan.has("idle") {
		l.compareIdle(plan)
	}
	if plan.has("routes") {
		l.compareRoutes(plan)
	}
	if plan.has("table") {
		l.weighTable()
	}
}

// A benchPlan is what one run measures.
type benchPlan struct {
	cases           []string // none: all
	doors           []*door
	rounds, seconds int
	hosts           []int // of the case "routes"
}

func routerPlan() benchPlan {
	p := benchPlan{
		doors:   slices.Clone(allDoors),
		rounds:  number("BENCH_ROUTER_ROUNDS", 3),
		seconds: number("BENCH_ROUTER_SECONDS", 2),
		hosts:   []int{10, 1_000, 10_000},
	}
	wanted := os.Getenv("BENCH_ROUTER")
	if wanted == "quick" {
		wanted, p.rounds, p.doors = "h1,h2,tls,1m,ws", 1, p.doors[:2]
	}
	if wanted != "" {
		p.cases = strings.Split(wanted, ",")
	}
	if doors := os.Getenv("BENCH_ROUTER_DOORS"); doors != "" {
		p.doors = slices.DeleteFunc(slices.Clone(allDoors), func(d *door) bool {
			return !slices.Contains(strings.Split(doors, ","), d.name)
		})
	}
	return p
}

func (p benchPlan) has(name string) bool { return p.cases == nil || slices.Contains(p.cases, name) }
