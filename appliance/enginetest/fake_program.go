package enginetest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/berthhq/berth/appliance"
)

// statusKilled is the status of what SIGKILL ended.
const statusKilled = 137

// A simulation is a process of the test program that is none.
type simulation struct {
	args      []string
	env       []string
	container *container
	stdin     io.Reader
	out       io.Writer
	errs      io.Writer // stderr; out if nil
	terminal  *appliance.Terminal
	told      <-chan struct{} // it is told to finish
	exits     <-chan int      // it ends by itself
	listens   func(netip.AddrPort)
	resolve   func(host string) string // the address of another process, or ""
}

// simulate does what the test program would do, until that ends or ctx does.
func simulate(ctx context.Context, s simulation) (status int) {
	if s.errs == nil || s.terminal != nil {
		s.errs = s.out
	}
	if s.stdin == nil {
		s.stdin = strings.NewReader("")
	}
	mode, args := "serve", []string(nil)
	if len(s.args) > 1 && s.args[0] == Program {
		mode, args = s.args[1], s.args[2:]
	}
	switch mode {
	case "say":
		for i, line := range args[1:] {
			fmt.Fprintln([]io.Writer{s.out, s.errs}[i%2], line)
		}
		status, _ = strconv.Atoi(args[0])
	case "env":
		fmt.Fprintln(s.out, strings.Join(s.env, "\n"))
	case "cat":
		_, _ = io.Copy(s.out, s.stdin)
	case "both":
		_, _ = io.Copy(io.MultiWriter(s.out, s.errs), s.stdin)
	case "terminal":
		s.talk(ctx)
	case "mourn":
		fmt.Fprintln(s.out, "waiting")
		<-ctx.Done()
		s.container.write(args[0], "hung up")
	case "read":
		content, ok := s.container.read(args[0])
		if !ok {
			fmt.Fprintf(s.out, "open %s: no such file\n", args[0])
			return 1
		}
		fmt.Fprintln(s.out, content)
	case "write":
		s.container.write(args[0], args[1])
	case "eat":
		return statusKilled
	case "relapse":
		lives, _ := s.container.read("/lives")
		if len(lives) == 2 {
			return s.serve(ctx, mode)
		}
		s.container.write("/lives", lives+"|")
		return statusKilled
	case "get":
		return s.get(ctx, args[0])
	default:
		return s.serve(ctx, mode)
	}
	return status
}

// talk says how large its terminal is, and repeats what is typed.
func (s simulation) talk(ctx context.Context) {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for typed := bufio.NewScanner(s.stdin); typed.Scan() && typed.Text() != appliance.EndOfInput; {
			select {
			case lines <- typed.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	var sizes <-chan appliance.Size
	if s.terminal == nil {
		fmt.Fprintln(s.out, "no terminal")
	} else if sizes = s.terminal.Sizes; sizes == nil {
		fmt.Fprintln(s.out, s.terminal.Name, "0 rows 0 columns")
	}
	for {
		select {
		case size := <-sizes:
			fmt.Fprintln(s.out, s.terminal.Name, size.Rows, "rows", size.Columns, "columns")
		case line, more := <-lines:
			if !more {
				fmt.Fprintln(s.out, "end of input")
				return
			}
			fmt.Fprintln(s.out, "typed", line)
		case <-ctx.Done():
			return
		}
	}
}

// get asks another process.
func (s simulation) get(ctx context.Context, address string) int {
	u, err := url.Parse(address)
	if err == nil && s.resolve != nil {
		if host := s.resolve(u.Hostname()); host != "" {
			u.Host = host
			if body, ok := ask(ctx, u.String()); ok {
				fmt.Fprint(s.out, body)
				return 0
			}
		}
	}
	fmt.Fprintln(s.out, "no answer from", address)
	return 1
}

func ask(ctx context.Context, address string) (body string, ok bool) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", false
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", false
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	return string(content), err == nil
}

// serve waits, as a server does. What answers is fakeProcess.listen's.
func (s simulation) serve(ctx context.Context, mode string) int {
	wait, _ := time.ParseDuration(lookup(s.env, "READY_AFTER"))
	ready := time.After(wait)
	told := s.told
	if mode == "deaf" {
		told = nil
	}
	for {
		select {
		case <-ready:
			a := netip.AddrPortFrom(netip.IPv6Unspecified(), port(s.env))
			if mode == "loopback" {
				a = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port(s.env))
			}
			if s.listens != nil {
				s.listens(a)
			}
			fmt.Fprintln(s.out, "listening on", a)
		case <-told:
			fmt.Fprintln(s.out, "told to finish")
			return 0
		case status := <-s.exits:
			return status
		case <-ctx.Done():
			return statusKilled
		}
	}
}

// listen gives a process with a port an address of this machine, and answers
// there while it listens. What it returns ends that.
func (p *fakeProcess) listen() (end func()) {
	if p.spec.Port == 0 {
		return func() {}
	}
	if p.fake.Addr != "" {
		p.addr = p.fake.Addr
		return func() {}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return func() {} // it is not reached, as the real one would not be
	}
	p.addr = l.Addr().String()
	env := merge(p.image.env, p.spec.Env)
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "hello", lookup(env, "GREETING"))
	})
	mux.HandleFunc("/env", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, strings.Join(env, "\n"))
	})
	mux.HandleFunc("/exit/{status}", func(w http.ResponseWriter, r *http.Request) {
		status, _ := strconv.Atoi(r.PathValue("status"))
		p.exit(status)
		panic(http.ErrAbortHandler)
	})
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Whoever asks before it listens, when it has ended, or from
		// outside of its loopback, gets no answer.
		if !p.reachable() {
			panic(http.ErrAbortHandler)
		}
		mux.ServeHTTP(w, r)
	})}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l) // ends with Close
	}()
	return func() {
		_ = server.Close()
		<-served
	}
}

func (p *fakeProcess) reachable() bool {
	p.fake.mu.Lock()
	defer p.fake.mu.Unlock()
	return len(p.listening) == 1 && p.listening[0].Addr().IsUnspecified()
}

func lookup(env []string, key string) string {
	for _, kv := range env {
		if k, v, _ := strings.Cut(kv, "="); k == key {
			return v
		}
	}
	return ""
}

func port(env []string) uint16 {
	n, err := strconv.ParseUint(lookup(env, "PORT"), 10, 16)
	if err != nil {
		return 8080
	}
	return uint16(n)
}
