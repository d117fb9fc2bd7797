package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance/await"
)

// testBase is a Debian with only its base packages; "bootstrap.sh test" makes
// it.
const testBase = "berth-test/base:debian-12"

// demoHost is where the demo app is on a machine without a public address.
const demoHost = "demo.localhost"

// A bare is a machine that has never seen the project: a container with
// network, process ids and a Docker of its own, whose first process is not
// systemd.
type bare struct {
	*testing.T
	id string
}

// newBare starts a machine from image and copies the checkout to its /src.
// boot is what its first process becomes.
func newBare(t *testing.T, image, boot string) *bare {
	t.Helper()
	if os.Getenv("BERTH_TEST_BOOTSTRAP") != "1" {
		t.Skip("takes long, and a Docker that gives most of its rights away: make test-bootstrap")
	}
	args := []string{"run", "--detach", "--hostname", "fresh", "--label", "berth.instance=berth-test",
		// A Docker inside needs a file system that is no overlay.
		"--volume", "/var/lib/docker", "--tmpfs", "/run:exec",
		"--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined", "--security-opt", "systempaths=unconfined",
		"--device-cgroup-rule", "a *:* rwm"}
	// All that --privileged gives, but for what the machine that runs the test
	// may not have itself.
	for c := range strings.FieldsSeq(`AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND CHOWN DAC_OVERRIDE
		DAC_READ_SEARCH FOWNER FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD
		NET_ADMIN NET_BIND_SERVICE NET_BROADCAST NET_RAW SETFCAP SETGID SETPCAP SETUID SYSLOG SYS_ADMIN SYS_BOOT
		SYS_CHROOT SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_TIME SYS_TTY_CONFIG WAKE_ALARM`) {
		args = append(args, "--cap-add", c)
	}
	// Docker's init script would mount what hierarchies the kernel has left,
	// and so change the machine that runs the test, did fstab not seem to.
	//
	// Control groups are there, but may only be read. In a second hierarchy's
	// own namespace, the first process is in the way of its children's limits.
	args = append(args, image, "sh", "-c", `
		echo 'cgroup /sys/fs/cgroup cgroup noauto 0 0' >>/etc/fstab
		mount -o remount,rw /sys
		mount -o remount,rw /sys/fs/cgroup
		if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
			mkdir /sys/fs/cgroup/first && echo 1 >/sys/fs/cgroup/first/cgroup.procs
			sed 's/^/+/; s/ / +/g' /sys/fs/cgroup/cgroup.controllers >/sys/fs/cgroup/cgroup.subtree_control
		else
			for group in /sys/fs/cgroup/*/; do mount -o remount,bind,rw "$group"; done
		fi
		exec `+boot)
	out, err := exec.Command("docker", args...).Output()
	if err != nil {
		t.Fatalf("start a machine from %s (sudo ./bootstrap.sh test makes it): %v", image, explained(err))
	}
	m := &bare{t, strings.TrimSpace(string(out))}
	t.Cleanup(func() {
		if out, err := exec.Command("docker", "rm", "--force", "--volumes", m.id).CombinedOutput(); err != nil {
			t.Errorf("remove the machine: %v\n%s", err, out)
		}
	})
	m.copyCheckout()
	return m
}

