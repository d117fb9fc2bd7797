package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"net/url"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/berthhq/berth/router"
)

// berthDoor is ours: the router behind its server, as the daemon has them.
var berthDoor = &door{
	name:    "berth",
	version: func(*lab) string { return "this commit" },
	open: func(l *lab, address string, hosts []string) *opened {
		control := l.address()
		p := l.start(l.doorCPU, ourselves("berth", address, control, l.app, l.cert, l.key, strconv.Itoa(len(hosts))))
		return &opened{pinned: p, address: address, control: control, add: func(host string) error {
			return postJSON("http://"+control+"/add?host="+url.QueryEscape(host), nil)
		}}
	},
}

// floorDoor is what Go's standard library has.
var floorDoor = &door{
	name:    "go",
	version: func(*lab) string { return "httputil.ReverseProxy, " + runtime.Version() },
	open: func(l *lab, address string, hosts []string) *opened {
		return &opened{pinned: l.start(l.doorCPU, ourselves("go", address, l.app, l.cert, l.key)), address: address}
	},
}

func benchTLS(cert, key string) *tls.Config {
	pair := must(tls.LoadX509KeyPair(cert, key))
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
}

// serveBerth also takes orders, at an address of its own: to serve one more
// host, and to say how its time is spent and what its table weighs.
func serveBerth(args []string) error {
	address, control, app, cert, key := args[0], args[1], args[2], args[3], args[4]
	hosts := must(strconv.Atoi(args[5]))
	secure, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	routes := router.New(nil)
	for _, host := range benchHosts(hosts) {
		if _, err := routes.Swap(benchService(host, app)); err != nil {
			return err
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/heap", pprof.Index)
	mux.HandleFunc("/add", func(w http.ResponseWriter, q *http.Request) {
		begun := time.Now()
		if _, err := routes.Swap(benchService(q.FormValue("host"), app)); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		fmt.Fprint(w, time.Since(begun).Nanoseconds())
	})
	mux.HandleFunc("/fill", func(w http.ResponseWriter, q *http.Request) {
		_ = json.NewEncoder(w).Encode(fill(must(strconv.Atoi(q.FormValue("hosts"))), app)) // to the benchmark
	})
	go func() { fmt.Fprintln(os.Stderr, http.ListenAndServe(control, mux)) }()

	server := &router.Server{HTTPS: secure, TLS: benchTLS(cert, key), Secure: routes}
	return server.Serve(context.Background())
}

func benchService(host, app string) router.Service {
	return router.Service{Name: host, Hosts: []string{host}, Targets: []string{app}}
}

// A filling says what a table of so many hosts costs.
type filling struct {
	Hosts int
	Bytes int64
	Took  time.Duration
	Swap  time.Duration // of one more host, on average of a hundred
}

// fill fills a table. It gives up after a minute.
func fill(hosts int, app string) (f filling) {
	names := benchHosts(hosts + 100)
	before := heapHeld()
	routes, begun := router.New(nil), time.Now()
	for _, host := range names[:hosts] {
		if _, err := routes.Swap(benchService(host, app)); err != nil || time.Since(begun) > time.Minute {
			break
		}
		f.Hosts++
	}
	f.Took, f.Bytes = time.Since(begun), heapHeld()-before
	begun = time.Now()
	for _, host := range names[hosts:] {
		_ = must(routes.Swap(benchService(host, app)))
	}
	f.Swap = time.Since(begun) / 100
	runtime.KeepAlive(names)
	return f
}

func heapHeld() int64 {
	runtime.GC()         // what pools hold is dropped by the second
	debug.FreeOSMemory() // which this is
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
