package http2

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
	h2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/berthhq/berth/router/wire"
)

// heads is called with the head of a request, or with what follows its body.
func (c *conn) heads(f *h2.MetaHeadersFrame) error {
	id := f.StreamID
	if id%2 == 0 {
		return protocolError
	}
	if f.HasPriority() && f.Priority.StreamDep == id {
		c.highest = max(c.highest, id)
		return streamError(id, h2.ErrCodeProtocol)
	}
	if s := c.streams[id]; s != nil {
		return c.trailers(s, f)
	}
	switch {
	case id > c.highest:
	case c.recent.ours(id):
		return c.useless() // it was on its way
	case c.recent.has(id):
		return h2.ConnectionError(h2.ErrCodeStreamClosed)
	default:
		return protocolError
	}
	if c.last {
		// Sent before our last word was heard. It may be repeated elsewhere.
		c.rst(id, h2.ErrCodeRefusedStream)
		return c.answered()
	}
	c.highest = id
	if len(c.streams) >= maxStreams || c.running >= maxRunning {
		return streamError(id, h2.ErrCodeRefusedStream)
	}
	if f.Truncated {
		return c.refuse(f, http.StatusRequestHeaderFieldsTooLarge)
	}
	if len(f.PseudoValue("path")) > maxPath {
		return c.refuse(f, http.StatusRequestURITooLong)
	}
	req, declared, expects := c.request(f)
	if req == nil {
		return c.malformed(id)
	}
	s := c.open(id, f.StreamEnded())
	s.declared, s.expects = declared, expects
	if f.StreamEnded() {
		req.Body = http.NoBody
	} else {
		req.ContentLength = declared
		req.Body = (*body)(s)
	}
	s.req = req.WithContext(&s.life)
	c.start(s)
	return nil
}

// refuse answers a request that cannot be looked at.
func (c *conn) refuse(f *h2.MetaHeadersFrame, status int) error {
	c.bareAnswer(f.StreamID, status)
	if !f.StreamEnded() {
		c.rst(f.StreamID, h2.ErrCodeNo)
	}
	c.recent.add(f.StreamID, true)
	return c.answered()
}

// malformed also says so in a way that people get to see (RFC 9113, 8.2.1).
func (c *conn) malformed(id uint32) error {
	c.bareAnswer(id, http.StatusBadRequest)
	return streamError(id, h2.ErrCodeProtocol)
}

func (c *conn) bareAnswer(id uint32, status int) {
	before := len(c.out)
	c.encode(":status", strconv.Itoa(status))
	c.encode("content-length", "0")
	c.encode("date", time.Now().UTC().Format(http.TimeFormat))
	c.headers(id, true)
	c.answers += len(c.out) - before
}

func (c *conn) encode(name, value string) {
	_ = c.encoder.WriteField(hpack.HeaderField{Name: name, Value: value}) // to memory
}

