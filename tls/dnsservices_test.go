package certs

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libdns/cloudflare"
	"github.com/libdns/libdns"
)

const (
	testZone  = "example.org."
	testName  = "_acme-challenge.www"
	testFQDN  = "_acme-challenge.www.example.org"
	testValue = "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0"
)

// A service is a provider's interface as its documentation describes it, with
// the records of one zone.
type service struct {
	*httptest.Server
	t      *testing.T
	mu     sync.Mutex
	values []string // as the provider writes them
	asked  []string // method and path of each request
}

// serve runs a service: answer has the lock.
func serve(t *testing.T, answer func(s *service, r *http.Request, body []byte) (status int, out string)) *service {
	t.Helper()
	s := &service{t: t}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked = append(s.asked, r.Method+" "+r.URL.RequestURI())
		status, out := answer(s, r, body)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		io.WriteString(w, out)
	}))
	t.Cleanup(s.Close)
	return s
}

func bearer(t *testing.T, r *http.Request, token string) {
	if got := r.Header.Get("Authorization"); got != "Bearer "+token {
		t.Errorf("Authorization = %q, want the token", got)
	}
}

// prove changes a zone as an order does: two records of one name come, and go
// one after the other, and what was there before stays.
func prove(t *testing.T, p interface {
	libdns.RecordAppender
	libdns.RecordDeleter
}, s *service, before []string) {
	t.Helper()
	p = limited{p: p}
	s.values = slices.Clone(before)
	record := func(value string) []libdns.Record {
		return []libdns.Record{libdns.RR{Type: "TXT", Name: testName, Data: value, TTL: dnsTTL}}
	}
	for _, value := range []string{testValue, "another"} {
		made, err := p.AppendRecords(t.Context(), testZone, record(value))
		if err != nil {
			t.Fatal(err)
		}
		if len(made) != 1 || made[0].RR().Data != value {
			t.Errorf("made %v, want what was asked for", made)
		}
	}
	if want := len(before) + 2; len(s.values) != want || !slices.ContainsFunc(s.values, same(testValue)) || !slices.ContainsFunc(s.values, same("another")) {
		t.Errorf("the zone has %q, want both records", s.values)
	}
	if _, err := p.DeleteRecords(t.Context(), testZone, record(testValue)); err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(s.values, same(testValue)) || !slices.ContainsFunc(s.values, same("another")) {
		t.Errorf("the zone has %q, want the other record alone", s.values)
	}
	if _, err := p.DeleteRecords(t.Context(), testZone, record("another")); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(s.values, before) {
		t.Errorf("the zone has %q, want %q\n%s", s.values, before, strings.Join(s.asked, "\n"))
	}
}

// Cloudflare's library has the address built in: requests are sent elsewhere below it.
type redirected struct{ to *url.URL }

func (d redirected) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != "api.cloudflare.com" || r.URL.Scheme != "https" {
		return nil, fmt.Errorf("asked %s", r.URL)
	}
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = d.to.Scheme, d.to.Host
	return http.DefaultTransport.RoundTrip(r)
}

func TestCloudflareIsAskedAsDocumented(t *testing.T) {
	ids := map[string]string{} // of records, by value
	s := serve(t, func(s *service, r *http.Request, body []byte) (int, string) {
		bearer(t, r, "token")
		path := strings.TrimPrefix(r.URL.Path, "/client/v4/zones")
		ok := func(result any) (int, string) {
			text, _ := json.Marshal(map[string]any{"success": true, "result": result})
			return 200, string(text)
		}
		var record struct{ Type, Name, Content string }
		switch {
		case r.Method == "GET" && path == "" && strings.TrimSuffix(r.URL.Query().Get("name"), ".") == "example.org":
			return ok([]map[string]any{{"id": "z1", "name": "example.org"}})
		case r.Method == "POST" && path == "/z1/dns_records":
			if err := json.Unmarshal(body, &record); err != nil || record.Type != "TXT" || record.Name != testName && record.Name != testFQDN {
				t.Errorf("record %s, %v", body, err)
			}
			s.values = append(s.values, record.Content)
			ids[record.Content] = fmt.Sprint("r", len(ids))
			return ok(map[string]any{"id": ids[record.Content], "type": "TXT", "name": testFQDN, "content": record.Content})
		case r.Method == "GET" && path == "/z1/dns_records":
			var found []map[string]any
			wanted := strings.Trim(r.URL.Query().Get("content.exact")+r.URL.Query().Get("content"), `"`)
			for _, value := range s.values {
				if same(wanted)(value) {
					found = append(found, map[string]any{"id": ids[value], "type": "TXT", "name": testFQDN, "content": value})
				}
			}
			return ok(found)
		case r.Method == "DELETE" && strings.HasPrefix(path, "/z1/dns_records/r"):
			s.values = slices.DeleteFunc(s.values, func(v string) bool { return strings.HasSuffix(path, "/"+ids[v]) })
			return ok(map[string]any{"id": "r", "type": "TXT", "name": testFQDN, "content": "x"})
		}
		t.Errorf("asked %s %s", r.Method, r.URL)
		return 404, `{"success":false,"errors":[{"code":7003,"message":"no"}]}`
	})
	to, _ := url.Parse(s.URL)
	before := http.DefaultClient.Transport
	http.DefaultClient.Transport = redirected{to}
	defer func() { http.DefaultClient.Transport = before }()

	prove(t, &cloudflare.Provider{APIToken: "token"}, s, nil)
}

