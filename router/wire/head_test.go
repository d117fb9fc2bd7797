package wire_test

import (
	"bufio"
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/berthhq/berth/router/wire"
)

// Each of these is read in one way by some servers and in another by others,
// or as the end of a request here and as its middle there.
func TestWhatCanBeReadInTwoWaysIsRefused(t *testing.T) {
	const host = "Host: a.test\r\n"
	for name, c := range map[string]struct {
		head   string
		status int
	}{
		"bare LF":                     {"GET / HTTP/1.1\r\n" + host + "X: 1\nY: 2\r\n\r\n", 400},
		"bare LF at the first line":   {"GET / HTTP/1.1\n" + host + "\r\n", 400},
		"a fragment":                  {"GET /api#x HTTP/1.1\r\n" + host + "\r\n", 400},
		"an asterisk of GET":          {"GET * HTTP/1.1\r\n" + host + "\r\n", 400},
		"a method without end":        {strings.Repeat("G", 65) + " / HTTP/1.1\r\n" + host + "\r\n", 400},
		"bare CR":                     {"GET / HTTP/1.1\r\n" + host + "X: 1\rY: 2\r\n\r\n", 400},
		"bare CR in a name":           {"GET / HTTP/1.1\r\n" + host + "X\rY: 2\r\n\r\n", 400},
		"NUL":                         {"GET / HTTP/1.1\r\n" + host + "X: 1\x00\r\n\r\n", 400},
		"continued line":              {"GET / HTTP/1.1\r\n" + host + "X: 1\r\n 2\r\n\r\n", 400},
		"continued with a tab":        {"GET / HTTP/1.1\r\n" + host + "X: 1\r\n\t2\r\n\r\n", 400},
		"continued Host":              {"GET / HTTP/1.1\r\nHost:\r\n a.test\r\n\r\n", 400},
		"space before the first":      {"GET / HTTP/1.1\r\n " + host + "\r\n", 400},
		"space before the colon":      {"GET / HTTP/1.1\r\n" + host + "Content-Length : 5\r\n\r\n", 400},
		"tab before the colon":        {"GET / HTTP/1.1\r\n" + host + "Transfer-Encoding\t: chunked\r\n\r\n", 400},
		"no colon":                    {"GET / HTTP/1.1\r\n" + host + "X\r\n\r\n", 400},
		"no name":                     {"GET / HTTP/1.1\r\n" + host + ": 1\r\n\r\n", 400},
		"two lengths":                 {"POST / HTTP/1.1\r\n" + host + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400},
		"two lengths, the same":       {"POST / HTTP/1.1\r\n" + host + "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400},
		"a list of lengths":           {"POST / HTTP/1.1\r\n" + host + "Content-Length: 5, 5\r\n\r\n", 400},
		"length with a sign":          {"POST / HTTP/1.1\r\n" + host + "Content-Length: +5\r\n\r\n", 400},
		"negative length":             {"POST / HTTP/1.1\r\n" + host + "Content-Length: -5\r\n\r\n", 400},
		"length in hex":               {"POST / HTTP/1.1\r\n" + host + "Content-Length: 0x5\r\n\r\n", 400},
		"length with a point":         {"POST / HTTP/1.1\r\n" + host + "Content-Length: 5.0\r\n\r\n", 400},
		"no length":                   {"POST / HTTP/1.1\r\n" + host + "Content-Length: \r\n\r\n", 400},
		"length past all numbers":     {"POST / HTTP/1.1\r\n" + host + "Content-Length: 9999999999999999999\r\n\r\n", 400},
		"length with an underscore":   {"POST / HTTP/1.1\r\n" + host + "Content_Length: 5\r\n\r\n", 400},
		"CL and TE":                   {"POST / HTTP/1.1\r\n" + host + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
		"TE and CL":                   {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400},
		"two TE":                      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
		"TE identity":                 {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: identity\r\n\r\n", 400},
		"TE list":                     {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip, chunked\r\n\r\n", 400},
		"TE chunked, then more":       {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked, identity\r\n\r\n", 400},
		"TE xchunked":                 {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: xchunked\r\n\r\n", 400},
		"TE in quotes":                {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: \"chunked\"\r\n\r\n", 400},
		"TE with a vertical tab":      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: \x0bchunked\r\n\r\n", 400},
		"TE with an underscore":       {"POST / HTTP/1.1\r\n" + host + "Transfer_Encoding: chunked\r\n\r\n", 400},
		"TE in HTTP/1.0":              {"POST / HTTP/1.0\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n", 400},
		"no Host":                     {"GET / HTTP/1.1\r\n\r\n", 400},
		"two Hosts":                   {"GET / HTTP/1.1\r\n" + host + host + "\r\n", 400},
		"two Hosts, one of them odd":  {"GET / HTTP/1.1\r\n" + host + "hOST: b.test\r\n\r\n", 400},
		"Host with a path":            {"GET / HTTP/1.1\r\nHost: a.test/b\r\n\r\n", 400},
		"Host with a user":            {"GET / HTTP/1.1\r\nHost: a.test@b.test\r\n\r\n", 400},
		"Host with a space":           {"GET / HTTP/1.1\r\nHost: a.test b.test\r\n\r\n", 400},
		"Host with two ports":         {"GET / HTTP/1.1\r\nHost: a.test:80:81\r\n\r\n", 400},
		"Host with a port of letters": {"GET / HTTP/1.1\r\nHost: a.test:http\r\n\r\n", 400},
		"Host with a comma":           {"GET / HTTP/1.1\r\nHost: a.test,b.test\r\n\r\n", 400},
		"Host with a bracket":         {"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400},
		"absolute with another host":  {"GET http://b.test/ HTTP/1.1\r\n" + host + "\r\n", 400},
		"absolute with a user":        {"GET http://b.test@a.test/ HTTP/1.1\r\n" + host + "\r\n", 400},
		"another scheme":              {"GET ftp://a.test/ HTTP/1.1\r\n" + host + "\r\n", 400},
		"authority":                   {"CONNECT a.test:443 HTTP/1.1\r\n" + host + "\r\n", 400},
		"no slash":                    {"GET a HTTP/1.1\r\n" + host + "\r\n", 400},
		"two spaces":                  {"GET  / HTTP/1.1\r\n" + host + "\r\n", 400},
		"tab for a space":             {"GET\t/ HTTP/1.1\r\n" + host + "\r\n", 400},
		"space in the target":         {"GET /a b HTTP/1.1\r\n" + host + "\r\n", 400},
		"NUL in the target":           {"GET /\x00 HTTP/1.1\r\n" + host + "\r\n", 400},
		"space at the end":            {"GET / HTTP/1.1 \r\n" + host + "\r\n", 400},
		"method that is none":         {"G(T / HTTP/1.1\r\n" + host + "\r\n", 400},
		"an empty line before":        {"\r\nGET / HTTP/1.1\r\n" + host + "\r\n", 400},
		"HTTP/0.9":                    {"GET /\r\n" + host + "\r\n", 400},
		"HTTP/1.2":                    {"GET / HTTP/1.2\r\n" + host + "\r\n", 505},
		"HTTP/2.0":                    {"PRI * HTTP/2.0\r\n" + host + "\r\n", 505},
		"small letters":               {"GET / http/1.1\r\n" + host + "\r\n", 400},
		"a long line":                 {"GET /" + strings.Repeat("x", wire.MaxLine) + " HTTP/1.1\r\n" + host + "\r\n", 414},
	} {
		err := wire.Check([]byte(c.head))
		if refusal, ok := errors.AsType[*wire.Refusal](err); !ok || refusal.Status != c.status {
			t.Errorf("%s: %.200q: %v, want it refused with %d", name, c.head, err, c.status)
		}
	}
}

func TestWhatIsOrdinaryPasses(t *testing.T) {
	for _, head := range []string{
		"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
		"GET / HTTP/1.0\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n",
		"GET /%zz?a=b|c[]{}'\" HTTP/1.1\r\nhost:a_b.test.:8080\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: xn--bcher-kva.example\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: \t b\xc3\xbccher.example \r\n\r\n",
		"GET / HTTP/1.1\r\nHost:\r\n\r\n",
		"GET http://A.test/x HTTP/1.1\r\nHost: a.TEST\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 005\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: Chunked \r\n\r\n",
		"M-SEARCH / HTTP/1.1\r\nHost: a.test\r\nX-Empty:\r\nX: a\tb \xff\r\n\r\n",
	} {
		if err := wire.Check([]byte(head)); err != nil {
			t.Errorf("%q: %v, want it let through", head, err)
		}
	}
}

func TestTheEndOfAHeadIsFoundHoweverItComes(t *testing.T) {
	const head = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"
	for seen := range len(head) {
		for _, more := range []string{"", "body\r\n\r\n"} {
			if end, err := wire.End([]byte(head+more), seen); end != len(head) || err != nil {
				t.Errorf("with %d bytes seen the end is at %d, %v, want %d", seen, end, err, len(head))
			}
		}
		if end, err := wire.End([]byte(head[:seen]), 0); end != 0 || err != nil {
			t.Errorf("%q ends at %d, %v, want that it goes on", head[:seen], end, err)
		}
	}
}

// FuzzCheck holds us to net/http's reading: what we let through it can parse,
// and understands as ending where we do.
func FuzzCheck(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nHost: a.test\r\nX: y\r\n\r\n"))
	f.Add([]byte("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n"))
	f.Add([]byte("POST http://a.test/ HTTP/1.0\r\nHost: a.test:80\r\nContent-Length: 5\r\n\r\n"))
	f.Fuzz(func(t *testing.T, head []byte) {
		end, err := wire.End(head, 0)
		if err != nil || end == 0 || wire.Check(head[:end]) != nil {
			return
		}
		head = head[:end]
		const next = "NEXT"
		r := bufio.NewReaderSize(bytes.NewReader(append(bytes.Clone(head), next...)), len(head)+16)
		req, err := http.ReadRequest(r)
		if err != nil {
			return // refused by net/http is refused
		}
		if req.ContentLength > 0 || req.ContentLength < 0 && len(req.TransferEncoding) != 1 {
			if req.Header.Get("Content-Length") == "" && len(req.TransferEncoding) == 0 {
				t.Fatalf("%q: a body of %d bytes from nowhere", head, req.ContentLength)
			}
		}
		if b, _ := r.Peek(len(next)); string(b) != next {
			t.Errorf("%q: net/http goes on at %q, we at %q", head, b, next)
		}
		if bytes.Contains(bytes.ReplaceAll(head, []byte("\r\n"), nil), []byte("\r")) {
			t.Errorf("%q: a bare CR got through", head)
		}
	})
}