// copyCheckout copies what git knows or would add, its history, and the
// certificate authorities that the administrator of this machine has added.
func (m *bare) copyCheckout() {
	m.Helper()
	top := strings.TrimSpace(m.host(nil, "git", "rev-parse", "--show-toplevel"))
	files := m.host(nil, "git", "-C", top, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	tar := exec.Command("tar", "-C", top, "--ignore-failed-read", "--null", "--create", "--files-from", "-")
	tar.Stdin = strings.NewReader(files + ".git\x00")
	archive, err := tar.Output()
	if err != nil && len(archive) == 0 { // a file that git knows may have been removed
		m.Fatalf("pack the checkout: %v", explained(err))
	}
	m.must("mkdir -p /src /usr/local/share/ca-certificates")
	m.host(archive, "docker", "exec", "--interactive", m.id, "tar", "-C", "/src", "--extract")
	extra, err := filepath.Glob("/usr/local/share/ca-certificates/*.crt")
	if err != nil {
		m.Fatal(err)
	}
	for _, ca := range extra {
		m.host(nil, "docker", "cp", ca, m.id+":/usr/local/share/ca-certificates/")
	}
}

// host runs a command on this machine and returns what it prints.
func (m *bare) host(stdin []byte, argv ...string) string {
	m.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin = bytes.NewReader(stdin)
	out, err := cmd.Output()
	if err != nil {
		m.Fatalf("%s: %v", argv, explained(err))
	}
	return string(out)
}

// run runs a shell command on the bare machine and returns what it prints.
func (m *bare) run(script string) (string, error) {
	return m.runTo(io.Discard, script)
}

// runTo also shows what the script prints while it does.
func (m *bare) runTo(shown io.Writer, script string) (string, error) {
	var out bytes.Buffer
	cmd := exec.Command("docker", "exec", m.id, "bash", "-c", script)
	cmd.Stdout = io.MultiWriter(&out, shown)
	cmd.Stderr = cmd.Stdout
	err := cmd.Run()
	return out.String(), err
}

func (m *bare) must(script string) string {
	m.Helper()
	out, err := m.run(script)
	if err != nil {
		m.Fatalf("%s: %v\n%s\n%s", script, err, out, m.daemonLog())
	}
	return out
}

// shows runs a command that must succeed and print what is wanted.
func (m *bare) shows(script string, wants ...string) {
	m.Helper()
	out := m.must(script)
	m.Logf("%s\n%s", script, out)
	for _, want := range wants {
		if !strings.Contains(out, want) {
			m.Errorf("%s printed the above, want %q in it", script, want)
		}
	}
}

// refuses runs a command that must fail, say what is wanted, and leave the
// machine as it is.
func (m *bare) refuses(script string, wants ...string) {
	m.Helper()
	before := m.must("ls /usr/local/bin /etc /var/lib /etc/init.d; dpkg -l | wc -l")
	out, err := m.run(script)
	if err == nil {
		m.Errorf("%s succeeded, want it to refuse", script)
	}
	for _, want := range wants {
		if !strings.Contains(out, want) {
			m.Errorf("%s printed\n%s\nwant %q in it", script, out, want)
		}
	}
	if after := m.must("ls /usr/local/bin /etc /var/lib /etc/init.d; dpkg -l | wc -l"); after != before {
		m.Errorf("%s has changed the machine from\n%s\nto\n%s", script, before, after)
	}
}

func (m *bare) daemonLog() string {
	out, _ := m.run(`grep -v module=grpc /var/log/berth.log | tail -n 30`) // there may be none yet
	return out
}

// pid returns the process whose command line begins with argv, or "".
func (m *bare) pid(argv string) string {
	out, _ := m.run(`for p in /proc/[0-9]*; do
		[[ $(tr '\0' ' ' <$p/cmdline) == "` + argv + `"* ]] && echo ${p#/proc/}; done`)
	return strings.TrimSpace(out)
}

func (m *bare) until(condition func() bool, what string) {
	m.Helper()
	if !await.Until(await.Patience, condition) {
		m.Fatalf("gave up waiting until %s\n%s", what, m.daemonLog())
	}
}

// browser returns a client that reaches the demo app on the machine and
// trusts the machine's own authority, and nothing else.
func (m *bare) browser() *http.Client {
	m.Helper()
	m.until(func() bool { _, err := m.run("berth report"); return err == nil }, "the daemon answers")
	ip := strings.TrimSpace(m.host(nil, "docker", "inspect", "--format", "{{.NetworkSettings.IPAddress}}", m.id))
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(m.must("berth certs:root"))) {
		m.Fatal("certs:root prints no certificate")
	}
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: roots},
		DisableKeepAlives: true, // every request must find an open door
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, net.JoinHostPort(ip, "443"))
		},
	}
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

// open asks for the demo app.
func open(browser *http.Client) error {
	answer, err := browser.Get("https://" + demoHost)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK || !strings.Contains(string(text), "Hello from Node.js") {
		return fmt.Errorf("status %d: %.200s", answer.StatusCode, text)
	}
	return nil
}

// during asks for the demo app again and again while do runs, and returns how
// often that went well.
func (m *bare) during(do func()) (well int) {
	m.Helper()
	browser := m.browser()
	done := make(chan struct{})
	var visitor sync.WaitGroup
	visitor.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			if err := open(browser); err != nil {
				m.Errorf("a request was lost after %d had gone well: %v", well, err)
				return
			}
			well++
		}
	})
	do()
	close(done)
	visitor.Wait()
	return well
}

