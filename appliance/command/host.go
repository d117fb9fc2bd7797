package command

import (
	"context"
	"fmt"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/berthhq/berth/appliance/pipeline"
)

// A HostInfo is what the commands tell about the appliance itself.
type HostInfo struct {
	Version string
	SSHPort int
	Key     ssh.PublicKey // of the gateway
}

type host struct {
	*pipeline.Pipeline
	info HostInfo
}

// Host returns the commands about the appliance itself.
func Host(p *pipeline.Pipeline, info HostInfo) []Command {
	h := host{p, info}
	return append(h.traceCommands(), []Command{
		{Name: "report", Short: "show where this machine is reached, and all reports of it, and of all apps or of one", For: Anyone, Reads: true, Run: h.report, Flags: listing},
		{Name: "version", Short: "print the version", For: Anyone, Reads: true, Run: h.version},
	}...)
}

// A hostRow is the appliance as scripts are shown it.
type hostRow struct {
	Version     string `json:"version"`
	Host        string `json:"host"`
	SSHPort     int    `json:"ssh_port"`
	Fingerprint string `json:"fingerprint"`
	Domain      string `json:"domain"`
	Remote      string `json:"remote"` // for git remote add, with <app> in it
	URL         string `json:"url"`    // likewise
}

func (h host) report(ctx context.Context, c *Call) error {
	domain, err := h.Domain(ctx)
	if err != nil {
		return err
	}
	row := hostRow{
		Version: h.info.Version, Host: h.name(), SSHPort: h.info.SSHPort, Domain: domain,
		Fingerprint: ssh.FingerprintSHA256(h.info.Key), URL: h.Addresses.URL("<app>." + domain),
	}
	row.Remote = remote(row.Host, row.SSHPort)
	return c.List("berth", row, []string{
		"version:      " + row.Version,
		"apps:         " + row.URL,
		"git remote:   " + row.Remote,
		"fingerprint:  " + row.Fingerprint,
	})
}

// remote returns what git remote add takes, in git's short form where that
// has room for the port.
func remote(host string, port int) string {
	if strings.Contains(host, ":") { // IPv6
		host = "[" + host + "]"
	}
	if port == 22 {
		return fmt.Sprintf("berth@%s:<app>", host)
	}
	return fmt.Sprintf("ssh://berth@%s:%d/<app>", host, port)
}

// name is the name to reach this machine by: its public address, else what it
// calls itself.
func (h host) name() string {
	if h.Addresses.IP.IsValid() {
		return h.Addresses.IP.String()
	}
	if name, err := os.Hostname(); err == nil {
		return name
	}
	return "localhost"
}

func (h host) version(ctx context.Context, c *Call) error {
	_, err := fmt.Fprintln(c.Stdout, "berth", h.info.Version)
	return err
}
