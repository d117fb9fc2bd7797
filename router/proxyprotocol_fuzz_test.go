package router

import (
	"bytes"
	"encoding/binary"
	"testing"
)

func FuzzProxyHeader(f *testing.F) {
	for _, header := range []string{
		"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\nGET /", "PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n", "PROXY UNKNOWN\r\n", "PROXY UNKNOWN x\r\n",
		"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0f\xc0\x00\x02\x01\xc6\x33\x64\x01\x00\x01\x01\xbb\x04\x00\x00GET /", "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00",
	} {
		f.Add([]byte(header))
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		r := bytes.NewReader(sent)
		remote, local, err := readProxyHeader(r)
		if err != nil {
			return
		}
		// What follows belongs to the server, from the first byte on.
		read, want := len(sent)-r.Len(), 0
		if bytes.HasPrefix(sent, signature) {
			want = 16 + int(binary.BigEndian.Uint16(sent[14:]))
		} else {
			want = bytes.Index(sent, []byte("\r\n")) + 2
		}
		if read != want && !bytes.HasPrefix(sent, []byte("PROXY UNKNOWN")) {
			t.Errorf("%q: %d bytes read, want %d", sent, read, want)
		}
		if remote.IsValid() != local.IsValid() || remote.Addr().Zone() != "" || remote.Addr().Is4In6() {
			t.Errorf("%q: from %v to %v", sent, remote, local)
		}
	})
}
