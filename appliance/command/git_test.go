package command_test

import (
	"archive/tar"
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/gliderlabs/ssh"
	gossh "golang.org/x/crypto/ssh"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/command"
	"github.com/berthhq/berth/appliance/enginetest"
	"github.com/berthhq/berth/appliance/pipeline"
)

// source is an archive that the engine can build.
func source(t *testing.T, program string) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	content := "FROM scratch\nCMD [\"" + program + "\"]\n"
	if err := w.WriteHeader(&tar.Header{Name: "Dockerfile", Mode: 0o644, Size: int64(len(content))}); err != nil {
		t.Fatal(err)
	}
	w.Write([]byte(content)) // into memory
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestMemberDeploysAnArchiveFromStdin(t *testing.T) {
	w := newWorld(t)

	r := w.runWith(source(t, enginetest.Program), bob, "git:from-archive", "blog", "--", "Camila", "camila@example.com")

	if r.err != nil || !strings.Contains(r.stdout, "-----> Fetching archive from stdin\n-----> Generating build context\n") {
		t.Fatalf("%v\n%s", r.err, r.stdout)
	}
	status := w.ok("git:status", "blog")
	if !strings.HasPrefix(status, "=====> blog git status\n       Branch:                        main\n       Commit:") || !strings.Contains(status, "v1") {
		t.Errorf("git:status:\n%s", status)
	}
	var report map[string]string
	w.must(json.Unmarshal([]byte(w.ok("git:report", "blog", "--format", "json")), &report))
	if report["git-branch"] != "main" || len(report["git-sha"]) != 40 || report["git-last-updated-at"] == "" || report["git-computed-archive-max-files"] != "10000" {
		t.Errorf("git:report: %v", report)
	}
}

func TestFromArchiveAsksForWhatIsMissing(t *testing.T) {
	w := newWorld(t)
	for want, line := range map[string]string{
		"is missing":           "git:from-archive blog",
		"invalid archive URL":  "git:from-archive blog /etc/passwd",
		"invalid archive type": "git:from-archive blog -- --archive-type rar",
		"invalid git user":     "git:from-archive blog -- a<b c",
		"a directory of the":   "git:from-image blog node:24 --build-dir /root",
		"invalid image":        "git:from-image blog -x",
		"invalid address":      "git:sync blog file:///etc",
	} {
		args := strings.Fields(line)
		if want == "invalid archive type" {
			args = []string{"git:from-archive", "--archive-type", "rar", "blog", "--"}
		}
		if want == "invalid image" {
			args = []string{"git:from-image", "blog", "a b\nRUN id"}
		}
		r := w.run(bob, args...)
		if r.err == nil || !strings.Contains(r.err.Error(), want) || errors.Is(r.err, appliance.ErrDenied) {
			t.Errorf("%q: %v, want %q", args, r.err, want)
		}
	}
}

func TestGitSetChecksWhatItIsGiven(t *testing.T) {
	w := newWorld(t)
	for line, ok := range map[string]bool{
		"deploy-branch release/2": true, "deploy-branch ../x": false, "keep-git-dir true": true, "keep-git-dir yes": false,
		"rev-env-var COMMIT": true, "rev-env-var 1X": false, "no-such x": false,
	} {
		if r := w.run(bob, append([]string{"git:set", "blog"}, strings.Fields(line)...)...); (r.err == nil) != ok {
			t.Errorf("git:set blog %s: %v, want it to be right: %v", line, r.err, ok)
		}
	}
	for _, property := range []string{"archive-max-size", "archive-max-files", "push-max-size", "push-max-files"} {
		if r := w.run(bob, "git:set", "blog", property, "1"); !errors.Is(r.err, appliance.ErrDenied) {
			t.Errorf("%s by a member: %v, want ErrDenied: it protects the machine", property, r.err)
		}
		for _, value := range []string{"0", "-1", "1GiB", "99999999999999999999"} {
			if r := w.run(ada, "git:set", "blog", property, value); !errors.Is(r.err, appliance.ErrInvalid) && !errors.Is(r.err, command.ErrUsage) {
				t.Errorf("%s %s: %v, want ErrInvalid", property, value, r.err)
			}
		}
	}
	w.ok("git:set", "--global", "archive-max-size", "1000")
	w.ok("git:set", "api", "archive-max-size", "2000")
	for app, want := range map[appliance.AppName]string{"blog": "1000", "api": "2000"} {
		if got, err := w.Property(t.Context(), app, pipeline.ArchiveMaxSizeSetting); got != want || err != nil {
			t.Errorf("archive-max-size of %s = %s, %v, want %s", app, got, err, want)
		}
	}
	if out := w.ok("git:set", "blog", "rev-env-var", ""); out != "=====> Setting rev-env-var of blog to \n" {
		t.Errorf("git:set rev-env-var \"\": %q", out)
	}
	if got, _ := w.Property(t.Context(), "blog", pipeline.RevEnvVarSetting); got != pipeline.NoRevEnvVar {
		t.Errorf("rev-env-var = %q, want none", got)
	}
	w.ok("git:set", "blog", "rev-env-var")
	if got, _ := w.Property(t.Context(), "blog", pipeline.RevEnvVarSetting); got != "GIT_REV" {
		t.Errorf("rev-env-var = %q, want the default", got)
	}
}

