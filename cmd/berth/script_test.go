package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/berthhq/berth/appliance/await"
	"github.com/berthhq/berth/appliance/enginetest"
)

// TestMain lets this test binary be berth: the daemon, the command line, and
// git's hook are what was just compiled, with the race detector if the tests
// have it.
func TestMain(m *testing.M) {
	os.Exit(testscript.RunMain(m, map[string]func() int{
		"berth":      func() int { main(); return 0 },
		"dokku":      func() int { main(); return 0 },
		"sshcommand": func() int { main(); return 0 },
		benchProcess: playPart,
	}))
}

// TestScripts runs what people do, as transcripts: testdata/script. Each has a
// machine of its own. Beside testscript's own commands and berth there are
//
//	daemon start|stop|kill   the appliance; start also lets the person's key in
//	git, ssh, docker         the real ones
//	commit [message]         commit everything in the current directory
//	get [-H header] url      what a browser is answered: status, headers, body
//	await regexp command     repeat a command until what it prints matches
//	things                   what there is of the machine in Docker
//	hang-up regexp command   run a command, and kill it when it has printed that
//	serve dir                serve a directory by HTTP, at $SERVED
//	app dir                  put the compiled test program into a directory
func TestScripts(t *testing.T) {
	enginetest.NeedDocker(t)
	binary := stackBinary(t)
	testscript.Run(t, testscript.Params{
		Dir:                "testdata/script",
		RequireUniqueNames: true,
		Setup:              func(env *testscript.Env) error { return setUp(env, binary) },
		Condition:          condition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"daemon":  daemonCmd,
			"git":     programCmd("git"),
			"ssh":     programCmd("ssh"),
			"docker":  programCmd("docker"),
			"commit":  commitCmd,
			"get":     getCmd,
			"await":   awaitCmd,
			"things":  thingsCmd,
			"hang-up": hangUpCmd,
			"serve":   serveCmd,
			"app":     appCmd(testProgram(t)),
		},
	})
}

type machineKey struct{}

func setUp(env *testscript.Env, binary string) error {
	m, err := newMachine("")
	if err != nil {
		return err
	}
	env.Defer(func() {
		if failed, ok := env.T().(interface{ Failed() bool }); ok && failed.Failed() {
			env.T().Log("the daemon's log:\n" + m.log())
		}
		if err := m.remove(); err != nil {
			env.T().Fatal("remove the machine: ", err)
		}
	})
	m.extra = append(m.extra, "BERTH_STACK_BINARY="+binary)
	if image := baseImage(); exec.Command("docker", "tag", image, m.instance+baseName).Run() == nil {
		m.extra = append(m.extra, "BASE="+image)
	}
	env.Vars = append(env.Vars, m.env()...)
	env.Values[machineKey{}] = m
	return nil
}

func of(ts *testscript.TestScript) *machine { return ts.Value(machineKey{}).(*machine) }

// baseName is what the base image is called within an instance.
const baseName = "/base:debian-12"

// baseImage is the base that was made for tests. Machines give it a second
// name, and so share what was built on it: the stack costs nothing but the
// first time.
func baseImage() string {
	if image := os.Getenv("BERTH_TEST_BASE"); image != "" {
		return image
	}
	return "berth-test" + baseName
}

// stackBinary builds the berth that goes into the stack: as much of it as an
// app needs, the same each time, so that the stack's layers are too.
func stackBinary(t testing.TB) string {
	return compile(t, "github.com/berthhq/berth/appliance/builder/testdata/berth", "-buildvcs=false")
}

// testProgram builds testdata/app, which tests push.
func testProgram(t testing.TB) string { return compile(t, "./testdata/app", "-ldflags=-s -w") }

func compile(t testing.TB, source string, flags ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	build := exec.Command("go", append(append([]string{"build", "-trimpath", "-o", path}, flags...), source)...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", source, err, out)
	}
	return path
}

// condition knows [stack]: whether there is a base image to build a stack on.
// Where tests must run, it is an error if there is none.
func condition(name string) (bool, error) {
	if name != "stack" {
		return false, fmt.Errorf("no such condition: %s", name)
	}
	out, err := exec.Command("docker", "image", "inspect", baseImage()).CombinedOutput()
	if err != nil && os.Getenv("BERTH_TEST_DOCKER") == "required" {
		return false, fmt.Errorf("%w: %s", err, out)
	}
	return err == nil, nil
}

