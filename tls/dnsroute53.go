package certs

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
)

// route53 is https://docs.aws.amazon.com/Route53/latest/APIReference/: the
// three calls that are needed. Amazon's own library would add 3.4 MB to the binary.
type route53 struct {
	rest
	keyID, secret, session string
	now                    func() time.Time
}

func newRoute53(credential string) (certmagic.DNSProvider, error) {
	const id, secret, session = "aws_access_key_id", "aws_secret_access_key", "aws_session_token"
	f, err := fields(credential, id, secret, session)
	if err != nil {
		return nil, err
	}
	if f[id] == "" || f[secret] == "" {
		return nil, fmt.Errorf("want the lines %s= and %s=", id, secret)
	}
	return txtRecords{&wholeSets{sets: &route53{
		rest: newREST("https://route53.amazonaws.com", ""), keyID: f[id], secret: f[secret], session: f[session], now: time.Now,
	}}}, nil
}

const route53Space = "https://route53.amazonaws.com/doc/2013-04-01/"

// A route53Set is a record set. A name that is followed by another in the
// zone's order would be listed too, so names and types are compared.
type route53Set struct {
	Name    string   `xml:"Name"`
	Type    string   `xml:"Type"`
	TTL     int      `xml:"TTL"`
	Records []string `xml:"ResourceRecords>ResourceRecord>Value"`
}

// zoneID finds the public zone.
func (a *route53) zoneID(ctx context.Context, zone string) (string, error) {
	var list struct {
		Zones []struct {
			ID      string `xml:"Id"`
			Name    string `xml:"Name"`
			Private bool   `xml:"Config>PrivateZone"`
		} `xml:"HostedZones>HostedZone"`
	}
	if err := a.call(ctx, http.MethodGet, "/2013-04-01/hostedzonesbyname", url.Values{"dnsname": {zone + "."}}, nil, &list); err != nil {
		return "", err
	}
	for _, z := range list.Zones {
		if z.Name == zone+"." && !z.Private {
			return strings.TrimPrefix(z.ID, "/hostedzone/"), nil
		}
	}
	return "", fmt.Errorf("the DNS provider has no public zone %s for this key", zone)
}

func (a *route53) get(ctx context.Context, r txt) ([]string, error) {
	id, err := a.zoneID(ctx, r.zone)
	if err != nil {
		return nil, err
	}
	var list struct {
		Sets []route53Set `xml:"ResourceRecordSets>ResourceRecordSet"`
	}
	query := url.Values{"name": {r.name + "."}, "type": {"TXT"}, "maxitems": {"1"}}
	if err := a.call(ctx, http.MethodGet, "/2013-04-01/hostedzone/"+url.PathEscape(id)+"/rrset", query, nil, &list); err != nil {
		return nil, err
	}
	for _, set := range list.Sets {
		if strings.EqualFold(set.Name, r.name+".") && set.Type == "TXT" {
			return set.Records, nil
		}
	}
	return nil, nil
}

func (a *route53) put(ctx context.Context, r txt, before, after []string) error {
	id, err := a.zoneID(ctx, r.zone)
	if err != nil {
		return err
	}
	action, values := "UPSERT", after
	if len(after) == 0 {
		action, values = "DELETE", before
	}
	type change struct {
		Action string     `xml:"Action"`
		Set    route53Set `xml:"ResourceRecordSet"`
	}
	body := struct {
		XMLName xml.Name `xml:"ChangeResourceRecordSetsRequest"`
		Space   string   `xml:"xmlns,attr"`
		Changes []change `xml:"ChangeBatch>Changes>Change"`
	}{Space: route53Space, Changes: []change{{action, route53Set{r.name + ".", "TXT", int(dnsTTL.Seconds()), values}}}}
	text, err := xml.Marshal(body)
	if err != nil {
		return err
	}
	return a.call(ctx, http.MethodPost, "/2013-04-01/hostedzone/"+url.PathEscape(id)+"/rrset", nil, text, nil)
}

func (a *route53) call(ctx context.Context, method, path string, query url.Values, body []byte, out any) error {
	// Signed are the parameters as they are sent: Encode sorts them.
	address := a.base + path
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	a.sign(req, body)
	answer, err := a.send(req)
	if e, ok := errors.AsType[*restError](err); ok {
		var said struct {
			Message string   `xml:"Error>Message"`
			Many    []string `xml:"Messages>Message"`
		}
		if xml.Unmarshal([]byte(e.said), &said) == nil && said.Message+strings.Join(said.Many, "") != "" {
			e.said = said.Message + strings.Join(said.Many, "; ")
		}
	}
	if err != nil || out == nil {
		return err
	}
	if err := xml.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("read the DNS provider's answer to %s %s: %w", method, path, err)
	}
	return nil
}

// sign signs req with AWS's Signature Version 4.
func (a *route53) sign(req *http.Request, body []byte) {
	now := a.now().UTC()
	day, stamp := now.Format("20060102"), now.Format("20060102T150405Z")
	req.Header.Set("X-Amz-Date", stamp)
	headers, signed := "host:"+req.URL.Host+"\nx-amz-date:"+stamp+"\n", "host;x-amz-date"
	if a.session != "" {
		req.Header.Set("X-Amz-Security-Token", a.session)
		headers += "x-amz-security-token:" + a.session + "\n"
		signed += ";x-amz-security-token"
	}
	hash := sha256.Sum256(body)
	canonical := strings.Join([]string{
		req.Method, req.URL.EscapedPath(), strings.ReplaceAll(req.URL.RawQuery, "+", "%20"), headers, signed, hex.EncodeToString(hash[:]),
	}, "\n")
	scope := day + "/us-east-1/route53/aws4_request"
	digest := sha256.Sum256([]byte(canonical))
	key := []byte("AWS4" + a.secret)
	for _, part := range []string{day, "us-east-1", "route53", "aws4_request"} {
		key = mac(key, part)
	}
	signature := mac(key, "AWS4-HMAC-SHA256\n"+stamp+"\n"+scope+"\n"+hex.EncodeToString(digest[:]))
	req.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%x", a.keyID, scope, signed, signature))
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
