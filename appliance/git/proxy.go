package git

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"
)

func asReach(err error) bool {
	_, ok := errors.AsType[*ReachError](err)
	return ok
}

// HTTP returns a client that reaches what access does.
func (a Access) HTTP() *http.Client {
	return &http.Client{Transport: a.transport()}
}

// transport goes through the machine's own proxy if it has one. What a name
// leads to is for that to say; what we can see is not reached through it.
func (a Access) transport() *http.Transport {
	return &http.Transport{
		Proxy: func(r *http.Request) (*url.URL, error) {
			proxy, err := http.ProxyFromEnvironment(r)
			if proxy != nil && err == nil {
				err = a.visible(r.Context(), r.URL.Hostname())
			}
			return proxy, err
		},
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if isProxy(addr) {
				return (&net.Dialer{}).DialContext(ctx, network, addr)
			}
			return a.Dial(ctx, network, addr)
		},
		TLSHandshakeTimeout:   30 * time.Second,
		ResponseHeaderTimeout: time.Minute,
		ForceAttemptHTTP2:     true,
	}
}

// visible returns a ReachError for a host that we can see is not to be
// reached.
func (a Access) visible(ctx context.Context, host string) error {
	_, err := a.resolve(ctx, host)
	if asReach(err) {
		return err
	}
	return nil
}

// isProxy tells whether addr is the machine's own proxy.
func isProxy(addr string) bool {
	for _, scheme := range []string{"http", "https"} {
		r := &http.Request{URL: &url.URL{Scheme: scheme, Host: "proxy.invalid"}}
		if p, err := http.ProxyFromEnvironment(r); err == nil && p != nil && hostPort(p) == addr {
			return true
		}
	}
	return false
}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// A guard is a proxy for one git, through which it reaches what it may: git
// itself would follow a name, or a redirect, to any address.
type guard struct {
	access Access
	token  string
	http.Server

	mu      sync.Mutex // guards refused
	refused error      // the last that was not reached
}

// guarded starts a guard. It returns what the environment of the git says
// about it.
func (a Access) guarded() (*guard, []string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	g := &guard{access: a, token: rand.Text()}
	g.Handler, g.ReadHeaderTimeout = g, time.Minute
	go g.Serve(l) // until Close
	address := (&url.URL{Scheme: "http", User: url.UserPassword("git", g.token), Host: l.Addr().String()}).String()
	var env []string
	for _, name := range []string{"http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"} {
		env = append(env, name+"="+address)
	}
	return g, append(env, "no_proxy=", "NO_PROXY="), nil
}

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte("git:"+g.token))
	if r.Header.Get("Proxy-Authorization") != want {
		w.Header().Set("Proxy-Authenticate", `Basic realm="berth"`)
		http.Error(w, "not for you", http.StatusProxyAuthRequired)
		return
	}
	if r.Method == http.MethodConnect {
		g.connect(w, r)
		return
	}
	proxy := httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.Out.Host = r.In.Host },
		Transport:     g.access.transport(),
		FlushInterval: -1,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			g.refuse(w, err)
		},
	}
	proxy.ServeHTTP(w, r)
}

func (g *guard) refuse(w http.ResponseWriter, err error) {
	status := http.StatusBadGateway
	if asReach(err) {
		status = http.StatusForbidden
		g.mu.Lock()
		defer g.mu.Unlock()
		g.refused = err
	}
	http.Error(w, err.Error(), status)
}

// why returns what was refused, or else err.
func (g *guard) why(err error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil && g.refused != nil {
		return g.refused
	}
	return err
}

// connect serves what git talks TLS through.
func (g *guard) connect(w http.ResponseWriter, r *http.Request) {
	far, err := g.tunnel(r.Context(), r.Host)
	if err != nil {
		g.refuse(w, err)
		return
	}
	defer far.Close()
	near, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return // it has hung up
	}
	defer near.Close()
	io.WriteString(near, "HTTP/1.1 200 OK\r\n\r\n") // if it fails, so does what follows
	done := make(chan struct{}, 2)
	join := func(to net.Conn, from io.Reader) {
		io.Copy(to, from) // either side may hang up
		done <- struct{}{}
	}
	go join(far, buffered)
	go join(near, far)
	<-done
	near.Close()
	far.Close()
	<-done
}

// tunnel connects to addr, through the machine's own proxy if it has one.
func (g *guard) tunnel(ctx context.Context, addr string) (net.Conn, error) {
	asked := (&http.Request{URL: &url.URL{Scheme: "https", Host: addr}}).WithContext(ctx)
	proxy, err := g.access.transport().Proxy(asked)
	if err != nil || proxy == nil {
		if err == nil {
			return g.access.Dial(ctx, "tcp", addr)
		}
		return nil, err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", hostPort(proxy))
	if err != nil {
		return nil, err
	}
	if proxy.Scheme == "https" {
		conn = tls.Client(conn, &tls.Config{ServerName: proxy.Hostname()})
	}
	connect := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: addr}, Host: addr, Header: http.Header{}}
	if u := proxy.User; u != nil {
		password, _ := u.Password()
		connect.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.Username()+":"+password)))
	}
	if err := connect.Write(conn); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	answers := bufio.NewReader(conn)
	answer, err := http.ReadResponse(answers, connect)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("the machine's proxy answers %s", answer.Status)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &readFirst{conn, answers}, nil
}

// A readFirst is a connection of which something has been read already.
type readFirst struct {
	net.Conn
	first io.Reader
}

func (c *readFirst) Read(p []byte) (int, error) { return c.first.Read(p) }
