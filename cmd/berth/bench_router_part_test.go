package main

import (
	"fmt"
	"os"
	"os/exec"
)

// benchProcess is the name under which this test binary plays one of the parts
// of the benchmark, in a process of its own.
const benchProcess = "bench-router"

// ourselves is this binary in one of its parts.
func ourselves(args ...string) *exec.Cmd {
	return &exec.Cmd{Path: must(os.Executable()), Args: append([]string{benchProcess}, args...)}
}

// playPart is main of such a process.
func playPart() int {
	parts := map[string]func(args []string) error{
		"berth":    serveBerth,
		"go":       serveFloor,
		"upstream": serveUpstream,
		"visit":    visitDoor,
	}
	if err := parts[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