func TestDigitalOceanIsAskedAsDocumented(t *testing.T) {
	next, ids := 7, map[string]string{}
	s := serve(t, func(s *service, r *http.Request, body []byte) (int, string) {
		bearer(t, r, "token")
		const records = "/v2/domains/example.org/records"
		switch {
		case r.Method == "POST" && r.URL.Path == records:
			var record digitalOceanRecord
			if err := json.Unmarshal(body, &record); err != nil || record.Type != "TXT" || record.Name != testName || record.TTL < 30 {
				t.Errorf("record %s, %v", body, err)
			}
			next++
			s.values, ids[record.Data] = append(s.values, record.Data), fmt.Sprint(next)
			return 201, fmt.Sprintf(`{"domain_record":{"id":%d}}`, next)
		case r.Method == "GET" && r.URL.Path == records && r.URL.Query().Get("name") == testFQDN && r.URL.Query().Get("type") == "TXT":
			var list []string
			for _, value := range s.values {
				list = append(list, fmt.Sprintf(`{"id":%s,"type":"TXT","name":%q,"data":%q}`, ids[value], testName, value))
			}
			return 200, `{"domain_records":[` + strings.Join(list, ",") + `],"meta":{"total":2}}`
		case r.Method == "DELETE":
			s.values = slices.DeleteFunc(s.values, func(v string) bool { return r.URL.Path == records+"/"+ids[v] })
			return 204, ""
		}
		t.Errorf("asked %s %s", r.Method, r.URL)
		return 404, `{"id":"not_found"}`
	})

	prove(t, txtRecords{&digitalOcean{newREST(s.URL, "token")}}, s, nil)
}

func TestHetznerIsAskedAsDocumented(t *testing.T) {
	s := serve(t, func(s *service, r *http.Request, body []byte) (int, string) {
		bearer(t, r, "token")
		var change struct {
			TTL     int
			Records []struct{ Value string }
		}
		if err := json.Unmarshal(body, &change); err != nil || len(change.Records) != 1 || !strings.HasPrefix(change.Records[0].Value, `"`) {
			t.Errorf("change %s, %v, want quoted values", body, err)
		}
		value := change.Records[0].Value
		switch r.Method + " " + r.URL.Path {
		case "POST /v1/zones/example.org/rrsets/" + testName + "/TXT/actions/add_records":
			if change.TTL < 60 {
				t.Errorf("TTL = %d, want what the service takes", change.TTL)
			}
			s.values = append(s.values, value)
		case "POST /v1/zones/example.org/rrsets/" + testName + "/TXT/actions/remove_records":
			s.values = slices.DeleteFunc(s.values, func(v string) bool { return v == value })
		default:
			t.Errorf("asked %s %s", r.Method, r.URL)
		}
		return 201, `{"action":{"id":1,"status":"running"}}`
	})

	prove(t, txtRecords{&hetzner{newREST(s.URL, "token")}}, s, []string{`"kept"`})
}

func TestGandiIsAskedAsDocumented(t *testing.T) {
	s := serve(t, func(s *service, r *http.Request, body []byte) (int, string) {
		bearer(t, r, "token")
		if r.URL.Path != "/v5/livedns/domains/example.org/records/"+testName+"/TXT" {
			t.Errorf("asked %s %s", r.Method, r.URL)
		}
		switch r.Method {
		case "GET":
			if len(s.values) == 0 {
				return 404, `{"object":"HTTPNotFound","cause":"Not Found","code":404,"message":"Can't find the DNS record _acme-challenge.www/TXT"}`
			}
			text, _ := json.Marshal(map[string]any{"rrset_type": "TXT", "rrset_ttl": 300, "rrset_values": s.values})
			return 200, string(text)
		case "PUT":
			var set struct {
				TTL    int      `json:"rrset_ttl"`
				Values []string `json:"rrset_values"`
			}
			if err := json.Unmarshal(body, &set); err != nil || set.TTL < 300 {
				t.Errorf("set %s, %v, want a TTL that the service takes", body, err)
			}
			s.values = set.Values
			return 201, `{"message":"DNS Record Created"}`
		case "DELETE":
			s.values = nil
			return 204, ""
		}
		return 405, ""
	})
	provider := txtRecords{&wholeSets{sets: &gandi{newREST(s.URL, "token")}}}

	prove(t, provider, s, nil)
	prove(t, provider, s, []string{`"kept"`})
}