func explained(err error) error {
	if exit, ok := err.(*exec.ExitError); ok {
		return fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	return err
}

func TestBootstrapFromNothing(t *testing.T) {
	m := newBare(t, testBase, "sleep infinity")

	m.refuses("setpriv --reuid=65534 --clear-groups /src/bootstrap.sh", "must be run as root", "sudo")
	m.refuses(`echo 'ID=fedora PRETTY_NAME="Fedora Linux 44"' >/tmp/os; BERTH_OS_RELEASE=/tmp/os /src/bootstrap.sh`, "Fedora Linux 44", "Debian 12", "Ubuntu 22.04")
	m.refuses(`echo 'ID=ubuntu VERSION_ID=20.04 PRETTY_NAME="Ubuntu 20.04"' >/tmp/os; BERTH_OS_RELEASE=/tmp/os /src/bootstrap.sh`, "Ubuntu 20.04", "supported are")
	m.refuses("BERTH_MIN_DISK_MB=999999999 /src/bootstrap.sh", "too little disk", "999999999 MB are needed", "make room")
	m.refuses("BERTH_MIN_MEMORY_MB=999999999 /src/bootstrap.sh", "too little memory", "BERTH_MIN_MEMORY_MB")
	m.refuses("/src/bootstrap.sh --frobnicate", `what is "--frobnicate"`, "--help")
	m.refuses("cat /src/bootstrap.sh | bash", "BERTH_URL")
	m.refuses(`perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(LocalPort => 443, Listen => 1) or die; system("/src/bootstrap.sh"); exit($? >> 8)'`,
		"port 443 is taken by perl (process ")
	m.refuses(`perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(LocalPort => 2300, Listen => 1) or die; system("/src/bootstrap.sh --ssh-port 2300"); exit($? >> 8)'`,
		"port 2300 is taken by perl (process ", "--ssh-port")
	m.refuses(`size=$(wc -c </src/bootstrap.sh); for part in 10 40 60 90 99; do head -c $((size * part / 100)) /src/bootstrap.sh | bash; done; exit 1`)

	// A key that may only run one command must not become an admin's.
	m.must(`mkdir -p /root/.ssh && cat >/root/.ssh/authorized_keys <<'KEYS'
command="/bin/true" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDdEU1hvcT3kCGu2GNAVBTkx5TaGR9oLNqTtXAPNAZNO backup
ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKzc4VRnjHnR8HBSIbIqHl0iLhYdmEsfXWgFMRAGDvkG ada's laptop
KEYS`)
	m.shows("/src/bootstrap.sh demo", "The demo is live: https://"+demoHost, "Hello from Node.js", "git remote add berth ", "s  git push")
	if err := open(m.browser()); err != nil {
		t.Fatalf("the demo does not answer from outside: %v", err)
	}
	if keys := m.must("berth ssh-keys:list"); strings.Count(keys, "\n") != 1 || !strings.Contains(keys, `NAME="ada-s-laptop" admin`) {
		t.Errorf("ssh-keys:list =\n%s\nwant ada's key and neither the demo's nor the one for backups", keys)
	}

	serve, engine := m.pid("/usr/local/bin/berth serve"), m.pid("dockerd")
	visits := m.during(func() {
		m.shows("/src/bootstrap.sh", "runs, nothing has changed", "is up to date", "there is an admin already")
	})
	if visits == 0 {
		t.Error("nobody visited during the second run")
	}
	if now := m.pid("/usr/local/bin/berth serve"); now != serve || serve == "" {
		t.Errorf("the daemon is process %q after the second run, want still %q", now, serve)
	}
	m.during(func() { m.shows("/src/bootstrap.sh demo", "The demo is live: https://"+demoHost, "demo v2") })

	browser := m.browser()
	m.must("kill -9 " + serve)
	m.until(func() bool { return open(browser) == nil }, "the demo answers after its daemon was killed")
	m.must("kill -9 " + engine)
	m.until(func() bool { _, err := m.run("docker version"); return err == nil }, "there is a dockerd again")
	m.until(func() bool { return open(browser) == nil }, "the demo answers after dockerd was killed")
	supervisor, serve := strings.TrimSpace(m.must("cat /run/berth/supervise.pid")), m.pid("/usr/local/bin/berth serve")
	m.during(func() { m.must("kill -9 " + supervisor + "; /etc/init.d/berth start; /etc/init.d/berth status") })
	if now := m.pid("/usr/local/bin/berth serve"); now != serve {
		t.Errorf("the daemon is process %q after its supervisor was killed, want still %q", now, serve)
	}

	// A reboot: all is gone but the disks. Nothing here starts programs then,
	// so the test is what starts them.
	m.host(nil, "docker", "restart", "--time", "0", m.id)
	m.must("/etc/init.d/berth start")
	browser = m.browser()
	m.until(func() bool { return open(browser) == nil }, "the demo answers after a reboot")

	// Somebody else's container carries our image's labels, and is not ours.
	m.must("docker run --detach --name foreign berth/base:debian-12 sleep infinity")
	m.shows("/src/bootstrap.sh --uninstall", "kept: /var/lib/berth")
	if left := m.must("docker ps --format '{{.Names}}'"); strings.TrimSpace(left) != "foreign" {
		t.Errorf("running containers after --uninstall = %q, want only foreign", left)
	}
	m.must("! test -e /usr/local/bin/berth && ! test -e /etc/init.d/berth && test -e /var/lib/berth/berth.db")
	if left := m.pid("/usr/local/bin/berth"); left != "" {
		t.Errorf("process %s of berth is left after --uninstall", left)
	}
}

// TestBootstrapFromARelease installs without a checkout, as it is piped from
// the network.
func TestBootstrapFromARelease(t *testing.T) {
	m := newBare(t, testBase, "sleep infinity")
	self := filepath.Join(t.TempDir(), "berth")
	build := exec.Command("go", "build", "-o", self, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	m.must("mv /src/bootstrap.sh / && rm -rf /src && mkdir /release")
	m.host(nil, "docker", "cp", self, m.id+":/release/berth-linux-"+strings.TrimSpace(m.must("dpkg --print-architecture")))
	m.must("cd /release && for f in *; do sha256sum $f >$f.sha256; done")
	const pipe = "cat /bootstrap.sh | BERTH_URL='file:///release/berth-linux-{arch}' "

	out, err := m.run(pipe + "BERTH_SHA256=" + strings.Repeat("0", 64) + " bash")
	if err == nil || !strings.Contains(out, "not what its checksum says") {
		t.Errorf("a download with another checksum: %v\n%s\nwant a refusal", err, out)
	}
	m.must("! test -e /usr/local/bin/berth")
	m.shows(pipe+"bash -s demo --ssh-port 2300", "Berth is ready", "git remote add berth ssh://berth@", ":2300/", "no public SSH key was found", "It floats")
	m.must("test $(stat -c %a /var/lib/berth) = 700 && test $(stat -c %a /etc/berth/berth.env) = 600")

	m.must("ssh-keygen -q -t ed25519 -N '' -f /tmp/zoe && sshcommand acl-add dokku zoe </tmp/zoe.pub && dokku ssh-keys:list | grep 'NAME=\"zoe\" admin' && sshcommand acl-remove dokku zoe")
	m.must("bash -c '. /usr/local/share/bash-completion/completions/dokku'")

	m.shows("bash /bootstrap.sh --uninstall")
	m.must("! test -L /usr/local/bin/dokku && ! test -L /usr/local/bin/sshcommand && ! test -e /usr/local/share/bash-completion/completions/berth")
	m.must("! docker version --format '{{.Server.Version}}'") // the supervisor had started it
	m.must("echo ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKzc4VRnjHnR8HBSIbIqHl0iLhYdmEsfXWgFMRAGDvkG ada >/tmp/ada.pub")
	m.shows(pipe+"bash -s -- --key /tmp/ada.pub --domain example.org --email ada@example.org", "admin: ada, SHA256:", "https://<app>.example.org")
	m.must("berth domains:clear-global")
	m.until(func() bool {
		out, _ := m.run("curl --silent --cacert <(berth certs:root) --resolve " + demoHost + ":443:127.0.0.1 https://" + demoHost)
		return strings.Contains(out, "It floats")
	}, "the app that was there before answers again")

	m.shows("bash /bootstrap.sh --uninstall --purge")
	m.must("! test -e /var/lib/berth && ! test -e /etc/berth && ! test -e /var/log/berth.log")
}

// TestBootstrapTestFromNothing passes the tests on a machine without Go, make
// or Docker.
func TestBootstrapTestFromNothing(t *testing.T) {
	m := newBare(t, testBase, "sleep infinity")

	// It takes half an hour: what fails is seen when it does.
	out, err := m.runTo(os.Stderr, "CI=true /src/.ci/run </dev/null")
	if err != nil || !strings.Contains(out, "The tests pass") {
		t.Errorf("the tests: %v; what they printed is above", err)
	}
	if left := m.pid("dockerd"); left != "" {
		t.Errorf("dockerd, process %s, runs on after the tests", left)
	}
}
