package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
)

// A predecessor is the daemon that has started this one to take its place.
type predecessor struct {
	line line
	kept map[string]*os.File // its doors

	// gone is closed when nothing is under way in it any more.
	gone chan struct{}
}

// arrive returns the predecessor, or nil if somebody else has started us.
func arrive(ctx context.Context, getenv func(string) string) (*predecessor, error) {
	text := getenv(handoverFD)
	os.Unsetenv(handoverFD)
	if text == "" {
		return nil, nil
	}
	fd, err := strconv.Atoi(text)
	if err != nil {
		return nil, fmt.Errorf("%s=%s is no file", handoverFD, text)
	}
	l, err := lineOf(keepFile(fd))
	if err != nil {
		return nil, err
	}
	p := &predecessor{line: l, gone: make(chan struct{})}
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	m, files, err := l.receive(ctx, kindDoors)
	if err != nil {
		l.Close()
		return nil, err
	}
	p.kept = named(m.Names, files)
	return p, nil
}

// doors returns what the predecessor has passed on.
func (p *predecessor) doors() map[string]*os.File { return p.kept }

// awaitInside tells the predecessor that we could listen, and returns when the
// store is ours.
func (p *predecessor) awaitInside(ctx context.Context) error {
	if err := p.line.send(message{Kind: kindReady, Version: version}); err != nil {
		return err
	}
	_, _, err := p.line.receive(ctx, kindInside)
	return err
}

// serving tells the predecessor that we accept, and whether we want to read
// UDP, and returns what it says last.
func (p *predecessor) serving(ctx context.Context, udp bool) (message, []*os.File, error) {
	if err := p.line.send(message{Kind: kindServing, Version: version, UDP: udp}); err != nil {
		return message{}, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	return p.line.receive(ctx, kindLast)
}

// awaitEnd returns when nothing is under way in the predecessor any more, or
// ctx is done.
func (p *predecessor) awaitEnd(ctx context.Context) {
	defer close(p.gone)
	// It says nothing more: the line ends.
	_, _, _ = p.line.receive(ctx, "")
	p.line.Close()
}

// failed tells the predecessor why we give up, so that who has asked for us
// hears of it.
func (p *predecessor) failed(err error) {
	// It sees the end of the line, whether or not it hears this.
	_ = errors.Join(p.line.send(message{Kind: kindFailed, Error: err.Error()}), p.line.Close())
}
