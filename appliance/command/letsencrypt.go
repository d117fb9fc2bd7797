package command

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
	"github.com/berthhq/berth/db"
	certs "github.com/berthhq/berth/tls"
)

// Settings of the appliance about where its certificates come from.
const (
	ACMEDirectorySetting = "acme-directory" // "" for Let's Encrypt
	ACMEEmailSetting     = "acme-email"
	ACMEProfileSetting   = "acme-profile"
	ACMEChallengeSetting = "acme-challenge" // "dns", or "" for DNS where nothing else will do
	ACMEFallbackSetting  = "acme-fallback"  // the directory of the second CA
	DNSProviderSetting   = "dns-provider"

	// The names of secrets go on with what they are for: what was given to
	// one must not be sent to another.
	dnsCredentialSetting = "dns-credential:" // and the provider
	eabKeySetting        = "acme-eab-key:"   // and which CA
	eabIDSetting         = "acme-eab-id:"
)

// The CAs that an account can be bound at.
const firstCA, fallbackCA = "first", "fallback"

// maxCredential is more than any provider's: Google's is a file of 2 KB.
const maxCredential = 16 << 10

func letsEncrypt(p *pipeline.Pipeline) []Command {
	f := certificates{p}
	return []Command{
		{Name: "letsencrypt:set", Args: "<property> [<value>]", Short: "set " + strings.Join(propertyNames(), ", "), Run: f.set, Flags: global},
		{Name: "letsencrypt:dns", Args: "[<provider>]", Short: "let Berth change the DNS, with a credential from stdin; without a provider, take it back", Run: f.dns, Flags: global},
		{Name: "letsencrypt:eab", Args: "[<key-id>]", Short: "bind the account at the CA to yours, with the HMAC key from stdin; without a key id, take it back", Run: f.eab, Flags: bindingFlags},
		{Name: "letsencrypt:report", Short: "show where certificates come from, and those of the machine itself", Reads: true, Run: f.source, Flags: machineListing},
	}
}

func bindingFlags(fs *pflag.FlagSet) {
	global(fs)
	fs.Bool("fallback", false, "at the second CA")
}

func machineListing(fs *pflag.FlagSet) {
	listing(fs)
	global(fs)
}

// acmeProperties are what letsencrypt:set sets.
var acmeProperties = []struct {
	name, setting string
	check         func(string) error
}{
	{"email", ACMEEmailSetting, checkEmail},
	{"server", ACMEDirectorySetting, checkDirectory},
	{"profile", ACMEProfileSetting, checkProfile},
	{"challenge", ACMEChallengeSetting, checkChallenge},
	{"dns-provider", DNSProviderSetting, checkProvider},
	{"fallback-server", ACMEFallbackSetting, checkDirectory},
	{"check", pipeline.OrderCheckSetting, checkOff},
	{"limits", pipeline.OrderLimitsSetting, checkLimits},
}

func propertyNames() []string {
	names := make([]string, len(acmeProperties))
	for i, p := range acmeProperties {
		names[i] = p.name
	}
	return names
}

func (f certificates) set(ctx context.Context, c *Call) error {
	value := strings.Join(c.Args[1:], "")
	for _, p := range acmeProperties {
		if p.name != c.Args[0] {
			continue
		}
		if value != "" {
			if err := p.check(value); err != nil {
				return err
			}
		}
		if err := f.Store.Set(ctx, p.setting, value); err != nil {
			return err
		}
		done := fmt.Sprintf("Setting %s to %s", p.name, value)
		if value == "" {
			done = "Unsetting " + p.name
		}
		fmt.Fprintf(c.Stdout, "=====> %s\n", done)
		return f.reconfigure(ctx, c)
	}
	return unknownProperty(c.Args[0], propertyNames()...)
}

// reconfigure has orders follow the settings from now on.
func (f certificates) reconfigure(ctx context.Context, c *Call) error {
	settings, err := ACME(ctx, f.Store)
	if err != nil {
		return err
	}
	if err := f.ApplyOrderChecks(ctx); err != nil {
		return err
	}
	f.Certificates.Configure(settings)
	if d := settings.DNS; d.Provider != "" && d.Credential == "" {
		fmt.Fprintf(c.Stderr, " !     Berth has no credential for %s yet: letsencrypt:dns %s < file\n", d.Provider, d.Provider)
	}
	return nil
}

func (f certificates) dns(ctx context.Context, c *Call) error {
	if len(c.Args) == 0 {
		provider, err := f.Store.Setting(ctx, DNSProviderSetting)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Store.Set(ctx, DNSProviderSetting, ""), f.Store.Set(ctx, dnsCredentialSetting+provider, "")); err != nil {
			return err
		}
		fmt.Fprintln(c.Stdout, "-----> Berth does not change the DNS any more")
		return f.reconfigure(ctx, c)
	}
	provider := c.Args[0]
	if err := checkProvider(provider); err != nil {
		return err
	}
	credential, err := c.readSecret(ctx, "Credential")
	if err != nil {
		return err
	}
	if credential == "" {
		return appliance.WithHint(fmt.Errorf("no credential for %s", provider), "pipe it in: ssh berth@host letsencrypt:dns "+provider+" < file")
	}
	if err := (certs.DNS{Provider: provider, Credential: credential}).Check(); err != nil {
		return fmt.Errorf("%w %w", appliance.ErrInvalid, err)
	}
	if err := errors.Join(f.Store.Set(ctx, dnsCredentialSetting+provider, credential), f.Store.Set(ctx, DNSProviderSetting, provider)); err != nil {
		return err
	}
	fmt.Fprintf(c.Stdout, "-----> Berth changes the DNS at %s to prove that domains are yours\n", provider)
	return f.reconfigure(ctx, c)
}

