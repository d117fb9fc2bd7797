package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"
)

// A door is a proxy that is measured.
type door struct {
	name    string
	most    int        // hosts with which it starts within a minute; 0 for any number
	prepare func(*lab) // fails the benchmark where the program is missing
	version func(*lab) string
	open    func(l *lab, address string, hosts []string) *opened
}

// The first two are those of a quick look.
var allDoors = []*door{berthDoor, nginxDoor, haproxyDoor, caddyDoor, kamalDoor, floorDoor}

// An opened door is a proxy that answers.
type opened struct {
	*door
	*pinned
	lab     *lab
	address string
	control string                  // of berth: where it takes orders
	add     func(host string) error // has the door serve one more host
	settled func() bool             // whether the change before has ended; nil if it has when its host answers
}

// benchHosts are n names: the one that the traffic goes to, and others.
func benchHosts(n int) []string {
	hosts := []string{benchHost}
	for i := 1; i < n; i++ {
		hosts = append(hosts, fmt.Sprintf("app%d.%s", i, benchHost))
	}
	return hosts
}

// opened opens a door and waits until it serves the last of hosts.
func (l *lab) opened(d *door, hosts int) *opened {
	l.Helper()
	names := benchHosts(hosts)
	o := d.open(l, l.address(), names)
	o.door, o.lab = d, l
	for _, host := range []string{names[len(names)-1], names[0]} {
		if err := o.awaitHost(host); err != nil {
			l.Fatal(err)
		}
	}
	return o
}

// awaitHost waits until a host is answered to new visitors, asking all the time.
func (o *opened) awaitHost(host string) (err error) {
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); {
		if err = visitOnce(o.address, host); err == nil {
			return nil
		}
	}
	said, _ := os.ReadFile(o.said) // whatever there is
	return fmt.Errorf("%s does not answer for %s: %w\n%s", o.name, host, err, said[max(0, len(said)-2000):])
}

// visitOnce asks for the small page as somebody who has never been here.
func visitOnce(address, host string) error {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{ServerName: host, InsecureSkipVerify: true}, // it signs itself
	}}
	q, err := http.NewRequest("GET", "https://"+address+"/1k", nil)
	if err != nil {
		return err
	}
	q.Host = host
	r, err := client.Do(q)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if r.StatusCode != http.StatusOK || len(body) != 1<<10 {
		return fmt.Errorf("%s, %d bytes", r.Status, len(body))
	}
	return nil
}

// debianProgram finds a Debian package's program, which may be where only root looks.
func debianProgram(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/sbin/" + name)
}

func needsProgram(name string) func(*lab) {
	return func(l *lab) {
		l.Helper()
		if _, err := debianProgram(name); err != nil {
			l.Fatalf("%v\nInstall what is measured, and what it is measured with:\n  %s", err, benchPackages)
		}
	}
}

// must is for what only a bug in this file can break.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}
