package command

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"github.com/berthhq/berth/appliance"
	certs "github.com/berthhq/berth/tls"
)

// A certificateRow is the state of one host's certificate.
type certificateRow struct {
	Host     string    `json:"host"`
	Kind     string    `json:"kind"`
	Issuer   string    `json:"issuer"`
	NotAfter time.Time `json:"not_after"`
	Error    string    `json:"error,omitempty"`
	Warnings []string  `json:"warnings,omitempty"`
}

// A certificateReport has Dokku's keys, which are about one certificate, and
// the hosts with theirs.
type certificateReport struct {
	Enabled     string           `json:"ssl-enabled"`
	Hostnames   string           `json:"ssl-hostnames"`
	ExpiresAt   string           `json:"ssl-expires-at"`
	Fingerprint string           `json:"ssl-fingerprint"`
	Issuer      string           `json:"ssl-issuer"`
	Serial      string           `json:"ssl-serial"`
	StartsAt    string           `json:"ssl-starts-at"`
	Subject     string           `json:"ssl-subject"`
	Verified    string           `json:"ssl-verified"`
	Hosts       []certificateRow `json:"hosts"`
}

func (f certificates) report(ctx context.Context, c *Call) error {
	var hosts []string
	heading := "Global ssl information"
	shown, ok := f.Certificates.Own(f.Service(c.App))
	if c.Global {
		hosts = f.Certificates.MachineHosts()
	} else {
		domains, err := f.Hosts(ctx, c.App)
		if err != nil {
			return err
		}
		hosts = appliance.HostsOf(domains)
		heading = string(c.App) + " ssl information"
		if !ok && len(hosts) > 0 {
			shown, _ = f.Certificates.Shown(hosts[0]) // the host to show people
		}
	}
	report, rows := describe(shown)
	for _, host := range hosts {
		row := f.row(host)
		report.Hosts = append(report.Hosts, row)
		rows = append(rows, row.lines()...)
	}
	return c.List(heading, report, rows)
}

func (f certificates) row(host string) certificateRow {
	s := f.Certificates.Status(host)
	row := certificateRow{Host: host, Kind: s.Kind, Issuer: s.Issuer, NotAfter: s.NotAfter}
	if s.Err != nil {
		row.Error = s.Err.Error()
	}
	if s.Kind == certs.KindPending {
		for _, warning := range f.Certificates.Warnings(host) {
			row.Warnings = append(row.Warnings, warning.Error())
		}
	}
	return row
}

func (r certificateRow) lines() []string {
	text := fmt.Sprintf("%-40s %-8s %s", r.Host, r.Kind, r.Issuer)
	if !r.NotAfter.IsZero() {
		text += ", until " + r.NotAfter.Format(time.DateOnly)
	}
	lines := []string{strings.TrimRight(text, " ")}
	if r.Error != "" {
		lines = append(lines, " !     "+r.Error)
	}
	for _, warning := range r.Warnings {
		lines = append(lines, " !     "+warning)
	}
	return lines
}

// openSSLTime is how Dokku, which asks openssl, shows a time.
const openSSLTime = "Jan _2 15:04:05 2006 GMT"

// describe returns what is to be told of a certificate in Dokku's words.
func describe(shown certs.Own) (certificateReport, []string) {
	report := certificateReport{Enabled: "false", Hosts: []certificateRow{}}
	if leaf := shown.Leaf; leaf != nil {
		sum := sha256.Sum256(leaf.Raw)
		report = certificateReport{
			Enabled:     "true",
			Hostnames:   strings.Join(namesOf(shown), " "),
			ExpiresAt:   leaf.NotAfter.UTC().Format(openSSLTime),
			Fingerprint: strings.ReplaceAll(fmt.Sprintf("% X", sum[:]), " ", ":"),
			Issuer:      fmt.Sprintf("%.300q", leaf.Issuer.String()),
			Serial:      fmt.Sprintf("%X", leaf.SerialNumber),
			StartsAt:    leaf.NotBefore.UTC().Format(openSSLTime),
			Subject:     fmt.Sprintf("%.300q", leaf.Subject.String()),
			Verified:    "self signed",
			Hosts:       []certificateRow{},
		}
		report.Issuer, report.Subject = strings.Trim(report.Issuer, `"`), strings.Trim(report.Subject, `"`)
		if shown.Verified() {
			report.Verified = "verified by a certificate authority"
		}
	}
	var rows []string
	for _, p := range (properties{
		{"Ssl enabled", report.Enabled}, {"Ssl hostnames", report.Hostnames}, {"Ssl expires at", report.ExpiresAt},
		{"Ssl fingerprint", report.Fingerprint}, {"Ssl issuer", report.Issuer}, {"Ssl serial", report.Serial},
		{"Ssl starts at", report.StartsAt}, {"Ssl subject", report.Subject}, {"Ssl verified", report.Verified},
	}) {
		rows = append(rows, strings.TrimRight(fmt.Sprintf("       %-21s%s", p[0]+":", p[1]), " "))
	}
	return report, rows
}
