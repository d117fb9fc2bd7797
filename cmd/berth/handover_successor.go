package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// A successor is a daemon that we have started to take our place.
type successor struct {
	line    line
	cmd     *exec.Cmd
	ended   chan struct{} // closed when its process has, or nobody asks any more
	version string
	udp     bool // it wants to read UDP
}

// start starts a successor with the doors, and returns when it has what it
// needs to listen, and waits for the store.
func startSuccessor(ctx context.Context, d *doors, env []string) (_ *successor, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	ours, theirs, err := newLine()
	if err != nil {
		return nil, err
	}
	s := &successor{line: ours, ended: make(chan struct{})}
	s.cmd = exec.Command(self, os.Args[1:]...)
	s.cmd.Args[0] = os.Args[0]
	s.cmd.Env = append(env, handoverFD+"=3")
	s.cmd.Stdout, s.cmd.Stderr = os.Stdout, os.Stderr
	s.cmd.ExtraFiles = []*os.File{theirs}
	// As a service manager starts it, and not in our session.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = s.cmd.Start()
	theirs.Close()
	if err != nil {
		ours.Close()
		return nil, fmt.Errorf("start the new berth: %w", err)
	}
	go func() {
		s.cmd.Wait() // how it ended is told by the line, or by its log
		close(s.ended)
	}()
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	names, files := d.list()
	if err = ours.send(message{Kind: kindDoors, Names: names, Version: version}, files...); err == nil {
		var m message
		m, _, err = ours.receive(ctx, kindReady)
		s.version = m.Version
	}
	if err != nil {
		return nil, s.end(err)
	}
	return s, nil
}

// take has the successor take the inside, and returns when it serves. If it
// returns an error then the successor is no more.
func (s *successor) take(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, servingTime)
	defer cancel()
	err := s.line.send(message{Kind: kindInside})
	if err == nil {
		var m message
		m, _, err = s.line.receive(ctx, kindServing)
		s.udp = m.UDP
	}
	if err != nil {
		return s.end(err)
	}
	return nil
}

// last tells the successor what it has to know of UDP: now it is on its own.
func (s *successor) last(tags [][]byte, names []string, files ...*os.File) error {
	return s.line.send(message{Kind: kindLast, Tags: tags, Names: names}, files...)
}

// end ends a successor that does not get on, and says why it does not.
func (s *successor) end(why error) error {
	s.line.Close()
	select {
	case <-s.ended: // by itself
	case <-time.After(time.Second):
		s.cmd.Process.Kill() // one that has gone is gone
		<-s.ended
	}
	switch {
	case errors.Is(why, io.ErrUnexpectedEOF), errors.Is(why, syscall.ECONNRESET), errors.Is(why, syscall.EPIPE):
		why = fmt.Errorf("it has ended: %s; its log says why", s.cmd.ProcessState)
	case errors.Is(why, context.DeadlineExceeded):
		why = errors.New("it does not get on")
	}
	return fmt.Errorf("the new berth does not serve: %w", why)
}

func (s *successor) pid() int { return s.cmd.Process.Pid }

// environment is ours, but for what somebody has set anew: our own settings,
// and where Docker is.
func environment(base, changed []string) []string {
	if changed == nil {
		return base
	}
	ours := func(e string) bool {
		key, _, _ := strings.Cut(e, "=")
		return (strings.HasPrefix(key, "BERTH_") && !strings.HasPrefix(key, "BERTH_SUPERVIS") && key != handoverFD) || key == "DOCKER_HOST"
	}
	var env []string
	for _, e := range base {
		if !ours(e) {
			env = append(env, e)
		}
	}
	for _, e := range changed {
		if ours(e) {
			env = append(env, e)
		}
	}
	return env
}