func daemonCmd(ts *testscript.TestScript, neg bool, args []string) {
	m := of(ts)
	if neg || len(args) != 1 {
		ts.Fatalf("usage: daemon start|stop|kill")
	}
	switch args[0] {
	case "start":
		ts.Check(errors.Join(m.start(), m.admit()))
	case "stop":
		ts.Check(m.end(syscall.SIGTERM))
	case "kill":
		ts.Check(m.kill())
	default:
		ts.Fatalf("unknown: daemon %s", args[0])
	}
}

func programCmd(name string) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) { outcome(ts, neg, ts.Exec(name, args...)) }
}

// outcome fails the script unless err is as expected.
func outcome(ts *testscript.TestScript, neg bool, err error) {
	if err != nil && !neg {
		ts.Fatalf("%v", err)
	}
	if err == nil && neg {
		ts.Fatalf("succeeded, want it to fail")
	}
}

func commitCmd(ts *testscript.TestScript, neg bool, args []string) {
	if _, err := os.Stat(ts.MkAbs(".git")); err != nil {
		ts.Check(ts.Exec("git", "init", "--quiet"))
	}
	ts.Check(ts.Exec("git", "add", "--all"))
	outcome(ts, neg, ts.Exec("git", "commit", "--quiet", "--message", strings.Join(append(args, "a change"), " ")))
}

func getCmd(ts *testscript.TestScript, neg bool, args []string) {
	text, err := of(ts).get(args...)
	fmt.Fprint(ts.Stdout(), text)
	if err != nil {
		fmt.Fprintln(ts.Stderr(), err)
	}
	outcome(ts, neg, err)
}

func awaitCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: await regexp command…")
	}
	m, want := of(ts), regexp.MustCompile("(?m)"+args[0])
	var text string
	came := await.Until(await.Patience, func() bool {
		switch args[1] { // what is awaited may come after errors
		case "get":
			text, _ = m.get(args[2:]...)
		case "things":
			text, _ = m.things()
		default:
			text, _ = m.run(ts.MkAbs("."), args[1], args[2:]...)
		}
		return want.MatchString(text)
	})
	if !came {
		ts.Fatalf("%q did not come; last there was\n%s", args[0], text)
	}
	fmt.Fprint(ts.Stdout(), text)
}

func thingsCmd(ts *testscript.TestScript, neg bool, args []string) {
	list, err := of(ts).things()
	fmt.Fprint(ts.Stdout(), list)
	outcome(ts, neg, err)
}

// appCmd returns the command that puts the test program into directories.
func appCmd(program string) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, dirs []string) {
		content, err := os.ReadFile(program)
		ts.Check(err)
		for _, dir := range dirs {
			ts.Check(os.MkdirAll(ts.MkAbs(dir), 0o755))
			ts.Check(os.WriteFile(filepath.Join(ts.MkAbs(dir), "app"), content, 0o755))
		}
	}
}

// hangUpCmd runs a program and kills it, and what it has started, as soon as
// it has printed something.
func hangUpCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: hang-up regexp command…")
	}
	cmd := of(ts).command(ts.MkAbs("."), args[1], args[2:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stderr, err := cmd.StderrPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	want, found := regexp.MustCompile(args[0]), false
	for lines := bufio.NewScanner(stderr); !found && lines.Scan(); {
		fmt.Fprintln(ts.Stderr(), lines.Text())
		found = want.MatchString(lines.Text())
	}
	ts.Check(syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL))
	cmd.Wait() // it was killed
	if !found {
		ts.Fatalf("it ended without printing %q", args[0])
	}
}

// serveCmd serves a directory until the script ends, to this machine, or to
// containers.
func serveCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 || len(args) == 2 && args[1] != "containers" {
		ts.Fatalf("usage: serve dir [containers]")
	}
	server := httptest.NewUnstartedServer(http.FileServer(http.Dir(ts.MkAbs(args[0]))))
	if len(args) == 2 {
		bridge, err := enginetest.HostAddress()
		ts.Check(err)
		server.Listener.Close()
		server.Listener, err = net.Listen("tcp", net.JoinHostPort(bridge, "0"))
		ts.Check(err)
	}
	server.Start()
	ts.Defer(server.Close)
	ts.Setenv("SERVED", server.URL)
}
