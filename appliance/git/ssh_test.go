package git_test

import (
	"crypto/ed25519"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gliderlabs/ssh"
	gossh "golang.org/x/crypto/ssh"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/git"
)

// A sshHost has the repositories of a host, behind SSH.
type sshHost struct {
	url  string // "ssh://git@127.0.0.1:port"
	name string // "[127.0.0.1]:port"

	mu      sync.Mutex // guards the fields below
	deploys string     // the public key that may fetch
	shown   []string   // the fingerprints of the keys that were shown
	ran     []string   // the commands
}

func (w *world) ssh() *sshHost {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	h := &sshHost{url: "ssh://git@" + l.Addr().String()}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	h.name = "[127.0.0.1]:" + port
	s := &ssh.Server{
		PublicKeyHandler: func(_ ssh.Context, key ssh.PublicKey) bool {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.shown = append(h.shown, gossh.FingerprintSHA256(key))
			return strings.HasPrefix(h.deploys, strings.TrimSpace(string(gossh.MarshalAuthorizedKey(key))))
		},
		Handler: func(s ssh.Session) {
			h.mu.Lock()
			h.ran = append(h.ran, s.RawCommand())
			h.mu.Unlock()
			args := s.Command()
			if len(args) != 2 || args[0] != "git-upload-pack" {
				s.Exit(1)
				return
			}
			cmd := exec.Command("git", "upload-pack", "--strict", filepath.Join(w.path("host"), filepath.Base(args[1])))
			cmd.Stdout, cmd.Stderr = s, s.Stderr()
			in, err := cmd.StdinPipe()
			if err != nil || cmd.Start() != nil {
				s.Exit(1)
				return
			}
			go func() { io.Copy(in, s); in.Close() }()
			if cmd.Wait() != nil {
				s.Exit(1)
			}
		},
	}
	_, key, err := ed25519.GenerateKey(nil)
	w.must(err)
	signer, err := gossh.NewSignerFromKey(key)
	w.must(err)
	s.AddHostKey(signer)
	go s.Serve(l) // until Close
	w.t.Cleanup(func() { s.Close() })
	return h
}

// known are the keys that the host shows, as git:allow-host finds them.
func (h *sshHost) known(t *testing.T) map[string][]string {
	t.Helper()
	keys, err := anywhere.HostKeys(t.Context(), h.name)
	if err != nil || len(keys) != 1 || keys[0].Type != "ssh-ed25519" || !strings.HasPrefix(keys[0].Fingerprint, "SHA256:") {
		t.Fatalf("host keys = %v, %v, want its one key", keys, err)
	}
	return map[string][]string{h.name: {keys[0].Line}}
}

