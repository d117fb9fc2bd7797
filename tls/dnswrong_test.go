package certs

import (
	"crypto/rand"
	"crypto/rsa"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/libdns/cloudflare"
	"github.com/libdns/libdns"
)

// What each provider answers to a credential that is wrong, as it documents it.
func TestAWrongTokenIsExplained(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	const secret = "s3cret-t0ken"
	for provider, test := range map[string]struct {
		new    func(base string) certmagic.DNSProvider
		status int
		body   string
		want   string // what it says, in its own words
	}{
		"cloudflare": {
			func(string) certmagic.DNSProvider { return &cloudflare.Provider{APIToken: secret} },
			403, `{"success":false,"errors":[{"code":9109,"message":"Invalid access token ` + secret + `"}],"result":null}`, "Invalid access token",
		},
		"route53": {
			func(base string) certmagic.DNSProvider {
				return txtRecords{&wholeSets{sets: &route53{rest: newREST(base, ""), keyID: "AKID", secret: secret, now: time.Now}}}
			},
			403, `<ErrorResponse><Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code><Message>The request signature we calculated does not match the signature you provided. ` + secret + `</Message></Error></ErrorResponse>`, "signature we calculated does not match",
		},
		"digitalocean": {
			func(base string) certmagic.DNSProvider { return txtRecords{&digitalOcean{newREST(base, secret)}} },
			401, `{"id":"Unauthorized","message":"Unable to authenticate you ` + secret + `"}`, "Unable to authenticate you",
		},
		"hetzner": {
			func(base string) certmagic.DNSProvider { return txtRecords{&hetzner{newREST(base, secret)}} },
			401, `{"error":{"code":"unauthorized","message":"unable to authenticate ` + secret + `"}}`, "unable to authenticate",
		},
		"gandi": {
			func(base string) certmagic.DNSProvider {
				return txtRecords{&wholeSets{sets: &gandi{newREST(base, secret)}}}
			},
			403, `{"object":"HTTPForbidden","cause":"Forbidden","code":403,"message":"Access was denied to this resource. ` + secret + `"}`, "Access was denied to this resource",
		},
		"google": {
			func(base string) certmagic.DNSProvider {
				return txtRecords{&wholeSets{sets: &google{
					rest: newREST(base, ""), project: "p", email: "e", key: key, login: base + "/token", now: time.Now,
				}}}
			},
			400, `{"error":"invalid_grant","error_description":"Invalid JWT Signature. ` + secret + `"}`, "Invalid JWT Signature",
		},
	} {
		t.Run(provider, func(t *testing.T) {
			s := serve(t, func(*service, *http.Request, []byte) (int, string) { return test.status, test.body })
			if provider == "cloudflare" {
				to, _ := url.Parse(s.URL)
				before := http.DefaultClient.Transport
				http.DefaultClient.Transport = redirected{to}
				defer func() { http.DefaultClient.Transport = before }()
			}
			p := limited{test.new(s.URL), provider, []string{secret}}
			records := []libdns.Record{libdns.RR{Type: "TXT", Name: testName, Data: testValue}}

			_, adding := p.AppendRecords(t.Context(), testZone, records)
			_, removing := p.DeleteRecords(t.Context(), testZone, records)

			for what, err := range map[string]error{"adding": adding, "removing": removing} {
				if err == nil {
					t.Errorf("%s: no error", what)
					continue
				}
				said := err.Error()
				if !strings.HasPrefix(said, provider+" does not take the credential (") || !strings.Contains(said, test.want) || !strings.HasSuffix(said, ": letsencrypt:dns "+provider) {
					t.Errorf("%s: %q, want who, what it said (%s) and what to do", what, said, test.want)
				}
				if strings.Contains(said, secret) {
					t.Errorf("%s: %q shows the secret", what, said)
				}
			}
		})
	}
}

// What is wrong with the request is not blamed on the credential.
func TestAnotherErrorOfAProviderIsNotTheCredentials(t *testing.T) {
	s := serve(t, func(*service, *http.Request, []byte) (int, string) {
		return 422, `{"error":{"code":"invalid_input","message":"s3cret is no zone"}}`
	})
	p := limited{txtRecords{&hetzner{newREST(s.URL, "token")}}, "hetzner", secretsOf("s3cret")}

	_, err := p.AppendRecords(t.Context(), testZone, []libdns.Record{libdns.RR{Type: "TXT", Name: testName, Data: testValue}})

	if err == nil || strings.Contains(err.Error(), "credential (") || strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), "422") {
		t.Errorf("%v, want what it said", err)
	}
}

func TestTheSecretPartsOfACredentialAreKnown(t *testing.T) {
	for credential, want := range map[string]string{
		"t0ken": "t0ken",
		"aws_access_key_id=AKID\naws_secret_access_key = b/c+d=\n": "b/c+d=,aws_secret_access_key = b/c+d=",
		"server=192.0.2.1\nkey=k.\nsecret=c2Vj":                    "c2Vj,secret=c2Vj",
	} {
		if got := strings.Join(secretsOf(credential), ","); got != want {
			t.Errorf("%q: %q, want %q", credential, got, want)
		}
	}
}
