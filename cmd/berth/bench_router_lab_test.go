package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance/await"
)

// benchHost is where the traffic goes. It is a name that resolves everywhere,
// as h2load and wrk take the name for SNI from the address that they connect to.
const benchHost = "localhost"

// A lab is where the front doors are measured: one app, one certificate.
type lab struct {
	*testing.B
	dir     string // for what the doors read and write
	tools   string // Caddy and kamal-proxy, kept from run to run
	app     string // host:port of the app behind the doors
	cert    string // file
	key     string // file
	both    string // file with certificate and key
	doorCPU string
	loadCPU string
}

func newLab(b *testing.B, doors []*door) *lab {
	b.Helper()
	if runtime.NumCPU() < 2 {
		b.Fatal("the doors are measured on one processor and the load comes from another: this machine has one")
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		b.Fatal(err)
	}
	l := &lab{B: b, dir: b.TempDir(), tools: filepath.Join(cache, "berth-bench-router"), doorCPU: "0", loadCPU: "1"}
	if n := runtime.NumCPU(); n > 2 {
		l.loadCPU = fmt.Sprintf("1-%d", n-1)
	}
	l.need(doors)
	l.certify()
	// This process asks whether a new host answers, so it is load as well.
	l.run("taskset", "-a", "-p", "-c", l.loadCPU, fmt.Sprint(os.Getpid()))

	l.app = l.address()
	l.start(l.loadCPU, ourselves("upstream", l.app))
	if !await.Until(time.Minute, func() bool { return accepts(l.app) }) {
		b.Fatal("the app behind the doors does not answer")
	}
	return l
}

// need says what is missing, and how it is installed.
func (l *lab) need(doors []*door) {
	l.Helper()
	for _, tool := range []string{"taskset", "wrk", "h2load"} {
		if _, err := exec.LookPath(tool); err != nil {
			l.Fatalf("%v\nInstall what is measured, and what it is measured with:\n  %s", err, benchPackages)
		}
	}
	for _, d := range doors {
		if d.prepare != nil {
			d.prepare(l)
		}
	}
}

const benchPackages = "apt-get install --no-install-recommends util-linux nginx-light haproxy wrk nghttp2-client"

// certify makes the certificate that every door shows.
func (l *lab) certify() {
	l.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		l.Fatal(err)
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{benchHost, "*." + benchHost},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(90 * 24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, leaf, key.Public(), key)
	if err != nil {
		l.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		l.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	l.cert, l.key = l.write("cert.pem", public), l.write("key.pem", private)
	l.both = l.write("both.pem", append(public, private...))
}

func (l *lab) write(name string, text []byte) (path string) {
	l.Helper()
	path = filepath.Join(l.dir, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		l.Fatal(err)
	}
	return path
}

// run runs a command to its end, and returns what it printed.
func (l *lab) run(argv ...string) string {
	l.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		l.Fatalf("%v: %v\n%s", argv, err, out)
	}
	return string(out)
}

func (l *lab) address() string {
	l.Helper()
	port, err := freePort()
	if err != nil {
		l.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", port)
}

func accepts(address string) bool {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return false
	}
	return conn.Close() == nil
}

func (l *lab) until(what string, so func() bool) {
	l.Helper()
	if !await.Until(2*time.Minute, so) {
		l.Fatalf("it never came about that %s", what)
	}
}