func TestRoute53IsAskedAsDocumented(t *testing.T) {
	type zone struct {
		ID      string `xml:"Id"`
		Name    string `xml:"Name"`
		Private bool   `xml:"Config>PrivateZone"`
	}
	s := serve(t, func(s *service, r *http.Request, body []byte) (int, string) {
		if got := r.Header.Get("Authorization"); !strings.HasPrefix(got, "AWS4-HMAC-SHA256 Credential=AKID/") || !strings.Contains(got, "/us-east-1/route53/aws4_request, SignedHeaders=host;x-amz-date, Signature=") {
			t.Errorf("Authorization = %q", got)
		}
		write := func(v any) (int, string) {
			text, err := xml.Marshal(v)
			if err != nil {
				t.Error(err)
			}
			return 200, string(text)
		}
		query := r.URL.Query()
		switch {
		case r.Method == "GET" && r.URL.Path == "/2013-04-01/hostedzonesbyname" && query.Get("dnsname") == "example.org.":
			return write(struct {
				XMLName xml.Name `xml:"ListHostedZonesByNameResponse"`
				Zones   []zone   `xml:"HostedZones>HostedZone"`
			}{Zones: []zone{{"/hostedzone/ZPRIVATE", "example.org.", true}, {"/hostedzone/Z1", "example.org.", false}, {"/hostedzone/Z2", "example.orgx.", false}}})
		case r.Method == "GET" && r.URL.Path == "/2013-04-01/hostedzone/Z1/rrset" && query.Get("name") == testFQDN+"." && query.Get("type") == "TXT":
			sets := []route53Set{{"www.example.org.", "A", 60, []string{"192.0.2.1"}}} // the next one in order
			if len(s.values) > 0 {
				sets = []route53Set{{testFQDN + ".", "TXT", 60, s.values}}
			}
			return write(struct {
				XMLName xml.Name     `xml:"ListResourceRecordSetsResponse"`
				Sets    []route53Set `xml:"ResourceRecordSets>ResourceRecordSet"`
			}{Sets: sets})
		case r.Method == "POST" && r.URL.Path == "/2013-04-01/hostedzone/Z1/rrset":
			var change struct {
				XMLName xml.Name   `xml:"https://route53.amazonaws.com/doc/2013-04-01/ ChangeResourceRecordSetsRequest"`
				Action  string     `xml:"ChangeBatch>Changes>Change>Action"`
				Set     route53Set `xml:"ChangeBatch>Changes>Change>ResourceRecordSet"`
			}
			if err := xml.Unmarshal(body, &change); err != nil || change.Set.Name != testFQDN+"." || change.Set.Type != "TXT" || change.Set.TTL == 0 {
				t.Errorf("change %s, %v", body, err)
			}
			switch change.Action {
			case "UPSERT":
				s.values = change.Set.Records
			case "DELETE":
				if !slices.Equal(change.Set.Records, s.values) {
					t.Errorf("deletes %q where there is %q", change.Set.Records, s.values)
				}
				s.values = nil
			}
			return 200, `<ChangeResourceRecordSetsResponse/>`
		}
		t.Errorf("asked %s %s", r.Method, r.URL)
		return 404, `<ErrorResponse><Error><Message>no</Message></Error></ErrorResponse>`
	})
	provider := txtRecords{&wholeSets{sets: &route53{rest: newREST(s.URL, ""), keyID: "AKID", secret: "secret", now: time.Now}}}

	prove(t, provider, s, nil)
	prove(t, provider, s, []string{`"kept"`})
}

