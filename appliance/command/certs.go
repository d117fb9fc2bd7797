package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
	certs "github.com/berthhq/berth/tls"
)

type certificates struct {
	*pipeline.Pipeline
}

// Certificates returns the commands about certificates.
func Certificates(p *pipeline.Pipeline) []Command {
	f := certificates{p}
	return append([]Command{
		{Name: "certs:add", Args: "<app>", Short: "serve your own certificate, from stdin: PEM or a tar archive, with the key", For: Manager, Global: true, Run: f.add},
		{Name: "certs:update", Args: "<app>", Short: "the same as certs:add", For: Manager, Global: true, Run: f.add},
		{Name: "certs:remove", Args: "<app>", Short: "serve certificates that Berth gets again", For: Manager, Global: true, Run: f.remove},
		{Name: "certs:generate", Args: "<app> <domain>...", Short: "make a key, and print the request to send to a CA", For: Manager, Global: true, Run: f.generate},
		{Name: "certs:show", Args: "<app> [<part>]", Short: "print the certificate that you brought (crt)", For: Viewer, Reads: true, Global: true, Run: f.show},
		{Name: "certs:report", Args: "<app>", Short: "show the certificates of an app's hosts", For: Viewer, Reads: true, Global: true, Run: f.report, Flags: listing},
		{Name: "certs:retry", Args: "<app>", Short: "ask for the certificates that are missing now", For: Manager, Run: f.retry},
		{Name: "certs:root", Short: "print the root certificate of this machine's own CA", For: Anyone, Reads: true, Run: f.root},
	}, letsEncrypt(p)...)
}

func (f certificates) add(ctx context.Context, c *Call) error {
	text, err := certs.ReadBundle(c.Stdin)
	if err != nil {
		return unfit(err)
	}
	own, notes, err := f.Certificates.AddOwn(ctx, f.Service(c.App), text)
	if err != nil {
		return unfit(err)
	}
	fmt.Fprintf(c.Stdout, "-----> Serving your certificate for %s, until %s\n", strings.Join(namesOf(own), " "), own.Leaf.NotAfter.UTC().Format("2006-01-02"))
	for _, note := range notes {
		fmt.Fprintf(c.Stderr, " !     %s\n", note.Error())
	}
	if c.Global {
		return nil
	}
	return f.uncovered(ctx, c, own)
}

// uncovered tells which hosts of the app go on as before.
func (f certificates) uncovered(ctx context.Context, c *Call, own certs.Own) error {
	domains, err := f.Hosts(ctx, c.App)
	if err != nil {
		return err
	}
	hosts := appliance.HostsOf(domains)
	var not []string
	for _, host := range hosts {
		if !own.Covers(host) {
			not = append(not, host)
			continue
		}
		if shown, ok := f.Certificates.Shown(host); ok && !appliance.IsWildcard(host) && !slices.Contains(domains, host) && !shown.Leaf.Equal(own.Leaf) {
			fmt.Fprintf(c.Stderr, " !     %s goes on as before: %s has a path of it, and all of it is another app's\n", host, c.App)
		}
	}
	switch {
	case len(not) == len(hosts):
		fmt.Fprintf(c.Stderr, " !     it covers none of the hosts of %s yet: domains:add %s %s\n", c.App, c.App, strings.TrimPrefix(namesOf(own)[0], "*."))
	case len(not) > 0:
		fmt.Fprintf(c.Stderr, " !     it does not cover %s\n", strings.Join(not, ", "))
	}
	return nil
}

// unfit makes what is wrong with a bundle an error of the caller's.
func unfit(err error) error {
	found, ok := errors.AsType[certs.Finding](err)
	if !ok {
		return err
	}
	err = fmt.Errorf("%w certificate: %s", appliance.ErrInvalid, found.What)
	if found.Fix == "" {
		return err
	}
	return appliance.WithHint(err, found.Fix)
}

func (f certificates) remove(ctx context.Context, c *Call) error {
	there, err := f.Certificates.RemoveOwn(ctx, f.Service(c.App))
	if err != nil {
		return err
	}
	if !there {
		return noOwn(c)
	}
	fmt.Fprintln(c.Stdout, "-----> Removed your certificate; Berth gets its own again")
	return nil
}

func noOwn(c *Call) error {
	whose := string(c.App)
	if c.Global {
		whose = "all apps"
	}
	return appliance.WithHint(fmt.Errorf("a certificate of your own for %s %w", whose, appliance.ErrNotFound), "certs:report shows what its hosts are served with")
}

func (f certificates) generate(ctx context.Context, c *Call) error {
	var domains []string
	for _, arg := range c.Args[1:] {
		base, wild := strings.CutPrefix(arg, "*.")
		host, err := appliance.ParseHost(base)
		if err != nil {
			return err
		}
		if wild {
			host = "*." + host
		}
		domains = append(domains, host)
	}
	request, err := f.Certificates.Request(ctx, f.Service(c.App), domains...)
	if err != nil {
		return err
	}
	whom := "--global"
	if !c.Global {
		whom = string(c.App)
	}
	fmt.Fprintf(c.Stderr, "-----> Made a key for %s, which stays here\n       Send the request to your CA, and bring what it answers: certs:add %s < server.crt\n", strings.Join(domains, " "), whom)
	_, err = c.Stdout.Write(request)
	return err
}

func (f certificates) show(ctx context.Context, c *Call) error {
	part := "crt"
	if len(c.Args) > 1 {
		part = c.Args[1]
	}
	switch part {
	case "crt":
		own, ok := f.Certificates.Own(f.Service(c.App))
		if !ok {
			return noOwn(c)
		}
		_, err := c.Stdout.Write(own.Chain)
		return err
	case "key":
		return appliance.WithHint(fmt.Errorf("a private key does not leave this machine: %w", appliance.ErrInvalid), "it is in the backup of the database; for another machine, have a certificate made there: certs:generate")
	}
	return fmt.Errorf("%w: certs:show <app> [crt]", ErrUsage)
}

func (f certificates) retry(ctx context.Context, c *Call) error {
	domains, err := f.Hosts(ctx, c.App)
	if err != nil {
		return err
	}
	retried := f.Certificates.Retry(appliance.HostsOf(domains)...)
	for _, host := range retried {
		fmt.Fprintf(c.Stdout, "-----> Asking for a certificate for %s\n", host)
	}
	if len(retried) == 0 {
		fmt.Fprintf(c.Stdout, "-----> No certificate of %s is missing\n", c.App)
	}
	for _, line := range f.CertificateTrouble(ctx, retried...) {
		fmt.Fprintf(c.Stderr, " !     %s\n", line)
	}
	return nil
}

func (f certificates) root(ctx context.Context, c *Call) error {
	_, err := c.Stdout.Write(f.Certificates.RootPEM())
	return err
}

// namesOf are those that a certificate is good for. A stranger may have written
// them.
func namesOf(own certs.Own) (list []string) {
	for _, name := range own.Leaf.DNSNames {
		list = append(list, strings.Trim(fmt.Sprintf("%.100q", name), `"`))
	}
	return list
}

func checkOff(s string) error {
	if s != "off" {
		return appliance.WithHint(fmt.Errorf("%w check %.40q", appliance.ErrInvalid, s), "off, or nothing: then DNS and ports are looked at before an order")
	}
	return nil
}

func checkLimits(s string) error {
	_, err := pipeline.ParseLimits(s)
	return err
}