// request is nil if the head is malformed (RFC 9113, 8.1 to 8.3). declared is
// the length of the body, or -1.
func (c *conn) request(f *h2.MetaHeadersFrame) (req *http.Request, declared int64, expects bool) {
	// The framer has seen to it that these come first, once each, and are known.
	method, path, authority := f.PseudoValue("method"), f.PseudoValue("path"), f.PseudoValue("authority")
	scheme, connect := f.PseudoValue("scheme"), method == http.MethodConnect
	switch {
	case f.PseudoValue("status") != "" || f.PseudoValue("protocol") != "" || !wire.ValidMethod(method):
		return nil, 0, false
	case connect && (path != "" || scheme != "" || authority == ""):
		return nil, 0, false
	case !connect && scheme != "https" && scheme != "http":
		return nil, 0, false
	case !connect && !strings.HasPrefix(path, "/") && (path != "*" || method != http.MethodOptions):
		return nil, 0, false
	}
	fields := f.RegularFields()
	header := make(http.Header, len(fields))
	if !fill(header, fields) {
		return nil, 0, false
	}
	if declared = length(header["Content-Length"]); declared == noLength || f.StreamEnded() && declared > 0 {
		return nil, 0, false
	}
	host, ok := hostOf(authority, header)
	if !ok {
		return nil, 0, false
	}
	req = &http.Request{
		Method: method, Header: header, Host: host, RequestURI: path, RemoteAddr: c.remote, TLS: c.TLS,
		Proto: "HTTP/2.0", ProtoMajor: 2,
	}
	if connect {
		req.URL, req.RequestURI = &url.URL{Host: host}, host
	} else if u, err := url.ParseRequestURI(path); err == nil {
		req.URL = u
	} else {
		return nil, 0, false
	}
	if cookies := header["Cookie"]; len(cookies) > 1 {
		header["Cookie"] = []string{strings.Join(cookies, "; ")}
	}
	if expect := header["Expect"]; expect != nil && httpguts.HeaderValuesContainsToken(expect, "100-continue") {
		expects = true
		delete(header, "Expect")
	}
	if names := header["Trailer"]; names != nil {
		req.Trailer = announced(names)
		delete(header, "Trailer")
	}
	return req, declared, expects
}

// fill reports whether all the fields may be in a request.
func fill(header http.Header, fields []hpack.HeaderField) bool {
	values := make([]string, len(fields))
	for i, f := range fields {
		switch f.Name {
		case "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade":
			return false
		case "te":
			if f.Value != "trailers" {
				return false
			}
		}
		// Blanks around a value are malformed, too, but Go's client sends
		// them, and repeats the request for ever when it is told. Without
		// them it is what HTTP/1.1 makes of it.
		value := strings.Trim(f.Value, " \t")
		name := http.CanonicalHeaderKey(f.Name)
		if old := header[name]; old != nil {
			header[name] = append(old, value)
			continue
		}
		values[i] = value
		header[name] = values[i : i+1 : i+1]
	}
	return true
}

// hostOf is what :authority or Host says; both must say the same.
func hostOf(authority string, header http.Header) (string, bool) {
	hosts := header["Host"]
	switch {
	case len(hosts) == 0:
	case len(hosts) > 1 || authority != "" && hosts[0] != authority:
		return "", false
	default:
		authority = hosts[0]
		delete(header, "Host")
	}
	return authority, !strings.Contains(authority, "@") && wire.ValidHost(authority)
}

// noLength is what cannot be the length of a body.
const noLength = -2

// length is what a Content-Length says, or -1 if there is none.
func length(values []string) int64 {
	if len(values) == 0 {
		return -1
	}
	n, err := strconv.ParseUint(values[0], 10, 63)
	if err != nil || len(values) > 1 {
		return noLength
	}
	return int64(n)
}

// announced are the names of fields that will follow the body.
func announced(lists []string) http.Header {
	var h http.Header
	for _, list := range lists {
		for name := range strings.SplitSeq(list, ",") {
			name = http.CanonicalHeaderKey(strings.TrimSpace(name))
			if !httpguts.ValidTrailerHeader(name) || !wire.ValidMethod(name) {
				continue
			}
			if h == nil {
				h = http.Header{}
			}
			h[name] = nil
		}
	}
	return h
}

// trailers is called with what follows the body of a request. Fields that have
// not been announced are dropped.
func (c *conn) trailers(s *stream, f *h2.MetaHeadersFrame) error {
	switch {
	case s.saidAll:
		return streamError(s.id, h2.ErrCodeStreamClosed)
	case !f.StreamEnded() || len(f.PseudoFields()) > 0 || f.Truncated:
		return streamError(s.id, h2.ErrCodeProtocol)
	}
	fields := http.Header{}
	if !fill(fields, f.Fields) {
		return streamError(s.id, h2.ErrCodeProtocol)
	}
	s.trailer = fields
	return c.ended(s)
}