func (f certificates) eab(ctx context.Context, c *Call) error {
	ca := firstCA
	if c.Bool("fallback") {
		ca = fallbackCA
	}
	id, key := "", ""
	if len(c.Args) > 0 {
		var err error
		if key, err = c.readSecret(ctx, "Key"); err != nil {
			return err
		}
		id = c.Args[0]
		if _, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(key, "=")); err != nil || key == "" {
			return appliance.WithHint(fmt.Errorf("%w HMAC key: it is base64url, as the CA shows it", appliance.ErrInvalid), "pipe it in: echo KEY | ssh berth@host letsencrypt:eab "+id)
		}
	}
	if err := errors.Join(f.Store.Set(ctx, eabIDSetting+ca, id), f.Store.Set(ctx, eabKeySetting+ca, key)); err != nil {
		return err
	}
	if id == "" {
		fmt.Fprintln(c.Stdout, "-----> New accounts at the CA are bound to nobody's")
	} else {
		fmt.Fprintf(c.Stdout, "-----> New accounts at the CA are bound to %s\n", id)
	}
	return f.reconfigure(ctx, c)
}

// A sourceReport says where certificates come from, without secrets.
type sourceReport struct {
	Settings map[string]string `json:"settings"`
	Machine  []certificateRow  `json:"machine"`
}

func (f certificates) source(ctx context.Context, c *Call) error {
	report := sourceReport{Settings: map[string]string{}, Machine: []certificateRow{}}
	rows := []string{}
	show := func(name, value string) {
		report.Settings[name] = value
		rows = append(rows, fmt.Sprintf("%-22s %s", name+":", value))
	}
	for _, p := range acmeProperties {
		value, err := f.Store.Setting(ctx, p.setting)
		if err != nil {
			return err
		}
		show(p.name, value)
	}
	settings, err := ACME(ctx, f.Store)
	if err != nil {
		return err
	}
	show("dns-credential", map[bool]string{true: "kept"}[settings.DNS.Credential != ""])
	show("eab", settings.EAB.KeyID)
	show("fallback-eab", settings.Fallback.EAB.KeyID)
	for _, host := range f.Certificates.MachineHosts() {
		s := f.Certificates.Status(host)
		row := certificateRow{Host: host, Kind: s.Kind, Issuer: s.Issuer, NotAfter: s.NotAfter}
		rows = append(rows, fmt.Sprintf("%-40s %-8s %s, until %s", host, s.Kind, s.Issuer, s.NotAfter.Format(time.DateOnly)))
		if s.Err != nil {
			row.Error = s.Err.Error()
			rows = append(rows, " !     "+row.Error)
		}
		report.Machine = append(report.Machine, row)
	}
	return c.List("certificates", report, rows)
}

// ACME returns the settings for the certificate authorities.
func ACME(ctx context.Context, store *db.Store) (settings certs.ACME, err error) {
	challenge := ""
	for _, s := range []struct {
		name string
		to   *string
	}{
		{ACMEDirectorySetting, &settings.Directory}, {ACMEEmailSetting, &settings.Email}, {ACMEProfileSetting, &settings.Profile},
		{ACMEChallengeSetting, &challenge}, {ACMEFallbackSetting, &settings.Fallback.Directory},
		{DNSProviderSetting, &settings.DNS.Provider}, {pipeline.DomainSetting, &settings.Domain},
		{eabIDSetting + firstCA, &settings.EAB.KeyID}, {eabKeySetting + firstCA, &settings.EAB.MACKey},
		{eabIDSetting + fallbackCA, &settings.Fallback.EAB.KeyID}, {eabKeySetting + fallbackCA, &settings.Fallback.EAB.MACKey},
	} {
		if *s.to, err = store.Setting(ctx, s.name); err != nil {
			return settings, err
		}
	}
	settings.Always = challenge == "dns"
	settings.DNS.Credential, err = store.Setting(ctx, dnsCredentialSetting+settings.DNS.Provider)
	return settings, err
}

// readSecret reads what is not to be seen in a list of processes, and by nobody
// at a terminal.
func (c *Call) readSecret(ctx context.Context, what string) (string, error) {
	if c.TTY {
		text, err := c.ask(ctx, what)
		return strings.TrimSpace(text), unless(err, io.EOF)
	}
	text, err := io.ReadAll(io.LimitReader(c.Stdin, maxCredential+1))
	if len(text) > maxCredential {
		return "", fmt.Errorf("%w credential: more than %d bytes", appliance.ErrInvalid, maxCredential)
	}
	return strings.TrimSpace(string(text)), err
}

func checkProvider(s string) error {
	if !slices.Contains(certs.DNSProviders(), s) {
		return appliance.WithHint(fmt.Errorf("DNS provider %.40q %w", s, appliance.ErrNotFound), "known: "+strings.Join(certs.DNSProviders(), ", "))
	}
	return nil
}

func checkProfile(s string) error {
	if strings.ContainsFunc(s, func(c rune) bool { return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' }) || len(s) > 60 {
		return appliance.WithHint(fmt.Errorf("%w profile %.60q", appliance.ErrInvalid, s), "Let's Encrypt has classic, tlsserver and shortlived")
	}
	return nil
}

func checkChallenge(s string) error {
	if s != "dns" {
		return appliance.WithHint(fmt.Errorf("%w challenge %.40q", appliance.ErrInvalid, s), "dns, or nothing: then DNS is used where nothing else will do")
	}
	return nil
}
