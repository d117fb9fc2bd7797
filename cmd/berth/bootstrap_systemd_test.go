package main

import (
	"strings"
	"testing"
)

// systemdFirst installs systemd, once, and becomes it.
const systemdFirst = `sh -c '
	test -e /sbin/init || { apt-get update -qq && apt-get install -qq --no-install-recommends systemd-sysv dbus; } </dev/null
	exec env container=docker /sbin/init'`

// TestBootstrapWithSystemd has the real systemd run the unit: sandbox, readiness,
// sockets that outlive the daemon, and the next boot.
func TestBootstrapWithSystemd(t *testing.T) {
	m := newBare(t, testBase, systemdFirst)
	booted := func() bool {
		out, _ := m.run("systemctl is-system-running") // which fails as long as it is not
		return strings.TrimSpace(out) == "running"
	}
	m.until(booted, "systemd has started everything")

	m.must("mkdir -p /root/.ssh && echo ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKzc4VRnjHnR8HBSIbIqHl0iLhYdmEsfXWgFMRAGDvkG ada >/root/.ssh/authorized_keys")
	m.shows("/src/bootstrap.sh demo", "The demo is live: https://"+demoHost, "Hello from Node.js")
	m.must("test $(systemctl is-active berth) = active && test $(systemctl is-enabled berth) = enabled && ! test -e /etc/init.d/berth")
	m.must("systemctl show --property MainPID --value berth | xargs -I{} grep -q 'NoNewPrivs:.1' /proc/{}/status")
	if out := m.must("journalctl --unit berth --no-pager"); !strings.Contains(out, "berth") {
		t.Errorf("the journal has nothing of the daemon:\n%s", out)
	}
	daemon := func() string { return strings.TrimSpace(m.must("systemctl show --property MainPID --value berth")) }
	browser := m.browser()

	first := daemon()
	m.during(func() { m.shows("/src/bootstrap.sh", "runs, nothing has changed", "there is an admin already") })
	if now := daemon(); now != first {
		t.Errorf("the daemon is process %s after the second run, want still %s", now, first)
	}
	answersAnew := func(change string) {
		before := daemon()
		m.must(change)
		m.until(func() bool {
			now := daemon()
			return now != before && now != "0" && open(browser) == nil
		}, "another daemon answers after "+change)
	}
	// What is left of the one that was replaced is systemd's to end when the other
	// one stops.
	for range 3 {
		visits := m.during(func() {
			answersAnew("systemctl reload berth")
			answersAnew("systemctl restart berth")
		})
		t.Logf("replaced, and then restarted: %d visits, none lost", visits)
	}
	answersAnew("systemctl kill --signal KILL berth")

	m.must("systemctl kill --signal KILL docker")
	m.until(func() bool { _, err := m.run("docker version"); return err == nil }, "there is a dockerd again")
	m.until(func() bool { return open(browser) == nil }, "the demo answers after dockerd was killed")

	m.host(nil, "docker", "restart", "--time", "0", m.id)
	m.until(booted, "systemd has started everything again")
	browser = m.browser()
	m.until(func() bool { return open(browser) == nil }, "the demo answers after a reboot, and nobody did anything")

	m.shows("/src/bootstrap.sh --uninstall", "kept: /var/lib/berth")
	m.must("! systemctl cat berth && ! test -e /usr/local/bin/berth && systemctl is-active docker")
	if left := m.pid("/usr/local/bin/berth"); left != "" {
		t.Errorf("process %s of berth is left after --uninstall", left)
	}
}
