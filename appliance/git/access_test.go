package git_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/git"
)

// Whoever may work on one app could have the appliance ask what only the
// machine itself can reach: Docker, a database, a cloud's metadata.
func TestAddressesThatAreNotPublicAreForAdminsOnly(t *testing.T) {
	own, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	addrs := []string{
		"127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "172.17.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
		"192.0.0.8", "198.18.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1",
		"::1", "::", "fe80::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1",
		"64:ff9b::7f00:1", "2002:7f00:1::", "fec0::1",
	}
	for _, a := range own {
		addrs = append(addrs, a.(*net.IPNet).IP.String())
	}
	for _, addr := range addrs {
		_, err := git.Access{}.Dial(t.Context(), "tcp", net.JoinHostPort(addr, "9"))

		if _, ok := errors.AsType[*git.ReachError](err); !ok || !strings.Contains(appliance.HintOf(err), "git:allow-host "+addr) {
			t.Errorf("%s: %v (%s), want that it is refused", addr, err, appliance.HintOf(err))
		}
	}
	for _, addr := range []string{"1.1.1.1", "8.8.8.8", "2606:4700::1111", "192.0.1.1", "172.32.0.1"} {
		if err := git.Public(net.JoinHostPort(addr, "9")); err != nil {
			t.Errorf("%s: %v, want that it is public", addr, err)
		}
	}
}

func TestNameThatLeadsToThisMachineIsRefused(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	address := net.JoinHostPort("localhost", port)

	_, err := git.Access{}.Dial(t.Context(), "tcp", address)

	if _, ok := errors.AsType[*git.ReachError](err); !ok {
		t.Errorf("error = %v, want that it is refused", err)
	}
	for _, access := range []git.Access{{Anywhere: true}, {Hosts: map[string][]string{"localhost": nil}}, {Hosts: map[string][]string{"[LOCALHOST]:2222": nil}}} {
		conn, err := access.Dial(t.Context(), "tcp", address)
		if err != nil {
			t.Errorf("with %+v: %v, want that it is reached", access, err)
			continue
		}
		conn.Close()
	}
}

func TestHTTPClientIsNotSentOnToThisMachine(t *testing.T) {
	inner := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "secret") }))
	t.Cleanup(inner.Close)
	_, port, _ := net.SplitHostPort(inner.Listener.Addr().String())
	outer := httptest.NewServer(http.RedirectHandler("http://localhost:"+port+"/", http.StatusFound))
	t.Cleanup(outer.Close)

	answer, err := git.Access{Hosts: map[string][]string{"127.0.0.1": nil}}.HTTP().Get(outer.URL)

	if _, ok := errors.AsType[*git.ReachError](err); !ok {
		t.Errorf("answer = %v, %v, want that it is refused", answer, err)
	}
}

// Git follows redirects by itself, and takes names for what they are when it
// connects: it gets a proxy, through which it sees what we let it see.
func TestFetchForAMemberReachesOnlyWhatIsAllowed(t *testing.T) {
	w := newWorld(t)
	h := w.smart()
	lib := h.repo("lib.git", map[string]string{"l": "lib"})
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(h.url, "http://"))
	redirect := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		http.Redirect(rw, r, "http://localhost:"+port+r.URL.String(), http.StatusMovedPermanently)
	}))
	t.Cleanup(redirect.Close)
	allowed := git.Access{Hosts: map[string][]string{"127.0.0.1": nil}}
	for name, tt := range map[string]struct {
		url    string
		access git.Access
		want   bool
	}{
		"this machine":             {h.url, git.Access{}, false},
		"an allowed host":          {h.url, allowed, true},
		"a redirect":               {redirect.URL, allowed, false},
		"a redirect, for an admin": {redirect.URL, anywhere, true},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.ArchiveSubmodule(t.Context(), git.Submodule{Path: "lib", URL: tt.url + "/lib.git", Commit: lib}, tt.access, limit, io.Discard)

			if _, refused := errors.AsType[*git.ReachError](err); tt.want && err != nil || !tt.want && !refused {
				t.Errorf("error = %v, want it fetched: %v", err, tt.want)
			}
		})
	}
}

func TestFetchForAMemberGoesOverTLS(t *testing.T) {
	w := newWorld(t)
	h := w.smart()
	lib := h.repo("lib.git", map[string]string{"l": "lib"})
	s := httptest.NewTLSServer(h.handler)
	t.Cleanup(s.Close)
	w.must(os.WriteFile(w.path("ca.pem"), certificate(s), 0o644))
	t.Setenv("GIT_SSL_CAINFO", w.path("ca.pem"))
	access := git.Access{Hosts: map[string][]string{"127.0.0.1": nil}}

	if _, err := w.ArchiveSubmodule(t.Context(), git.Submodule{Path: "lib", URL: s.URL + "/lib.git", Commit: lib}, access, limit, io.Discard); err != nil {
		t.Errorf("error = %v", err)
	}
	_, err := w.ArchiveSubmodule(t.Context(), git.Submodule{Path: "lib", URL: s.URL + "/lib.git", Commit: lib}, git.Access{}, limit, io.Discard)
	if _, ok := errors.AsType[*git.ReachError](err); !ok {
		t.Errorf("error = %v, want that it is refused where it is not allowed", err)
	}
}
