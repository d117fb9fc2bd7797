package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A doorLoad asks for something of a door: as fast as it goes, which says what a
// request costs, or at a rate that is the same for all, which says how long it
// takes.
type doorLoad interface {
	full(o *opened, seconds int) (done int)
	paced(o *opened, seconds, rate int) (took []time.Duration)
}

// loaded runs a load generator on its processor and returns what it printed.
func (l *lab) loaded(cmd *exec.Cmd) string {
	l.Helper()
	var out, said bytes.Buffer
	argv := append([]string{"taskset", "-c", l.loadCPU}, cmd.Args...)
	run := exec.Command(argv[0], argv[1:]...)
	run.Stdin, run.Stdout, run.Stderr = cmd.Stdin, &out, &said
	if err := run.Run(); err != nil {
		l.Fatalf("%v: %v\n%s%s", cmd.Args, err, out.String(), said.String())
	}
	return out.String()
}

// counted finds a number in what a generator printed.
func (l *lab) counted(out, pattern string) int {
	l.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(out)
	if found == nil {
		l.Fatalf("the load generator printed no %s:\n%s", pattern, out)
	}
	return must(strconv.Atoi(found[1]))
}

// wrkLoad is HTTP/1.1 by wrk; h2load does what needs a rate.
type wrkLoad struct {
	path        string
	connections int
}

func (w wrkLoad) full(o *opened, seconds int) int {
	o.lab.Helper()
	out := o.lab.loaded(exec.Command("wrk", "-t1", "-c"+strconv.Itoa(w.connections), "-d"+strconv.Itoa(seconds)+"s", o.url(w.path)))
	if strings.Contains(out, "Non-2xx") || strings.Contains(out, "Socket errors") {
		o.lab.Logf("%s: %s", o.name, out)
	}
	return o.lab.counted(out, `(\d+) requests in`)
}

func (w wrkLoad) paced(o *opened, seconds, rate int) []time.Duration {
	o.lab.Helper()
	return h2load{path: w.path, connections: min(w.connections, 32), streams: 1, flags: []string{"--h1"}}.paced(o, seconds, rate)
}

// h2load is HTTP/2, with several requests under way on each connection.
type h2load struct {
	path                 string
	connections, streams int
	flags                []string
}

func (h h2load) full(o *opened, seconds int) int {
	o.lab.Helper()
	out := o.lab.loaded(exec.Command("h2load", h.args(o, seconds)...))
	if failed := o.lab.counted(out, ` (\d+) failed`); failed > 0 {
		o.lab.Logf("%s: %s", o.name, out)
	}
	return o.lab.counted(out, ` (\d+) succeeded`)
}

func (h h2load) args(o *opened, seconds int) []string {
	return append(h.flags, "-t1", "-c"+strconv.Itoa(h.connections), "-m"+strconv.Itoa(h.streams), "-D"+strconv.Itoa(seconds), o.url(h.path))
}

// paced reads each request's time from h2load's log: start, status, duration.
func (h h2load) paced(o *opened, seconds, rate int) (took []time.Duration) {
	o.lab.Helper()
	log := filepath.Join(o.lab.dir, "requests")
	_ = os.Remove(log) // of the one before
	each := fmt.Sprintf("--rps=%g", float64(rate)/float64(h.connections))
	o.lab.loaded(exec.Command("h2load", append([]string{"--log-file=" + log, each}, h.args(o, seconds)...)...))
	text, err := os.ReadFile(log)
	if err != nil {
		o.lab.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 3 || fields[1] != "200" {
			o.lab.Logf("%s: h2load's log has %q", o.name, line)
			continue
		}
		took = append(took, time.Duration(must(strconv.Atoi(fields[2])))*time.Microsecond)
	}
	return took
}

// handshakes are connections with one request each. No session is resumed.
type handshakes struct{ atOnce int }

// full lets them come by h2load in crowds, one crowd after the other, and each
// speaks HTTP/2 as browsers do.
func (h handshakes) full(o *opened, seconds int) (done int) {
	o.lab.Helper()
	n := strconv.Itoa(h.atOnce)
	for begun := time.Now(); time.Since(begun) < time.Duration(seconds)*time.Second; {
		out := o.lab.loaded(exec.Command("h2load", "-t1", "-m1", "-n"+n, "-c"+n, o.url("/1k")))
		done += o.lab.counted(out, ` (\d+) succeeded`)
	}
	return done
}

// paced counts from the first packet to the last, which h2load does not.
func (h handshakes) paced(o *opened, seconds, rate int) []time.Duration {
	o.lab.Helper()
	return ownLoad{"handshake", 16}.paced(o, seconds, rate)
}

// ownLoad is by our own visitors.
type ownLoad struct {
	kind        string
	connections int
}

func (v ownLoad) full(o *opened, seconds int) int {
	o.lab.Helper()
	return v.run(o, seconds, 0).Done
}

func (v ownLoad) paced(o *opened, seconds, rate int) []time.Duration {
	o.lab.Helper()
	return v.run(o, seconds, rate).Took
}

func (v ownLoad) run(o *opened, seconds, rate int) visitation {
	o.lab.Helper()
	hold, end := must2(os.Pipe())
	defer hold.Close()
	defer end.Close() // visitors leave when their stdin ends
	cmd := v.command(o, rate, "-limit", fmt.Sprint(seconds, "s"))
	cmd.Stdin = hold
	return o.visited(o.lab.loaded(cmd))
}

func (v ownLoad) command(o *opened, rate int, more ...string) *exec.Cmd {
	args := append([]string{o.lab.alias(must(os.Executable())), "visit", "-kind", v.kind, "-address", o.address,
		"-connections", strconv.Itoa(v.connections), "-rate", strconv.Itoa(rate)}, more...)
	return exec.Command(args[0], args[1:]...)
}

func (o *opened) visited(out string) (sum visitation) {
	o.lab.Helper()
	if err := json.Unmarshal([]byte(out), &sum); err != nil {
		o.lab.Fatalf("our visitors printed %q: %v", out, err)
	}
	if len(sum.Failed) > 0 {
		o.lab.Logf("%s: visitors failed: %q", o.name, sum.Failed)
	}
	return sum
}

// url has the name of the host, as that is what wrk and h2load say by SNI.
func (o *opened) url(path string) string {
	_, port, _ := strings.Cut(o.address, ":")
	return "https://" + benchHost + ":" + port + path
}

// quantile of times that are sorted.
func quantile(took []time.Duration, q float64) time.Duration {
	if len(took) == 0 {
		return 0
	}
	return took[min(len(took)-1, int(q*float64(len(took))))]
}

func sorted(took []time.Duration) []time.Duration {
	slices.Sort(took)
	return took
}

func must2[A, B any](a A, b B, err error) (A, B) {
	if err != nil {
		panic(err)
	}
	return a, b
}
