package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/berthhq/berth/appliance/await"
)

var kamalDoor = &door{
	name:    "kamal-proxy",
	most:    1_000,
	prepare: kamalModule.build,
	version: func(*lab) string { return kamalModule.version },
	open: func(l *lab, address string, hosts []string) *opened {
		k := &kamal{lab: l, home: must(os.MkdirTemp(l.dir, "kamal"))}
		p := k.run(address)
		o := &opened{pinned: p, address: address, add: k.deploy}
		k.await(p)
		if err := k.deploy(hosts[0]); err != nil {
			l.Fatal(err)
		}
		if len(hosts) > 1 {
			// By its command, thousands would take an hour.
			p.stop()
			k.multiply(hosts)
			o.pinned = k.run(address)
			k.await(o.pinned)
		}
		return o
	},
}

type kamal struct {
	lab  *lab
	home string
}

func (k *kamal) command(args ...string) *exec.Cmd {
	cmd := exec.Command(kamalModule.program(k.lab), args...)
	cmd.Env = append(os.Environ(), "HOME="+k.home, "XDG_RUNTIME_DIR="+k.home)
	return cmd
}

func (k *kamal) run(address string) *pinned {
	_, https, _ := net.SplitHostPort(address)
	_, plain, _ := net.SplitHostPort(k.lab.address())
	return k.lab.start(k.lab.doorCPU, k.command("run", "--http-port", plain, "--https-port", https))
}

// await waits until it takes commands.
func (k *kamal) await(p *pinned) {
	k.lab.Helper()
	if !await.Until(time.Minute, func() bool { return k.command("list").Run() == nil }) {
		out, err := k.command("list").CombinedOutput()
		said, _ := os.ReadFile(p.said) // whatever there is
		k.lab.Fatalf("kamal-proxy takes no commands: %v: %s\n%s", err, out, said)
	}
}

func (k *kamal) deploy(host string) error {
	out, err := k.command("deploy", host, "--host", host, "--target", k.lab.app, "--health-check-path", "/1k",
		"--tls", "--tls-certificate-path", k.lab.cert, "--tls-private-key-path", k.lab.key, "--forward-headers").CombinedOutput()
	if err != nil {
		return fmt.Errorf("kamal-proxy deploy: %w: %s", err, out)
	}
	return nil
}

// multiply gives the other hosts what the first one has, in its state file.
func (k *kamal) multiply(hosts []string) {
	k.lab.Helper()
	path := filepath.Join(k.home, ".config", "kamal-proxy", "kamal-proxy.state")
	text, err := os.ReadFile(path)
	if err != nil {
		k.lab.Fatal(err)
	}
	var services []json.RawMessage
	if err := json.Unmarshal(text, &services); err != nil || len(services) != 1 {
		k.lab.Fatalf("the state of kamal-proxy has %d services, want 1: %v", len(services), err)
	}
	var all []object
	for _, host := range hosts {
		var s object
		if err := json.Unmarshal(services[0], &s); err != nil {
			k.lab.Fatal(err)
		}
		s["name"] = host
		s["options"].(object)["hosts"] = []string{host}
		all = append(all, s)
	}
	if err := os.WriteFile(path, must(json.Marshal(all)), 0o600); err != nil {
		k.lab.Fatal(err)
	}
}
