package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"regexp"

	"github.com/spf13/pflag"

	"github.com/berthhq/berth/appliance"
)

// A config is what must be known before the store can be opened. Everything
// else is a setting, kept in the store and changed with commands.
type config struct {
	dir      string // where the appliance keeps everything
	socket   string // its local door
	instance string // what the names of its containers and images begin with
	ssh      string // addresses to listen on
	http     string
	https    string
	http3    bool       // also serve HTTP/3, at the UDP port of https
	ip       netip.Addr // the machine's public address; the zero Addr: look for it; a loopback one: it has none
	docker   string     // where Docker listens; its usual place if ""
	metrics  string     // an address to tell Prometheus at; none if ""
	resolver string     // the name server that is asked whether a change of the DNS has arrived; the system's if ""
	roots    string     // a PEM file of what signs the ACME directory's certificate; the system's if ""
	binary   string     // the berth that goes into the stack; this one if ""
}

func (c config) path(name string) string { return filepath.Join(c.dir, name) }

var instanceName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,30}$`)

// parseConfig reads flags, then the environment, then falls back to defaults.
// It returns the arguments that follow the flags.
func parseConfig(args []string, getenv func(string) string) (config, []string, error) {
	var c config
	var ip, http3, as, app string
	fs := pflag.NewFlagSet("berth", pflag.ContinueOnError)
	fs.SetInterspersed(false)
	fs.BoolP("version", "v", false, "print the version")
	fs.StringVar(&c.dir, "dir", cmp.Or(getenv("BERTH_DIR"), "/var/lib/berth"), "where to keep everything")
	fs.StringVar(&c.socket, "socket", cmp.Or(getenv("BERTH_SOCKET"), "/run/berth/berth.sock"), "the local door")
	fs.StringVar(&c.instance, "instance", cmp.Or(getenv("BERTH_INSTANCE"), "berth"), "what the names of containers and images begin with")
	fs.StringVar(&c.ssh, "ssh", cmp.Or(getenv("BERTH_SSH"), ":22"), "address for SSH")
	fs.StringVar(&c.http, "http", cmp.Or(getenv("BERTH_HTTP"), ":80"), "address for HTTP")
	fs.StringVar(&c.https, "https", cmp.Or(getenv("BERTH_HTTPS"), ":443"), "address for HTTPS")
	fs.StringVar(&http3, "http3", cmp.Or(getenv("BERTH_HTTP3"), "on"), "HTTP/3, at the UDP port of HTTPS: on or off")
	fs.StringVar(&c.metrics, "metrics", getenv("BERTH_METRICS"), "address to serve metrics for Prometheus at, such as 127.0.0.1:9145")
	fs.StringVar(&ip, "ip", getenv("BERTH_IP"), "the machine's public address")
	fs.StringVar(&c.docker, "docker", cmp.Or(getenv("BERTH_DOCKER_HOST"), getenv("DOCKER_HOST")), "where Docker listens")
	fs.StringVar(&c.roots, "acme-roots", getenv("BERTH_ACME_ROOTS"), "PEM file to trust the ACME directory by")
	fs.StringVar(&c.resolver, "resolver", getenv("BERTH_RESOLVER"), "name server (192.0.2.1:53) to ask about the DNS of certificates")
	fs.StringVar(&c.binary, "stack-binary", getenv("BERTH_STACK_BINARY"), "the berth binary to put into the stack")
	// What may stand before a command is handed on.
	fs.StringVar(&as, "as", "", "")
	fs.StringVar(&app, "app", "", "the app of the command that follows")
	forAll := []string{"quiet", "force", "trace"}
	for _, name := range forAll {
		fs.Bool(name, false, "")
	}
	err := fs.Parse(args)
	if errors.Is(err, pflag.ErrHelp) {
		return c, []string{"help"}, nil
	}
	if err != nil {
		return c, nil, err
	}
	if ip != "" {
		addr, err := netip.ParseAddr(ip)
		if err != nil {
			return c, nil, fmt.Errorf("%w public address: %v", appliance.ErrInvalid, err)
		}
		c.ip = addr
	}
	if c.http3 = http3 == "on"; !c.http3 && http3 != "off" {
		return c, nil, fmt.Errorf("%w http3 %q: there are on and off", appliance.ErrInvalid, http3)
	}
	if !instanceName.MatchString(c.instance) {
		return c, nil, fmt.Errorf("%w instance %q: use lower-case letters, digits and hyphens", appliance.ErrInvalid, c.instance)
	}
	var rest []string
	for name, value := range map[string]string{"as": as, "app": app} {
		if fs.Changed(name) {
			rest = append(rest, "--"+name+"="+value)
		}
	}
	for _, name := range forAll {
		if fs.Changed(name) {
			rest = append(rest, "--"+name)
		}
	}
	rest = append(rest, fs.Args()...)
	if v, _ := fs.GetBool("version"); v {
		rest = []string{"version"}
	}
	return c, rest, nil
}
