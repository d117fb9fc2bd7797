package router

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// A meter counts what became of the requests of a service. It takes memory
// from the first request on: a machine may have many hosts that nobody visits.
type meter struct {
	counters atomic.Pointer[counters]
}

type counters struct {
	requests [methods][classes]atomic.Uint64
	buckets  [len(latencies) + 1]atomic.Uint64
	nanos    atomic.Int64
	in, out  atomic.Int64

	mu    sync.Mutex
	codes map[string]uint64 // of our own pages
}

// The labels of the counts of requests. A visitor can send any method; there
// are no more labels than these.
const (
	methods = 8
	classes = 6 // 0 is for what is none
)

var methodNames = [methods]string{"other", http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}

func methodIndex(method string) int {
	return max(slices.Index(methodNames[:], method), 0)
}

// latencies are the upper bounds of the histogram's buckets.
var latencies = [...]time.Duration{
	time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond,
	250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second,
}

func (m *meter) add(x *exchange, took time.Duration) {
	c := m.counters.Load()
	if c == nil {
		m.counters.CompareAndSwap(nil, new(counters))
		c = m.counters.Load()
	}
	class := x.status / 100
	if class >= classes {
		class = 0
	}
	c.requests[methodIndex(x.req.Method)][class].Add(1)
	i := 0
	for i < len(latencies) && took > latencies[i] {
		i++
	}
	c.buckets[i].Add(1)
	c.nanos.Add(int64(took))
	if n := x.in.Load(); n > 0 {
		c.in.Add(n)
	}
	if x.out > 0 {
		c.out.Add(x.out)
	}
	if x.code == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.codes == nil {
		c.codes = map[string]uint64{}
	}
	c.codes[x.code]++ // the codes are ours: there are few
}

// Metrics returns what the router counts, by service. Counts start with the
// first Swap of a service and end with Remove.
func (r *Router) Metrics() []Metric {
	requests := Metric{Name: "berth_router_requests_total", Help: "Requests that have ended, by method and class of their status.", Kind: Counter}
	duration := Metric{Name: "berth_router_request_duration_seconds", Help: "Time from the head of a request to the end of its answer.", Kind: Histogram}
	in := Metric{Name: "berth_router_request_bytes_total", Help: "Bytes of the bodies of requests.", Kind: Counter}
	out := Metric{Name: "berth_router_response_bytes_total", Help: "Bytes of the bodies of answers.", Kind: Counter}
	pages := Metric{Name: "berth_router_errors_total", Help: "Requests that the router has answered with an error of its own, by its code.", Kind: Counter}
	failures := Metric{Name: "berth_router_failed_requests_total", Help: "Requests that got no whole answer, through no fault of the visitor.", Kind: Counter}
	inFlight := Metric{Name: "berth_router_requests_in_flight", Help: "Requests that are under way on the live generation.", Kind: Gauge}
	held := Metric{Name: "berth_router_requests_held", Help: "Requests that wait for an app which is being replaced.", Kind: Gauge}
	targets := Metric{Name: "berth_router_targets", Help: "Web processes that get requests, and those that get none for a while because they have failed.", Kind: Gauge}

	services := r.table.Load().generations()
	for _, name := range slices.Sorted(maps.Keys(services)) {
		g := services[name]
		app := Label{"app", name}
		inFlight.Add(float64(g.underWay.Load()), app)
		held.Add(float64(g.held()), app)
		well, ill := g.standings()
		targets.Add(well, app, Label{"state", "in"})
		targets.Add(ill, app, Label{"state", "out"})
		failures.Add(float64(g.stats.failed.Load()), app)
		c := g.stats.meter.counters.Load()
		if c == nil {
			continue
		}
		for m := range methods {
			for class := range classes {
				if n := c.requests[m][class].Load(); n > 0 {
					requests.Add(float64(n), app, Label{"method", methodNames[m]}, Label{"class", className(class)})
				}
			}
		}
		in.Add(float64(c.in.Load()), app)
		out.Add(float64(c.out.Load()), app)
		duration.addHistogram(c, app)
		c.mu.Lock()
		for _, code := range slices.Sorted(maps.Keys(c.codes)) {
			pages.Add(float64(c.codes[code]), app, Label{"code", code})
		}
		c.mu.Unlock()
	}
	unknown := Metric{Name: "berth_router_unknown_host_requests_total", Help: "Requests for hosts that lead nowhere.", Kind: Counter}
	unknown.Add(float64(r.unknown.Load()))
	hosts := Metric{Name: "berth_router_hosts", Help: "Hosts that lead to an app.", Kind: Gauge}
	hosts.Add(float64(r.hosts()))
	list := []Metric{requests, failures, pages, duration, in, out, inFlight, held, targets, hosts, unknown}
	if r.AccessLog != nil {
		dropped := Metric{Name: "berth_router_log_dropped_total", Help: "Requests that the access log does not have, because it could not be written fast enough.", Kind: Counter}
		dropped.Add(float64(r.AccessLog.Dropped()))
		list = append(list, dropped)
	}
	return list
}

func (r *Router) hosts() int { return r.table.Load().hosts.len() }

// standings returns how many targets get requests, and how many do not.
func (g *Generation) standings() (in, out float64) {
	targets := *g.targets.Load()
	for _, t := range targets {
		if t.in() {
			in++
		}
	}
	return in, float64(len(targets)) - in
}

// held returns how many requests wait.
func (g *Generation) held() int {
	h := g.hold.Load()
	if h == nil {
		return 0
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.queue.Len()
}

func className(class int) string {
	if class == 0 {
		return "none"
	}
	return strconv.Itoa(class) + "xx"
}

// addHistogram reads the buckets before the sum, and counts what is in them:
// so the text agrees with itself while requests go on ending.
func (m *Metric) addHistogram(c *counters, labels ...Label) {
	n := uint64(0)
	for i := range c.buckets {
		n += c.buckets[i].Load()
		le := "+Inf"
		if i < len(latencies) {
			le = strconv.FormatFloat(latencies[i].Seconds(), 'g', -1, 64)
		}
		m.Samples = append(m.Samples, Sample{"_bucket", append(slices.Clone(labels), Label{"le", le}), float64(n)})
	}
	m.Samples = append(m.Samples, Sample{"_sum", labels, time.Duration(c.nanos.Load()).Seconds()}, Sample{"_count", labels, float64(n)})
}