// The signatures are those that Amazon's own library makes of the same requests.
func TestRequestsToRoute53AreSignedAsAmazonsOwnLibrarySignsThem(t *testing.T) {
	a := &route53{keyID: "AKIDEXAMPLE", secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", now: func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }}
	for _, test := range []struct{ method, query, body, session, signature string }{
		{"GET", "?maxitems=1&name=_acme-challenge.www.example.org.&type=TXT", "", "", "8839ccfa7e8d40a9f7ddc610c8a4463e1bad286a4e01572bc702bd92f17b9cb7"},
		{"POST", "", "<x/>", "session/token+=", "a7cb8bff74244190143fd3b8f44b83bcb2ac23bc7fe2aff792e55ef96c546d75"},
	} {
		req := httptest.NewRequest(test.method, "https://route53.amazonaws.com/2013-04-01/hostedzone/Z1/rrset"+test.query, nil)
		a.session = test.session

		a.sign(req, []byte(test.body))

		if got := req.Header.Get("Authorization"); !strings.HasSuffix(got, "Signature="+test.signature) {
			t.Errorf("%s: %s, want the signature %s", test.method, got, test.signature)
		}
	}
}

func TestGoogleIsAskedAsDocumented(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	logins := 0
	s := serve(t, func(s *service, r *http.Request, body []byte) (int, string) {
		const zones = "/dns/v1/projects/my-project/managedZones"
		if r.URL.Path == "/token" {
			logins++
			form, _ := url.ParseQuery(string(body))
			checkAssertion(t, &key.PublicKey, form)
			return 200, `{"access_token":"ya29.x","expires_in":3599,"token_type":"Bearer"}`
		}
		bearer(t, r, "ya29.x")
		set := func() []googleSet {
			if len(s.values) == 0 {
				return []googleSet{}
			}
			return []googleSet{{testFQDN + ".", "TXT", 123, s.values}}
		}
		switch {
		case r.Method == "GET" && r.URL.Path == zones && r.URL.Query().Get("dnsName") == "example.org.":
			return 200, `{"managedZones":[{"name":"inside","dnsName":"example.org.","visibility":"private"},{"name":"org","dnsName":"example.org.","visibility":"public"}]}`
		case r.Method == "GET" && r.URL.Path == zones+"/org/rrsets" && r.URL.Query().Get("name") == testFQDN+"." && r.URL.Query().Get("type") == "TXT":
			text, _ := json.Marshal(map[string]any{"rrsets": set()})
			return 200, string(text)
		case r.Method == "POST" && r.URL.Path == zones+"/org/changes":
			var change struct{ Additions, Deletions []googleSet }
			if err := json.Unmarshal(body, &change); err != nil {
				t.Error(err)
			}
			if len(s.values) > 0 && (len(change.Deletions) != 1 || change.Deletions[0].TTL != 123 || !slices.Equal(change.Deletions[0].Records, s.values)) {
				t.Errorf("change %s, want the old set deleted as it is", body)
			}
			s.values = nil
			for _, added := range change.Additions {
				s.values = added.Records
			}
			return 200, `{"kind":"dns#change","status":"pending"}`
		}
		t.Errorf("asked %s %s", r.Method, r.URL)
		return 404, `{"error":{"message":"no"}}`
	})
	provider := txtRecords{&wholeSets{sets: &google{
		rest: newREST(s.URL, ""), project: "my-project", email: "berth@my-project.iam", key: key, login: s.URL + "/token", now: time.Now,
	}}}

	prove(t, provider, s, nil)
	prove(t, provider, s, []string{`"kept"`})
	if logins != 1 {
		t.Errorf("%d logins, want one for the hour", logins)
	}
}

func checkAssertion(t *testing.T, key *rsa.PublicKey, form url.Values) {
	t.Helper()
	parts := strings.Split(form.Get("assertion"), ".")
	if form.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" || len(parts) != 3 {
		t.Fatalf("login with %v", form)
	}
	signature, _ := base64.RawURLEncoding.DecodeString(parts[2])
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature); err != nil {
		t.Errorf("signature: %v", err)
	}
	claims, _ := base64.RawURLEncoding.DecodeString(parts[1])
	if !strings.Contains(string(claims), `"iss":"berth@my-project.iam"`) || !strings.Contains(string(claims), googleScope) {
		t.Errorf("claims %s", claims)
	}
}

func TestAGoogleKeyFileIsRead(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, _ := x509.MarshalPKCS8PrivateKey(key)
	file, _ := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "p", "client_email": "e", "private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})

	if err := (DNS{Provider: "google", Credential: string(file)}).Check(); err != nil {
		t.Error(err)
	}
}

func TestAProvidersErrorIsToldWithoutTheToken(t *testing.T) {
	s := serve(t, func(*service, *http.Request, []byte) (int, string) {
		return 403, `{"message":  "the token s3cret may not do that"}`
	})
	p := txtRecords{&hetzner{newREST(s.URL, "s3cret")}}

	_, err := p.AppendRecords(t.Context(), testZone, []libdns.Record{libdns.RR{Type: "TXT", Name: testName, Data: testValue}})

	if err == nil || strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), "403 Forbidden") || !strings.Contains(err.Error(), "may not do that") {
		t.Errorf("%v, want what it said without the token", err)
	}
}

// A provider that does not answer must not hold an order for ever.
func TestAProviderIsNotWaitedForLongerThanTheOrderIs(t *testing.T) {
	asked, done := make(chan bool), make(chan bool)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(asked); <-done }))
	defer server.Close()
	defer close(done)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()

	_, err := limited{p: txtRecords{&hetzner{newREST(server.URL, "token")}}}.AppendRecords(ctx, testZone, []libdns.Record{libdns.RR{Type: "TXT", Name: testName}})

	if err == nil {
		t.Error("no error")
	}
}
