package enginetest

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/berthhq/berth/appliance"
)

// Program is the path of the test program in the images that Image makes; see
// testdata/program for what it can do.
const Program = "/program"

// programSource is the package that Image builds.
const programSource = "github.com/berthhq/berth/appliance/enginetest/testdata/program"

// program builds the test program, once per test binary.
var program = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "enginetest")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "program")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", file, programSource)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return out, err
	}
	return os.ReadFile(file)
})

// Image makes an image of nothing but the test program, which it runs, and
// removes it when the test has ended.
func Image(t testing.TB, e appliance.Engine) appliance.Image {
	t.Helper()
	app := Name("image")
	t.Cleanup(func() {
		if err := e.Destroy(context.WithoutCancel(t.Context()), app); err != nil {
			t.Errorf("remove the test image: %v", err)
		}
	})
	tag := appliance.Image("berth-test/" + string(app) + ":latest")
	var out strings.Builder
	_, err := e.Build(t.Context(), appliance.BuildSpec{App: app, Tag: tag, Dir: ProgramDir(t), Out: &out})
	if err != nil {
		t.Fatalf("build the test image: %v\n%s", err, out.String())
	}
	return tag
}

// ProgramDir returns a directory with the test program and a Dockerfile for
// it, as somebody's repository might be.
func ProgramDir(t testing.TB) string {
	t.Helper()
	content, err := program()
	if err != nil {
		t.Fatalf("build the test program: %v\n%s", err, content)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "program"), string(content))
	if err := os.Chmod(filepath.Join(dir, "program"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "Dockerfile"), "FROM scratch\nCOPY program "+Program+"\nCMD [\""+Program+"\"]\n")
	return dir
}

// Name returns a name for an app that nobody else has, also not the tests of
// other packages that run at the same time.
func Name(prefix string) appliance.AppName {
	return appliance.AppName(prefix + "-" + strings.ToLower(rand.Text()[:8]))
}

// NeedDocker skips a test where there is no Docker, or where the environment
// has BERTH_TEST_DOCKER=none. With BERTH_TEST_DOCKER=required it fails instead.
func NeedDocker(t testing.TB) {
	t.Helper()
	mode := os.Getenv("BERTH_TEST_DOCKER")
	if mode == "none" {
		t.Skip("BERTH_TEST_DOCKER=none")
	}
	conn, err := net.Dial("unix", "/var/run/docker.sock")
	if err == nil {
		conn.Close()
		return
	}
	if mode == "required" {
		t.Fatalf("BERTH_TEST_DOCKER=required: %v", err)
	}
	t.Skipf("no Docker: %v", err)
}

// HostAddress returns an address of this machine at which containers of any
// network reach it: that of Docker's own bridge.
func HostAddress() (string, error) {
	bridge, err := net.InterfaceByName("docker0")
	if err != nil {
		return "", err
	}
	addrs, err := bridge.Addrs()
	if err != nil {
		return "", err
	}
	for _, addr := range addrs {
		if n, ok := addr.(*net.IPNet); ok && n.IP.To4() != nil {
			return n.IP.String(), nil
		}
	}
	return "", errors.New("docker0 has no address")
}

func write(t testing.TB, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