func TestLoginIsKeptAndShownToNobody(t *testing.T) {
	w := newWorld(t)

	out := w.ok("git:auth", "github.com", "ada", "hunter2")
	if r := w.runWith("hunter3\n", ada, "git:auth", "--app", "blog", "github.com", "bob"); r.err != nil {
		t.Fatal(r.err)
	}

	if out != "-----> Setting netrc auth entry for host github.com\n" {
		t.Errorf("git:auth: %q", out)
	}
	for line, matches := range map[string]bool{
		"github.com ada hunter2": true, "github.com ada hunter3": false, "github.com": false, "gitlab.com": true,
		"--app blog github.com bob hunter3": true, "--app api github.com": true,
	} {
		if r := w.run(ada, append([]string{"git:auth-status"}, strings.Fields(line)...)...); (r.err == nil) != matches {
			t.Errorf("git:auth-status %s: %v, want a match: %v", line, r.err, matches)
		}
	}
	w.ok("git:auth", "github.com")
	if r := w.run(ada, "git:auth-status", "github.com"); r.err != nil {
		t.Errorf("after it was removed: %v", r.err)
	}
	w.run(ada, "git:auth", "github.com", "ada", "--hunter2")
	w.run(ada, "git:auth", "https://ada:hunter2@github.com")
	w.run(ada, "git:auth", "a b", "ada", "hunter2")
	w.run(bob, "git:sync", "blog", "https://ada:hunter2@127.0.0.1:1/x")
	w.run(bob, "git:sync", "blog", "ext::https://ada:hunter2@host/x")
	w.run(bob, "git:from-archive", "blog", "https://ada:hunter2@127.0.0.1:1/x.tar?token=hunter2")
	events, err := w.Store.Events(t.Context(), "", -1)
	w.must(err)
	for _, e := range events {
		if strings.Contains(e.Detail+e.Error, "hunter") {
			t.Errorf("event = %+v has the password", e)
		}
	}
	if r := w.run(ada, "git:auth", "github.com", "ada"); r.err == nil || appliance.HintOf(r.err) == "" {
		t.Errorf("without a password: %v", r.err)
	}
}

func TestDeployKeyIsMadeOnce(t *testing.T) {
	w := newWorld(t)
	if r := w.run(ada, "git:public-key", "blog"); !errors.Is(r.err, appliance.ErrNotFound) || !strings.Contains(appliance.HintOf(r.err), "git:generate-deploy-key blog") {
		t.Errorf("git:public-key before there is one: %v (%s)", r.err, appliance.HintOf(r.err))
	}

	out := w.ok("git:generate-deploy-key", "blog")
	public := w.ok("git:public-key", "blog")
	again := w.run(ada, "git:generate-deploy-key", "blog")
	w.ok("git:generate-deploy-key")

	key, comment, _, _, err := gossh.ParseAuthorizedKey([]byte(public))
	if err != nil || comment != "berth@blog.localhost" || !strings.Contains(out, gossh.FingerprintSHA256(key)) || strings.Contains(out, "PRIVATE") {
		t.Errorf("%v: key of %q\n%s", err, comment, out)
	}
	if again.err != nil || !strings.Contains(again.stderr, "already exists") || w.ok("git:public-key", "blog") != public {
		t.Errorf("the second time: %v %q", again.err, again.stderr)
	}
	if w.ok("git:public-key") == public {
		t.Error("the machine has the key of the app")
	}
	if report := w.ok("git:report", "blog"); !strings.Contains(report, strings.TrimSpace(public)) || strings.Contains(report, "PRIVATE") {
		t.Errorf("git:report:\n%s", report)
	}
}

func TestAllowHostKeepsTheKeyThatTheHostShows(t *testing.T) {
	w := newWorld(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	_, private, err := ed25519.GenerateKey(nil)
	w.must(err)
	signer, err := gossh.NewSignerFromKey(private)
	w.must(err)
	s := &ssh.Server{Handler: func(ssh.Session) {}}
	s.AddHostKey(signer)
	go s.Serve(l) // until Close
	t.Cleanup(func() { s.Close() })
	host := "[127.0.0.1]:" + strings.TrimPrefix(l.Addr().String(), "127.0.0.1:")

	out := w.ok("git:allow-host", l.Addr().String())

	fingerprint := gossh.FingerprintSHA256(signer.PublicKey())
	if out != "       "+fingerprint+" ssh-ed25519\n-----> "+host+" added to known hosts\n" {
		t.Errorf("git:allow-host:\n%s", out)
	}
	w.ok("git:allow-host", "--no-ssh", "git.example.org")
	hosts, err := pipeline.Kept[map[string][]string](t.Context(), w.Pipeline, "", pipeline.AllowedHostsSetting)
	if err != nil || len(hosts) != 2 || len(hosts[host]) != 1 || len(hosts["git.example.org"]) != 0 {
		t.Errorf("hosts = %v, %v", hosts, err)
	}
	if r := w.run(ada, "git:allow-host", "127.0.0.1:1"); r.err == nil || !strings.Contains(appliance.HintOf(r.err), "--no-ssh") {
		t.Errorf("a host without SSH: %v (%s)", r.err, appliance.HintOf(r.err))
	}
}
