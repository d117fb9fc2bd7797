package command_test

import (
	"archive/tar"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/command"
)

// selfSigned returns a certificate of names and its key, in PEM.
func selfSigned(t *testing.T, names ...string) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(255), DNSNames: names, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
}

func TestCertsAddServesWhatItWasGivenAndTellsNobodyTheKey(t *testing.T) {
	w := newWorld(t)
	w.ok("domains:add", "blog", "www.blog.test", "blog.test")
	cert, key := selfSigned(t, "www.blog.test")
	var archive bytes.Buffer
	tw := tar.NewWriter(&archive)
	for name, text := range map[string]string{"server.crt": cert, "server.key": key} {
		w.must(tw.WriteHeader(&tar.Header{Name: name, Size: int64(len(text)), Mode: 0o600}))
		tw.Write([]byte(text))
	}
	w.must(tw.Close())

	for name, stdin := range map[string]string{"PEM": cert + key, "Dokku's archive": archive.String()} {
		r := w.runWith(stdin, mia, "certs:add", "blog")

		if r.err != nil || !strings.HasPrefix(r.stdout, "-----> Serving your certificate for www.blog.test, until ") {
			t.Fatalf("%s: %v %s", name, r.err, r.stdout)
		}
		if !strings.Contains(r.stderr, "it is self-signed") || !strings.Contains(r.stderr, "it does not cover blog.test, blog.localhost") {
			t.Errorf("%s: told %s", name, r.stderr)
		}
	}
	shown := w.ok("certs:show", "blog")
	if shown != cert {
		t.Errorf("certs:show printed %s", shown)
	}
	if r := w.run(ada, "certs:show", "blog", "key"); r.err == nil || r.stdout != "" {
		t.Errorf("certs:show key: %v, %s", r.err, r.stdout)
	}
	report := w.ok("certs:report", "blog")
	for _, want := range []string{
		"=====> blog ssl information\n", "\n       Ssl hostnames:       www.blog.test\n", "\n       Ssl serial:          FF\n",
		"\n       Ssl verified:        self signed\n", "\nwww.blog.test                            own ",
	} {
		if !strings.Contains(report, want) {
			t.Errorf("no %q in\n%s", want, report)
		}
	}
	var value map[string]any
	w.must(json.Unmarshal([]byte(w.ok("certs:report", "blog", "--format", "json")), &value))
	if value["ssl-enabled"] != "true" || len(value["hosts"].([]any)) != 3 {
		t.Errorf("as JSON: %v", value)
	}
	events, err := w.Store.Events(t.Context(), "", -1)
	w.must(err)
	secret := strings.Split(key, "\n")[1]
	for _, e := range events {
		if strings.Contains(e.Detail+e.Error, secret) {
			t.Errorf("event %+v has the key", e)
		}
	}
	w.ok("certs:remove", "blog")
	if r := w.run(ada, "certs:remove", "blog"); !errors.Is(r.err, appliance.ErrNotFound) {
		t.Errorf("removed again: %v", r.err)
	}
	if r := w.run(ada, "certs:show", "blog"); !errors.Is(r.err, appliance.ErrNotFound) {
		t.Errorf("shown after it was removed: %v", r.err)
	}
}

func TestCertsAddRefusesWhatCannotWorkAndSaysWhy(t *testing.T) {
	w := newWorld(t)
	cert, key := selfSigned(t, "www.blog.test")
	_, other := selfSigned(t, "www.blog.test")
	for name, test := range map[string]struct{ stdin, said, hint string }{
		"nothing":     {"", "invalid certificate: nothing came in", "server.crt server.key"},
		"no key":      {cert, "invalid certificate: there is no private key in it", ""},
		"another key": {cert + other, "invalid certificate: the private key does not belong to the certificate", "www.blog.test"},
		"encrypted":   {cert + strings.ReplaceAll(key, "PRIVATE", "ENCRYPTED PRIVATE"), "is encrypted", "openssl pkey -in server.key"},
	} {
		r := w.runWith(test.stdin, ada, "certs:add", "blog")

		if !errors.Is(r.err, appliance.ErrInvalid) || !strings.Contains(r.err.Error(), test.said) || !strings.Contains(appliance.HintOf(r.err), test.hint) {
			t.Errorf("%s: %v, hint %q", name, r.err, appliance.HintOf(r.err))
		}
	}
	if r := w.run(ada, "certs:show", "blog", "everything"); !errors.Is(r.err, command.ErrUsage) {
		t.Errorf("certs:show everything: %v", r.err)
	}
}

