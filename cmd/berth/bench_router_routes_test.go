package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"time"
)

// Traffic for the case "routes": light, so that what is seen is the change.
const (
	routesRate  = 500
	routesTime  = 4 * time.Second
	routesPause = 250 * time.Millisecond // from one change to the next
)

// compareRoutes adds hosts to doors that serve more and more of them, while
// visitors of another host are on their way.
func (l *lab) compareRoutes(p benchPlan) {
	l.Helper()
	fmt.Printf("\nroutes: a new host while %d requests/s go to another one\n", routesRate)
	fmt.Printf("%-12s %8s %14s %12s %12s %12s %8s %8s %9s\n", "", "hosts", "host answers", "p99 without", "p99 with", "worst with", "changes", "failed", "RSS")
	for _, hosts := range p.hosts {
		for _, d := range p.doors {
			if d.most > 0 && hosts > d.most {
				fmt.Printf("%-12s %8d  not measured: it takes minutes to start with so many\n", d.name, hosts)
				continue
			}
			o := l.opened(d, hosts)
			if o.add != nil { // Go's reverse proxy has no routes
				l.changeRoutes(o, hosts)
			}
			o.stop()
		}
	}
}

func (l *lab) changeRoutes(o *opened, hosts int) {
	l.Helper()
	quiet := sorted(ownLoad{"page", 16}.run(o, int(routesTime/time.Second), routesRate).Took)

	visitors := l.visitors(o, ownLoad{"page", 16}, routesRate)
	var answered []time.Duration
	for begun := time.Now(); len(answered) == 0 || time.Since(begun) < routesTime; {
		host := fmt.Sprintf("new%d.%s", len(answered), benchHost)
		asked := time.Now()
		if err := o.added(host); err != nil {
			l.Error(err)
			break
		}
		answered = append(answered, time.Since(asked))
		if o.settled != nil {
			l.until(o.name+" has made the change", o.settled)
		}
		time.Sleep(routesPause) // the pace of what is measured
	}
	sum := visitors.leave()
	busy := sorted(sum.Took)

	if len(answered) == 0 {
		return
	}
	slices.Sort(answered)
	fmt.Printf("%-12s %8d %14s %12s %12s %12s %8d %8d %6.1f MB\n", o.name, hosts, short(answered[len(answered)/2]),
		short(quantile(quiet, 0.99)), short(quantile(busy, 0.99)), short(busy[len(busy)-1]), len(answered), len(sum.Failed), float64(o.rss())/1e6)
}

// visiting are visitors who stay until they are told to leave.
type visiting struct {
	*pinned
	door *opened
	end  io.Closer // of their stdin
	out  bytes.Buffer
}

func (l *lab) visitors(o *opened, of ownLoad, rate int) *visiting {
	l.Helper()
	v := &visiting{door: o}
	cmd := of.command(o, rate)
	v.end = must(cmd.StdinPipe())
	cmd.Stdout = &v.out
	v.pinned = l.start(l.loadCPU, cmd)
	return v
}

func (v *visiting) leave() visitation {
	v.door.lab.Helper()
	_ = v.end.Close() // tells them
	if err := v.Wait(); err != nil {
		v.door.lab.Fatal(err)
	}
	return v.door.visited(v.out.String())
}

// compareIdle has visitors come, ask once and stay, and then others ask beside
// them.
func (l *lab) compareIdle(p benchPlan) {
	l.Helper()
	const connections = 1000
	fmt.Printf("\n%d idle connections over TLS, each with one request behind it\n", connections)
	c := routerCases[0]
	fmt.Printf("and beside them: %s, latency at %d %s/s\n", c.title, c.rate, c.unit)
	fmt.Printf("%-12s %10s %10s %16s %16s %12s %9s %9s %9s    %s\n", "", "RSS before", "RSS with", "per connection", c.unit+"/CPU·s", "own time", "p50", "p99", "p99.9", "berth/this: CPU·s, own; p50, p99, p99.9; RSS")
	var ours measured
	for _, d := range p.doors {
		o := l.opened(d, 1)
		ownLoad{"handshake", 4}.run(o, 1, 0) // what the first requests take is no connection's
		before := o.rss()
		visitors := l.visitors(o, ownLoad{"idle", connections}, 0)
		l.until("all visitors are idle", func() bool {
			said, _ := os.ReadFile(visitors.said) // asked again
			return bytes.Count(said, []byte("idle\n")) == connections
		})
		with := o.rss()
		c.load.full(o, 1)
		m := o.measure(c, p.seconds)
		m.rss = float64(with)
		visitors.leave()
		o.stop()
		if d == berthDoor {
			ours = m
		}
		fmt.Printf("%-12s %7.1f MB %7.1f MB %13.1f KB %16.0f %12.0f %9s %9s %9s    %s\n", o.name, float64(before)/1e6, float64(with)/1e6, float64(with-before)/connections/1e3,
			m.perCPU, m.perOwn, short(m.p50), short(m.p99), short(m.p999), against(ours, m))
	}
}

// weighTable says what berth's table of hosts costs.
func (l *lab) weighTable() {
	l.Helper()
	fmt.Printf("\nberth's table of hosts, one service each\n%10s %10s %14s %16s\n", "hosts", "memory", "to fill it", "one more Swap")
	for _, hosts := range []int{1_000, 10_000, 100_000} {
		o := l.opened(berthDoor, 1)
		r, err := http.Get("http://" + o.control + "/fill?hosts=" + strconv.Itoa(hosts))
		if err != nil {
			l.Fatal(err)
		}
		var f filling
		err = json.NewDecoder(r.Body).Decode(&f)
		if err := r.Body.Close(); err != nil {
			l.Error(err)
		}
		o.stop()
		if err != nil {
			l.Fatal(err)
		}
		note := ""
		if f.Hosts < hosts {
			note = fmt.Sprintf("  (given up at %d)", f.Hosts)
		}
		fmt.Printf("%10d %7.1f MB %14s %16s%s\n", f.Hosts, float64(f.Bytes)/1e6, f.Took.Round(time.Millisecond), f.Swap.Round(time.Microsecond), note)
	}
}

// added adds a host and waits until it is answered.
func (o *opened) added(host string) error {
	if err := o.add(host); err != nil {
		return err
	}
	return o.awaitHost(host)
}
