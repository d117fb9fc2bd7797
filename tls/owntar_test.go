package certs

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"
	"testing"
)

type entry struct {
	name, content string
	kind          byte
	link          string
}

func archive(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, e := range entries {
		if e.kind == 0 {
			e.kind = tar.TypeReg
		}
		if err := w.WriteHeader(&tar.Header{Name: e.name, Typeflag: e.kind, Linkname: e.link, Size: int64(len(e.content)), Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, e.content)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zipped(content []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(content)
	w.Close()
	return out.Bytes()
}

const someCert, someKey = "-----BEGIN CERTIFICATE-----\nc\n", "-----BEGIN PRIVATE KEY-----\nk\n"

func TestABundleIsPEMOrAnArchiveOfIt(t *testing.T) {
	plain := archive(t, entry{name: "server.crt", content: someCert}, entry{name: "server.key", content: someKey})
	for name, in := range map[string][]byte{
		"PEM":             []byte(someCert + someKey),
		"PEM in gzip":     zipped([]byte(someCert + someKey)),
		"tar":             plain,
		"tar in gzip":     zipped(plain),
		"in folders":      archive(t, entry{name: "a/", kind: tar.TypeDir}, entry{name: "a/x.crt", content: someCert}, entry{name: "a/b/x.key", content: someKey}),
		"beside a README": archive(t, entry{name: "README", content: "hello"}, entry{name: "._server.crt", content: "\x00\x05"}, entry{name: "server.crt", content: someCert}, entry{name: "server.key", content: someKey}),
	} {
		t.Run(name, func(t *testing.T) {
			text, err := ReadBundle(bytes.NewReader(in))

			if err != nil || !strings.Contains(string(text), someCert) || !strings.Contains(string(text), someKey) {
				t.Errorf("read %q, %v", text, err)
			}
		})
	}
}

// Nothing is written anywhere, so there is nowhere to climb to; and what is
// read is bounded.
func TestAHostileArchiveIsRefused(t *testing.T) {
	var many []entry
	for range maxFiles + 1 {
		many = append(many, entry{name: "x", content: someCert})
	}
	plain := archive(t, entry{name: "server.crt", content: someCert})
	for name, test := range map[string]struct {
		in   []byte
		want string
	}{
		"nothing":              {nil, "nothing came in"},
		"no PEM":               {[]byte("hello"), "no PEM"},
		"a .pfx file":          {[]byte("\x30\x82\x0a\x00" + strings.Repeat("\x00\x01", 600)), "openssl pkcs12"},
		"links only":           {archive(t, entry{name: "server.key", kind: tar.TypeSymlink, link: "/etc/ssl/private/host.key"}, entry{name: "server.crt", kind: tar.TypeLink, link: "../../host_key"}), "no PEM"},
		"very many files":      {archive(t, many...), "more than 100 files"},
		"a very long file":     {archive(t, entry{name: "x", content: someCert + strings.Repeat("x", maxBundle)}), "more than 256 KiB"},
		"very long PEM":        {[]byte(someCert + strings.Repeat("x", maxBundle)), "more than 256 KiB"},
		"a gzip bomb":          {zipped([]byte(someCert + strings.Repeat("x", 8<<20))), "more than 256 KiB"},
		"a tar bomb":           {zipped(archive(t, entry{name: "x", content: strings.Repeat("x", 8<<20)}, entry{name: "server.crt", content: someCert})), "cannot be read as one"},
		"a tar that ends":      {plain[:520], "cannot be read as one"},
		"a gzip that is none":  {[]byte("\x1f\x8b\x00nonsense"), "looks like a gzip file"},
		"a gzip that ends":     {zipped(plain)[:40], ""},
		"a tar with bad sizes": {append(append([]byte{}, plain[:124]...), append([]byte("99999999999\x00"), plain[136:]...)...), "cannot be read as one"},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := ReadBundle(bytes.NewReader(test.in))

			found, ok := errors.AsType[Finding](err)
			if !ok || !strings.Contains(found.Error(), test.want) {
				t.Errorf("read %.100q, %v, want %q", text, err, test.want)
			}
		})
	}
}

func FuzzReadBundle(f *testing.F) {
	f.Add([]byte(someCert + someKey))
	f.Add(zipped([]byte(someCert)))
	f.Fuzz(func(t *testing.T, in []byte) {
		text, err := ReadBundle(bytes.NewReader(in))
		if err != nil {
			return
		}
		if len(text) > maxBundle {
			t.Errorf("%d bytes came out", len(text))
		}
		readBundle(text) // must not panic
	})
}
