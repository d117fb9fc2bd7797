package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"text/template"
)

// A templateConfig is what the configurations of nginx and HAProxy are made of.
type templateConfig struct {
	Dir, Address, App, Cert, Key, Both string
	Hosts                              []string
}

func (l *lab) configure(dir, name string, c templateConfig) error {
	t, err := template.ParseFiles(filepath.Join("testdata", "bench-router", name))
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := t.Execute(&text, c); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name), text.Bytes(), 0o600)
}

func (l *lab) templated(address string, hosts []string) templateConfig {
	l.Helper()
	dir := must(os.MkdirTemp(l.dir, "door"))
	return templateConfig{Dir: dir, Address: address, App: l.app, Cert: l.cert, Key: l.key, Both: l.both, Hosts: hosts}
}

var nginxDoor = &door{
	name:    "nginx",
	prepare: needsProgram("nginx"),
	version: func(l *lab) string { return firstLine(l.run(must(debianProgram("nginx")), "-v")) },
	open: func(l *lab, address string, hosts []string) *opened {
		c := l.templated(address, hosts)
		if err := l.configure(c.Dir, "nginx.conf", c); err != nil {
			l.Fatal(err)
		}
		p := l.start(l.doorCPU, exec.Command(must(debianProgram("nginx")), "-p", c.Dir, "-e", "stderr", "-c", filepath.Join(c.Dir, "nginx.conf")))
		return &opened{pinned: p, address: address, add: func(host string) error {
			c.Hosts = append(c.Hosts, host)
			if err := l.configure(c.Dir, "nginx.conf", c); err != nil {
				return err
			}
			return p.Process.Signal(syscall.SIGHUP)
		}}
	},
}

var haproxyDoor = &door{
	name:    "haproxy",
	prepare: needsProgram("haproxy"),
	version: func(l *lab) string { return firstLine(l.run(must(debianProgram("haproxy")), "-v")) },
	open: func(l *lab, address string, hosts []string) *opened {
		c := l.templated(address, hosts)
		write := func() error {
			if err := l.configure(c.Dir, "hosts.map", c); err != nil {
				return err
			}
			return l.configure(c.Dir, "haproxy.cfg", c)
		}
		if err := write(); err != nil {
			l.Fatal(err)
		}
		p := l.start(l.doorCPU, exec.Command(must(debianProgram("haproxy")), "-W", "-db", "-f", filepath.Join(c.Dir, "haproxy.cfg")))
		// A signal that comes while it reloads is lost. It has reloaded when
		// there are a master and one worker again.
		settled := func() bool { return len(family(p.Process.Pid)) == 2 }
		return &opened{pinned: p, address: address, settled: settled, add: func(host string) error {
			c.Hosts = append(c.Hosts, host)
			if err := write(); err != nil {
				return err
			}
			return p.Process.Signal(syscall.SIGUSR2)
		}}
	},
}
