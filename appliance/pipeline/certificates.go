package pipeline

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/berthhq/berth/appliance"
	certs "github.com/berthhq/berth/tls"
)

// Settings of the machine about the checks before a certificate is ordered.
const (
	OrderCheckSetting  = "acme-check"  // "off" to leave them out
	OrderLimitsSetting = "acme-limits" // "off", or four numbers; what the CA has published if ""
)

// checkTime is how long somebody waits to hear what is wrong with a host.
const checkTime = 6 * time.Second

// CertificateTrouble says what stands in the way of the certificates of
// domains, a line for each thing.
func (p *Pipeline) CertificateTrouble(ctx context.Context, domains ...string) (lines []string) {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	for _, host := range appliance.HostsOf(domains) {
		report := p.Certificates.Check(ctx, host)
		for _, problem := range report.Problems {
			lines = append(lines, "no certificate for "+host+" yet: "+problem.Error())
		}
		for _, warning := range report.Warnings {
			lines = append(lines, warning.Error())
		}
	}
	return lines
}

// ApplyOrderChecks has certificates ordered with the checks that are set.
func (p *Pipeline) ApplyOrderChecks(ctx context.Context) error {
	check, err := p.Store.Setting(ctx, OrderCheckSetting)
	if err != nil {
		return err
	}
	text, err := p.Store.Setting(ctx, OrderLimitsSetting)
	if err != nil {
		return err
	}
	flight := p.Preflight
	if text != "" {
		limits, err := ParseLimits(text)
		if err != nil {
			return err
		}
		flight.Limits = func(string) certs.Limits { return limits }
	}
	flight.LimitsOnly = check == "off"
	p.Certificates.ConfigurePreflight(&flight)
	return nil
}

// ParseLimits reads limits as people set them: "off", or how many certificates
// of a domain and duplicates in a week, failures in an hour and orders in three
// hours, with commas.
func ParseLimits(text string) (l certs.Limits, err error) {
	if text == "off" {
		return l, nil
	}
	numbers := strings.Split(text, ",")
	all := []*int{&l.Certificates, &l.Duplicates, &l.Failures, &l.Orders}
	ok := len(numbers) == len(all)
	for i := range min(len(numbers), len(all)) {
		n, err := strconv.ParseUint(strings.TrimSpace(numbers[i]), 10, 31)
		*all[i], ok = int(n), ok && err == nil
	}
	if !ok {
		return l, appliance.WithHint(fmt.Errorf("%w limits %.60q", appliance.ErrInvalid, text),
			"give certificates of a domain and duplicates in a week, failures in an hour, orders in three hours, as in 50,5,5,300; or off")
	}
	return l, nil
}
