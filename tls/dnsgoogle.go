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
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
)

// google is https://cloud.google.com/dns/docs/reference/rest/v1, and the login
// of service accounts (RFC 7523). Google's own library would add 9.3 MB to the binary.
type google struct {
	rest
	project string
	email   string
	key     *rsa.PrivateKey
	login   string // where a token is got
	now     func() time.Time

	// Guarded by the mutex of wholeSets, which lets one call at a time through.
	until time.Time // of the token
}

const googleScope = "https://www.googleapis.com/auth/ndev.clouddns.readwrite"

// newGoogle reads a service account's key file.
func newGoogle(credential string) (certmagic.DNSProvider, error) {
	var file struct {
		Project string `json:"project_id"`
		Email   string `json:"client_email"`
		Key     string `json:"private_key"`
		Login   string `json:"token_uri"`
	}
	if err := json.Unmarshal([]byte(credential), &file); err != nil {
		return nil, errors.New("want a service account's key file (JSON)")
	}
	block, _ := pem.Decode([]byte(file.Key))
	if block == nil || file.Project == "" || file.Email == "" {
		return nil, errors.New("the key file lacks project_id, client_email or private_key")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("the key file's private_key cannot be read")
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("the key file's private_key is not an RSA key")
	}
	if u, err := url.Parse(file.Login); file.Login != "" && (err != nil || u.Scheme != "https") {
		return nil, errors.New("the key file's token_uri is no https:// address")
	}
	if file.Login == "" {
		file.Login = "https://oauth2.googleapis.com/token"
	}
	return txtRecords{&wholeSets{sets: &google{
		rest: newREST("https://dns.googleapis.com", ""), project: file.Project, email: file.Email, key: key, login: file.Login, now: time.Now,
	}}}, nil
}

type googleSet struct {
	Name    string   `json:"name"`
	Type    string   `json:"type"`
	TTL     int      `json:"ttl"`
	Records []string `json:"rrdatas"`
}

// zone finds the public zone's path.
func (g *google) zone(ctx context.Context, zone string) (string, error) {
	if err := g.authorize(ctx); err != nil {
		return "", err
	}
	path := "/dns/v1/projects/" + url.PathEscape(g.project) + "/managedZones"
	var list struct {
		Zones []struct{ Name, DNSName, Visibility string } `json:"managedZones"`
	}
	if err := g.do(ctx, http.MethodGet, path+"?"+url.Values{"dnsName": {zone + "."}}.Encode(), nil, &list); err != nil {
		return "", err
	}
	for _, z := range list.Zones {
		if z.DNSName == zone+"." && z.Visibility != "private" {
			return path + "/" + url.PathEscape(z.Name), nil
		}
	}
	return "", fmt.Errorf("the DNS provider's project %s has no public zone %s", g.project, zone)
}

func (g *google) set(ctx context.Context, r txt) (*googleSet, string, error) {
	path, err := g.zone(ctx, r.zone)
	if err != nil {
		return nil, "", err
	}
	var list struct {
		Sets []googleSet `json:"rrsets"`
	}
	query := url.Values{"name": {r.name + "."}, "type": {"TXT"}}
	if err := g.do(ctx, http.MethodGet, path+"/rrsets?"+query.Encode(), nil, &list); err != nil {
		return nil, "", err
	}
	if len(list.Sets) == 0 {
		return nil, path, nil
	}
	return &list.Sets[0], path, nil
}

func (g *google) get(ctx context.Context, r txt) ([]string, error) {
	set, _, err := g.set(ctx, r)
	if set == nil {
		return nil, err
	}
	return set.Records, err
}

// put replaces the set. The old one must be named as it is, its TTL too.
func (g *google) put(ctx context.Context, r txt, _, after []string) error {
	before, path, err := g.set(ctx, r)
	if err != nil {
		return err
	}
	change := map[string][]googleSet{}
	if before != nil {
		change["deletions"] = []googleSet{*before}
	}
	if len(after) > 0 {
		change["additions"] = []googleSet{{Name: r.name + ".", Type: "TXT", TTL: int(dnsTTL.Seconds()), Records: after}}
	}
	return g.do(ctx, http.MethodPost, path+"/changes", change, nil)
}

// authorize gets a token, good for an hour, when there is none.
func (g *google) authorize(ctx context.Context) error {
	now := g.now()
	if now.Before(g.until) {
		return nil
	}
	claims, err := json.Marshal(map[string]any{
		"iss": g.email, "scope": googleScope, "aud": g.login, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	})
	if err != nil {
		return err
	}
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString(claims)
	digest := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, g.key, crypto.SHA256, digest[:])
	if err != nil {
		return err
	}
	form := url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"},
		"assertion":  {text + "." + base64.RawURLEncoding.EncodeToString(signature)},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.login, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := g.send(req)
	if err != nil {
		return err
	}
	var token struct {
		Access  string `json:"access_token"`
		Expires int    `json:"expires_in"`
	}
	if err := json.Unmarshal(answer, &token); err != nil || token.Access == "" {
		return errors.New("the DNS provider's login gave no token")
	}
	g.token, g.until = token.Access, now.Add(time.Duration(token.Expires)*time.Second-time.Minute)
	return nil
}
