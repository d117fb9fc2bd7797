package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/await"
)

func TestEndReturnsWhenTheDaemonHasFinishedWhatItHad(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command("sh", "-c", `trap 'sleep 0.3; echo finished >said; exit' TERM; echo ready >up; while :; do sleep 0.01; done`)
	cmd.Dir = dir
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go cmd.Wait() // so that it is gone when it is
	t.Cleanup(func() { cmd.Process.Kill() })
	await.That(t, "it runs", func() bool { _, err := os.Stat(filepath.Join(dir, "up")); return err == nil })

	err := end(t.Context(), fmt.Sprint(cmd.Process.Pid))

	said, _ := os.ReadFile(filepath.Join(dir, "said"))
	if err != nil || string(said) != "finished\n" || alive(cmd.Process.Pid) {
		t.Errorf("end = %v, and it said %q; want it to have finished", err, said)
	}
}

func TestEndEndsNothingElse(t *testing.T) {
	for pid, want := range map[string]error{"": nil, "1": appliance.ErrInvalid, "0": appliance.ErrInvalid, "-1": appliance.ErrInvalid, "x": appliance.ErrInvalid} {
		if err := end(t.Context(), pid); !errors.Is(err, want) {
			t.Errorf("end of %q = %v, want %v", pid, err, want)
		}
	}
}
