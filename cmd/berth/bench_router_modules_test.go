package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// A benchModule is a proxy that Go builds.
type benchModule struct{ name, module, version, command string }

var (
	caddyModule = benchModule{"caddy", "github.com/caddyserver/caddy/v2", "v2.11.9", "cmd/caddy"}
	kamalModule = benchModule{"kamal-proxy", "github.com/basecamp/kamal-proxy", "v0.9.2", "cmd/kamal-proxy"}
)

func (m benchModule) program(l *lab) string {
	return filepath.Join(l.tools, m.name+"@"+m.version)
}

// build builds the proxy once, in a module of its own: what it depends on is
// no concern of ours. It is not "go install", which also asks whether a newer
// version says that this one is deprecated, and fails where it cannot know.
func (m benchModule) build(l *lab) {
	l.Helper()
	if _, err := os.Stat(m.program(l)); err == nil {
		return
	}
	dir := filepath.Join(l.tools, m.name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		l.Fatal(err)
	}
	text := fmt.Sprintf("module bench\n\ngo 1.26\n\nrequire %s %s\n", m.module, m.version)
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(text), 0o644); err != nil {
		l.Fatal(err)
	}
	fmt.Printf("building %s %s (once)\n", m.name, m.version)
	build := exec.Command("go", "build", "-mod=mod", "-trimpath", "-ldflags=-s -w", "-o", m.program(l), m.module+"/"+m.command)
	build.Dir = dir
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		l.Fatalf("build %s: %v\n%s", m.name, err, out)
	}
}