func TestAGlobalCertificateIsForAdmins(t *testing.T) {
	w := newWorld(t)
	w.ok("domains:set-global", "apps.example.test")
	cert, key := selfSigned(t, "*.apps.example.test")

	r := w.runWith(cert+key, ada, "certs:add", "--global")

	if r.err != nil || !strings.Contains(w.ok("certs:report", "api"), "api.apps.example.test                    own ") {
		t.Errorf("%v\n%s", r.err, w.ok("certs:report", "api"))
	}
	if r := w.runWith(cert+key, mia, "certs:add", "--global"); !errors.Is(r.err, appliance.ErrDenied) {
		t.Errorf("as a member: %v", r.err)
	}
	if text := w.ok("certs:report", "--global"); !strings.Contains(text, "Ssl hostnames:       *.apps.example.test\n") {
		t.Errorf("report:\n%s", text)
	}
	w.ok("certs:remove", "--global")
}

func TestCertsGeneratePrintsARequestAndKeepsTheKey(t *testing.T) {
	w := newWorld(t)

	r := w.run(mia, "certs:generate", "blog", "Blog.Example.org", "*.example.org")

	block, _ := pem.Decode([]byte(r.stdout))
	if r.err != nil || block == nil || block.Type != "CERTIFICATE REQUEST" || strings.Contains(r.stdout+r.stderr, "PRIVATE") {
		t.Fatalf("%v\n%s%s", r.err, r.stdout, r.stderr)
	}
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil || strings.Join(request.DNSNames, " ") != "blog.example.org *.example.org" {
		t.Errorf("request for %v, %v", request.DNSNames, err)
	}
	if r := w.run(mia, "certs:generate", "blog", "a b"); !errors.Is(r.err, appliance.ErrInvalid) {
		t.Errorf("a bad name: %v", r.err)
	}
}

func TestAnAppThatIsDestroyedTakesItsCertificateWithIt(t *testing.T) {
	w := newWorld(t)
	cert, key := selfSigned(t, "blog.localhost")
	w.must(w.runWith(cert+key, ada, "certs:add", "blog").err)

	w.ok("apps:destroy", "blog", "--force")
	w.ok("apps:create", "blog")

	if r := w.run(ada, "certs:show", "blog"); !errors.Is(r.err, appliance.ErrNotFound) {
		t.Errorf("the next app of that name has it: %v", r.err)
	}
}

func TestWhatIsWrongWithADomainIsSaidWhenItIsAdded(t *testing.T) {
	w := newWorld(t)
	w.ok("letsencrypt:set", "server", "https://127.0.0.1:1/directory") // nobody's
	w.must(w.ApplyOrderChecks(t.Context()))

	r := w.run(ada, "domains:add", "blog", "www.berth-no-such-domain.com")

	if r.err != nil || !strings.Contains(r.stderr, "www.berth-no-such-domain.com") {
		t.Errorf("%v, told %q", r.err, r.stderr)
	}
	if r := w.run(ada, "certs:retry", "blog"); r.err != nil || !strings.HasPrefix(r.stdout, "-----> ") {
		t.Errorf("certs:retry: %v %q", r.err, r.stdout)
	}
	for _, line := range []string{"limits 1,2,3", "limits x", "check on"} {
		if r := w.run(ada, append([]string{"letsencrypt:set"}, strings.Fields(line)...)...); !errors.Is(r.err, appliance.ErrInvalid) {
			t.Errorf("letsencrypt:set %s: %v", line, r.err)
		}
	}
	w.ok("letsencrypt:set", "limits", "50,5,5,300")
	w.ok("letsencrypt:set", "check", "off")
	if r := w.run(ada, "domains:add", "blog", "two.berth-no-such-domain.com"); r.err != nil || r.stderr != "" {
		t.Errorf("with the check off: %v, told %q", r.err, r.stderr)
	}
}