func newKey(t *testing.T) git.DeployKey {
	t.Helper()
	key, err := git.NewDeployKey("berth@blog.example.org")
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestFetchShowsTheDeployKeyAndNoOther(t *testing.T) {
	w := newWorld(t)
	first := w.smart().repo("app.git", map[string]string{"a": "1"})
	h, key := w.ssh(), newKey(t)
	h.deploys = key.Public
	// What ssh would use by itself, were it asked to.
	w.must(os.Mkdir(w.path(".ssh"), 0o700))
	w.must(os.WriteFile(w.path(".ssh", "id_ed25519"), []byte(newKey(t).Private), 0o600))
	w.must(os.WriteFile(w.path(".ssh", "config"), []byte("Host *\n\tProxyCommand touch "+w.path("pwned")+"\n"), 0o600))
	t.Setenv("HOME", w.dir)
	access := git.Access{Anywhere: true, Hosts: h.known(t), Keys: []string{key.Private}}

	got, err := w.incoming().Fetch(t.Context(), w.remote(h.url+"/app.git"), "main", access, limit)

	if err != nil || got != (git.Fetched{Commit: first, Branch: "main"}) {
		t.Fatalf("fetched %v, %v, want %s", got, err, first)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, shown := range h.shown {
		if shown != key.Fingerprint() {
			t.Errorf("it has shown %s, want only the deploy key %s", shown, key.Fingerprint())
		}
	}
	if len(h.ran) == 0 || h.ran[0] != "git-upload-pack '/app.git'" {
		t.Errorf("it ran %q there", h.ran)
	}
}

func TestSubmodulesAreFetchedWithTheDeployKey(t *testing.T) {
	w := newWorld(t)
	lib := w.smart().repo("lib.git", map[string]string{"l": "lib"})
	h, key := w.ssh(), newKey(t)
	h.deploys = key.Public
	access := git.Access{Anywhere: true, Hosts: h.known(t), Keys: []string{key.Private}}

	got := archived(t, func(b io.Writer) error {
		_, err := w.ArchiveSubmodule(t.Context(), git.Submodule{Path: "lib", URL: h.url + "/lib.git", Commit: lib}, access, limit, b)
		return err
	})

	if got["l"] != "lib" {
		t.Errorf("files = %v", got)
	}
}

func TestFetchOverSSHIsRefused(t *testing.T) {
	w := newWorld(t)
	w.smart().repo("app.git", map[string]string{"a": "1"})
	h, key := w.ssh(), newKey(t)
	h.deploys = key.Public
	known := h.known(t)
	impostor := map[string][]string{h.name: {strings.TrimSuffix(newKey(t).Public, " berth@blog.example.org")}}
	for name, tt := range map[string]struct {
		access     git.Access
		want, hint string
	}{
		"of a host that nobody has allowed": {git.Access{Anywhere: true, Keys: []string{key.Private}}, "is not known here", "git:allow-host 127.0.0.1:"},
		"of a host that shows another key":  {git.Access{Anywhere: true, Keys: []string{key.Private}, Hosts: impostor}, "another host key", "git:allow-host"},
		"without a deploy key":              {git.Access{Anywhere: true, Hosts: known}, "no deploy key", "git:generate-deploy-key"},
		"with a key that the host rejects":  {git.Access{Anywhere: true, Hosts: known, Keys: []string{newKey(t).Private}}, "", "git:public-key"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := w.incoming().Fetch(t.Context(), w.remote(h.url+"/app.git"), "main", tt.access, limit)

			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(appliance.HintOf(err), tt.hint) {
				t.Errorf("fetched %v, %v (%s), want %q and %q", got, err, appliance.HintOf(err), tt.want, tt.hint)
			}
		})
	}
}

// A name that an admin has not allowed could lead to this machine.
func TestHostKeysOfThisMachineAreForAdminsOnly(t *testing.T) {
	h := newWorld(t).ssh()

	_, err := git.Access{}.HostKeys(t.Context(), h.name)

	if _, ok := errors.AsType[*git.ReachError](err); !ok {
		t.Errorf("error = %v, want that it is refused", err)
	}
}

func TestAddressesThatReachThisMachineAreNoRemotes(t *testing.T) {
	for _, raw := range []string{
		"", "/etc", "./x", "../x", "x", "file:///etc", "FILE:///etc", "ext::sh -c id", "fd::0", "--upload-pack=id", "-oProxyCommand=id",
		"ssh://-oProxyCommand=id/x", "ssh://git@-x/y", "ssh://git:password@host/x", "ssh://a%20b@host/x", "git@-oProxyCommand=id:x", "git@host:-x",
		"https://", "https:///x", "https://host", "https://host/", "https:host/x", "https://ho st/x", "https://host/x\n", "https://host/x y",
		"https://host/x#main", "ftp://host/x", "git://host/x", "http::https://host/x", "https://host/" + strings.Repeat("x", 3000),
	} {
		if r, err := git.ParseRemote(raw); !errors.Is(err, appliance.ErrInvalid) || appliance.HintOf(err) == "" {
			t.Errorf("%.80q: %v, %v, want ErrInvalid with what to do", raw, r, err)
		}
	}
	for raw, want := range map[string]string{
		"https://ada:hunter2@host/x.git":  "https://host/x.git",
		"https://token@host:8443/a/x.git": "https://host:8443/a/x.git",
		"git@host:a/x.git":                "git@host:a/x.git",
		"ssh://git@host:2222/a/x.git":     "ssh://git@host:2222/a/x.git",
		"https://[2001:db8::1]:3000/x":    "https://[2001:db8::1]:3000/x",
	} {
		if r, err := git.ParseRemote(raw); err != nil || r.String() != want {
			t.Errorf("%s: %v, %v, want %s", raw, r, err, want)
		}
	}
	_, err := git.ParseRemote("https://ada:hunter2@host/x#y")
	if _, err2 := git.ParseRemote("ext::https://ada:hunter2@host/x"); err == nil || err2 == nil || strings.Contains(err.Error()+err2.Error(), "hunter2") {
		t.Errorf("errors = %v, %v, want none with the password", err, err2)
	}
}

func TestHostNames(t *testing.T) {
	for raw, want := range map[string]string{
		"github.com": "github.com", "git.example.org:2222": "[git.example.org]:2222", "git.example.org:22": "git.example.org", "192.0.2.1": "192.0.2.1",
	} {
		if got, err := git.ParseHost(raw); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", raw, got, err, want)
		}
	}
	for _, raw := range []string{"", "-x", "a b", "a/b", "user@host", "host:x", "host:99999999", "https://host", "a\nb"} {
		if got, err := git.ParseHost(raw); err == nil {
			t.Errorf("%q: %q, want an error", raw, got)
		}
	}
}
