package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A stand is a machine as bootstrap.sh sees it: only its programs are there,
// most of them made for the test, and a Docker socket on which nobody answers.
type stand struct {
	*testing.T
	dir string
}

func newStand(t *testing.T) stand {
	t.Helper()
	s := stand{t, t.TempDir()}
	if err := os.Mkdir(filepath.Join(s.dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"awk", "cat", "cut", "head", "sed", "sha256sum", "sort", "tail", "timeout"} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(s.dir, "bin", name)); err != nil {
			t.Fatal(err)
		}
	}
	// These change a machine.
	for _, name := range []string{"apt-get", "systemctl", "service", "setsid", "update-rc.d"} {
		s.program(name, "")
	}
	s.program("apt-cache", "exit 1")
	socket, err := net.Listen("unix", filepath.Join(s.dir, "docker.sock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	return s
}

// program makes a program that notes how it was called before it does that.
func (s stand) program(name, does string) {
	s.Helper()
	text := "#!/bin/sh\necho \"" + name + " $*\" >>'" + s.dir + "/called'\n" + does + "\n"
	if err := os.WriteFile(filepath.Join(s.dir, "bin", name), []byte(text), 0o755); err != nil {
		s.Fatal(err)
	}
}

// called returns how programs were called, a line each.
func (s stand) called() string {
	s.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "called"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.Fatal(err)
	}
	return string(text)
}

// do has a part of bootstrap.sh run, and returns what it prints.
func (s stand) do(part string, env ...string) (string, error) {
	s.Helper()
	text, err := os.ReadFile("../../bootstrap.sh")
	if err != nil {
		s.Fatal(err)
	}
	parts, found := strings.CutSuffix(strings.TrimSpace(string(text)), `main "$@"; exit`)
	if !found {
		s.Fatal("bootstrap.sh does not end with its call of main")
	}
	parts = strings.ReplaceAll(parts, "/var/run/docker.sock", filepath.Join(s.dir, "docker.sock"))
	script := exec.Command("bash", "-c", parts+"\nwork="+s.dir+"\n"+part)
	script.Env = append(env, "PATH="+filepath.Join(s.dir, "bin"))
	out, err := script.CombinedOutput()
	return string(out), err
}

func TestBootstrapSupportsTheSystemsItSaysItDoes(t *testing.T) {
	s := newStand(t)
	for text, supported := range map[string]bool{
		"ID=ubuntu\nVERSION_ID=\"22.04\"": true, "ID=ubuntu\nVERSION_ID=\"24.04\"": true, "ID=ubuntu\nVERSION_ID=\"25.10\"": true,
		"ID=debian\nVERSION_ID=\"12\"": true, "ID=debian\nVERSION_ID=\"13\"": true, "ID=debian": true,
		"ID=ubuntu\nVERSION_ID=\"20.04\"": false, "ID=ubuntu\nVERSION_ID=\"21.10\"": false,
		"ID=debian\nVERSION_ID=\"11\"": false, "ID=linuxmint\nVERSION_ID=\"22.1\"": false, "": false,
	} {
		release := filepath.Join(t.TempDir(), "os-release")
		if err := os.WriteFile(release, []byte(text+"\nPRETTY_NAME=\"This system\"\n"), 0o644); err != nil {
			t.Fatal(err)
		}

		out, err := s.do("need_supported_os", "BERTH_OS_RELEASE="+release)

		if supported && (err != nil || out != "") {
			t.Errorf("%q is refused: %s", text, out)
		}
		if !supported && (err == nil || !strings.Contains(out, "not supported: This system") || !strings.Contains(out, "Ubuntu 22.04 and later")) {
			t.Errorf("%q is not refused with what would do: %v, %s", text, err, out)
		}
	}
}

func TestBootstrapTakesTheBinaryOfTheMachinesProcessor(t *testing.T) {
	const binary = "a program"
	for says, arch := range map[string]string{"x86_64": "amd64", "aarch64": "arm64", "armv7l": "", "riscv64": ""} {
		t.Run(says, func(t *testing.T) {
			s := newStand(t)
			s.program("uname", "echo "+says)
			s.program("curl", `for word; do [ "$before" != -o ] || printf '`+binary+`' >"$word"; before=$word; done`)

			out, err := s.do("machine >/dev/null; download", "BERTH_URL=https://berth.example/berth-linux-{arch}", fmt.Sprintf("BERTH_SHA256=%x", sha256.Sum256([]byte(binary))))

			if called := s.called(); arch != "" && (err != nil || !strings.HasSuffix(called, " https://berth.example/berth-linux-"+arch+"\n")) {
				t.Errorf("%v\n%s\nit called %q", err, out, called)
			}
			if arch == "" && (err == nil || !strings.Contains(out, "this processor is not supported: "+says) || strings.Contains(s.called(), "curl")) {
				t.Errorf("it is not refused: %v\n%s", err, out)
			}
		})
	}
}

// Somebody's Docker may be of another package, or of another origin: installing
// docker.io would remove it, and restarting it would end its containers.
func TestBootstrapLeavesADockerThatAnswersAlone(t *testing.T) {
	s := newStand(t)
	s.program("docker", "echo 27.3.1")

	out, err := s.do("want_docker; install_missing; start_docker")

	if err != nil || !strings.Contains(out, "nothing is missing") || !strings.Contains(out, "Docker 27.3.1 runs already") {
		t.Errorf("%v\n%s", err, out)
	}
	for line := range strings.Lines(s.called()) {
		if !strings.HasPrefix(line, "docker version ") {
			t.Errorf("it called %s", line)
		}
	}
}

func TestBootstrapInstallsADockerWhereNoneAnswers(t *testing.T) {
	s := newStand(t)
	s.program("docker", "exit 1") // the client alone

	out, err := s.do("want_docker; install_missing")

	if called := s.called(); err != nil || !strings.Contains(called, "apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends docker.io iptables") {
		t.Errorf("%v\n%s\nit called %q", err, out, called)
	}
}

func TestBootstrapDoesNotInstallADockerBesideOneItCannotAsk(t *testing.T) {
	s := newStand(t) // with a socket, and without a client

	out, err := s.do("want_docker; install_missing")

	if err == nil || !strings.Contains(out, "there is a Docker socket") || strings.Contains(s.called(), "apt-get") {
		t.Errorf("%v\n%s\nit called %q", err, out, s.called())
	}
}
