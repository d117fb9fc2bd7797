package command

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
	"github.com/berthhq/berth/db"
	certs "github.com/berthhq/berth/tls"
)

type certificates struct {
	*pipeline.Pipeline
}

// Settings of the appliance about where its certificates come from.
const (
	ACMEDirectorySetting = "acme-directory" // "" for Let's Encrypt
	ACMEEmailSetting     = "acme-email"
)

// Certificates returns the commands about certificates.
func Certificates(p *pipeline.Pipeline) []Command {
	f := certificates{p}
	return []Command{
		{Name: "certs:report", Args: "<app>", Short: "show the certificates of an app's hosts", For: Member, Reads: true, Run: f.report, Flags: listing},
		{Name: "certs:root", Short: "print the root certificate of this machine's own CA", For: Anyone, Reads: true, Run: f.root},
		{Name: "letsencrypt:set", Args: "<property> [<value>]", Short: "set email or server (an ACME directory)", Run: f.set, Flags: global},
	}
}

func (f certificates) root(ctx context.Context, c *Call) error {
	_, err := c.Stdout.Write(f.Certificates.RootPEM())
	return err
}

// A certificateRow is the state of one host's certificate.
type certificateRow struct {
	Host     string    `json:"host"`
	Kind     string    `json:"kind"`
	Issuer   string    `json:"issuer"`
	NotAfter time.Time `json:"not_after"`
	Error    string    `json:"error,omitempty"`
}

func (f certificates) report(ctx context.Context, c *Call) error {
	hosts, err := f.Hosts(ctx, c.App)
	if err != nil {
		return err
	}
	list, rows := []certificateRow{}, []string{}
	for _, host := range appliance.HostsOf(hosts) {
		s := f.Certificates.Status(host)
		row := certificateRow{Host: host, Kind: string(s.Kind), Issuer: s.Issuer, NotAfter: s.NotAfter}
		text := fmt.Sprintf("%-40s %-8s %s", host, row.Kind, row.Issuer)
		if !row.NotAfter.IsZero() {
			text += ", until " + row.NotAfter.Format(time.DateOnly)
		}
		rows = append(rows, text)
		if s.Err != nil {
			row.Error = s.Err.Error()
			rows = append(rows, " !     "+row.Error)
		}
		list = append(list, row)
	}
	return c.List(string(c.App)+" certificates", list, rows)
}

func (f certificates) set(ctx context.Context, c *Call) error {
	value := strings.Join(c.Args[1:], "")
	setting, check := "", checkEmail
	switch c.Args[0] {
	case "email":
		setting = ACMEEmailSetting
	case "server":
		setting, check = ACMEDirectorySetting, checkDirectory
	default:
		return unknownProperty(c.Args[0], "email", "server")
	}
	if value != "" {
		if err := check(value); err != nil {
			return err
		}
	}
	if err := f.Store.Set(ctx, setting, value); err != nil {
		return err
	}
	account, err := ACME(ctx, f.Store)
	if err != nil {
		return err
	}
	f.Certificates.Configure(account)
	fmt.Fprintf(c.Stdout, "=====> Setting %s to %s\n", c.Args[0], value)
	return nil
}

// ACME returns the settings for the certificate authority.
func ACME(ctx context.Context, store *db.Store) (account certs.ACME, err error) {
	if account.Directory, err = store.Setting(ctx, ACMEDirectorySetting); err != nil {
		return account, err
	}
	account.Email, err = store.Setting(ctx, ACMEEmailSetting)
	return account, err
}
