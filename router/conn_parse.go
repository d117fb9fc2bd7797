package router

import (
	"bytes"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
)

// parse is http.ReadRequest for the requests that nearly all are: HTTP/1.1, in
// origin form, without a body. Of these the head is all there is, so no two
// parsers can disagree on where they end. It costs a third: all that is
// written down of the head is one string. nil says that it is not such a
// request. head has been checked by package wire; a fuzz test holds this to
// what net/http says.
func parse(base *http.Request, head []byte) *http.Request {
	text := string(head)
	line, rest, _ := strings.Cut(text, "\r\n")
	method, line, _ := strings.Cut(line, " ")
	target, version, _ := strings.Cut(line, " ")
	if version != "HTTP/1.1" || target[0] != '/' || method == http.MethodConnect || method == "PRI" {
		return nil
	}
	uri, err := url.ParseRequestURI(target)
	if err != nil {
		return nil
	}
	header := parseHeader(rest, bytes.Count(head, crlf)-2)
	for _, name := range [...]string{"Content-Length", "Transfer-Encoding", "Trailer"} {
		if header[name] != nil {
			return nil
		}
	}
	req := new(http.Request)
	*req = *base
	req.Method, req.RequestURI, req.URL, req.Header = method, target, uri, header
	req.Proto, req.ProtoMajor, req.ProtoMinor = "HTTP/1.1", 1, 1
	req.Host = header["Host"][0]
	delete(header, "Host")
	if uri.Host != "" {
		return nil
	}
	req.Body = http.NoBody
	req.Close = names(header["Connection"], "close")
	noCache(header)
	return req
}

var crlf = []byte("\r\n")

// parseHeader parses the lines of a header that is well formed, of which there
// are n, and the empty line behind them.
func parseHeader(text string, n int) http.Header {
	header := make(http.Header, n)
	values := make([]string, n) // of all fields but those that come twice
	for text != "" {
		var line string
		if line, text, _ = strings.Cut(text, "\r\n"); line == "" {
			break
		}
		name, value, _ := strings.Cut(line, ":")
		name = textproto.CanonicalMIMEHeaderKey(name)
		value = strings.Trim(value, " \t")
		if before, twice := header[name]; twice {
			header[name] = append(before, value)
			continue
		}
		if len(values) == 0 {
			values = make([]string, 1)
		}
		values[0] = value
		header[name] = values[:1:1]
		values = values[1:]
	}
	return header
}

// noCache reads HTTP/1.0's way of asking for a fresh answer (RFC 9111, 5.4).
func noCache(h http.Header) {
	if pragma := h["Pragma"]; len(pragma) > 0 && pragma[0] == "no-cache" {
		if _, said := h["Cache-Control"]; !said {
			h["Cache-Control"] = []string{"no-cache"}
		}
	}
}
