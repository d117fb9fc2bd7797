package wire

import (
	"bytes"
	"net/http"
)

// fields is what has been seen of the header fields that decide where a
// request goes and where it ends.
type fields struct {
	host, length, encoding int // how often each has come
	hostValue              []byte
}

// Check says whether a head, from its first byte to the empty line, may be
// parsed. The error is a Refusal.
func Check(head []byte) error {
	end := bytes.IndexByte(head, '\n')
	line, rest := head[:end+1], head[end+1:]
	target, minor, err := checkLine(line)
	if err != nil {
		return err
	}
	var seen fields
	for {
		end := bytes.IndexByte(rest, '\n')
		if end < 1 || rest[end-1] != '\r' {
			return bad("a line that ends without CR")
		}
		line := rest[:end-1]
		if len(line) == 0 {
			return seen.check(target, minor)
		}
		rest = rest[end+1:]
		if err := seen.add(line); err != nil {
			return err
		}
	}
}

// checkLine checks the request line and returns its target and the minor
// version of the protocol.
func checkLine(line []byte) (target []byte, minor byte, err error) {
	if len(line) > MaxLine {
		return nil, 0, &Refusal{http.StatusRequestURITooLong, "a request line that is too long"}
	}
	method := bytes.IndexByte(line, ' ')
	if method < 1 || method > maxMethod || !isToken(line[:method]) {
		return nil, 0, bad("a method that is no token, or a very long one")
	}
	asks := line[:method]
	line = line[method+1:]
	n := bytes.IndexByte(line, ' ')
	if n < 1 {
		return nil, 0, bad("a request line that is incomplete")
	}
	target, version := line[:n], line[n+1:]
	for _, c := range target {
		if c <= ' ' || c == 0x7f || c == '#' {
			return nil, 0, bad("a character in the request's target that has to be escaped")
		}
	}
	switch string(version) {
	case "HTTP/1.1\r\n":
		return target, 1, checkAsterisk(asks, target)
	case "HTTP/1.0\r\n":
		return target, 0, checkAsterisk(asks, target)
	}
	if len(version) == len("HTTP/1.1\r\n") && bytes.HasPrefix(version, []byte("HTTP/")) && bytes.HasSuffix(version, []byte("\r\n")) &&
		'0' <= version[5] && version[5] <= '9' && version[6] == '.' && '0' <= version[7] && version[7] <= '9' {
		return nil, 0, &Refusal{http.StatusHTTPVersionNotSupported, "a version of HTTP that does not exist here"}
	}
	return nil, 0, bad("a request line that is malformed")
}

// checkAsterisk refuses a target that is no path, where one is needed.
func checkAsterisk(method, target []byte) error {
	if len(target) == 1 && target[0] == '*' && string(method) != http.MethodOptions {
		return bad("a target that is for OPTIONS only")
	}
	return nil
}

// add checks one line of the header.
func (f *fields) add(line []byte) error {
	colon := 0
	for colon < len(line) && tokens[line[colon]] {
		colon++
	}
	if colon == 0 || colon == len(line) || line[colon] != ':' {
		// Whitespace before the colon, whitespace at the beginning (which is
		// how a line was once continued), or something else.
		return bad("a header field whose name is malformed")
	}
	name, value := line[:colon], line[colon+1:]
	if !isText(value) {
		return bad("a control character in a header field")
	}
	switch len(name) {
	case len("Host"):
		if !is(name, "host") {
			return nil
		}
		f.host++
		f.hostValue = bytes.Trim(value, " \t")
	case len("Content-Length"):
		if !is(name, "content-length") {
			return nil
		}
		f.length++
		if value = bytes.Trim(value, " \t"); !isLength(value) || bytes.IndexByte(name, '_') >= 0 {
			return bad("a Content-Length that is malformed")
		}
	case len("Transfer-Encoding"):
		if !is(name, "transfer-encoding") {
			return nil
		}
		f.encoding++
		if value = bytes.Trim(value, " \t"); !is(value, "chunked") || bytes.IndexByte(name, '_') >= 0 {
			return bad("a Transfer-Encoding other than chunked")
		}
	}
	return nil
}

// check looks at all the fields together.
func (f *fields) check(target []byte, minor byte) error {
	switch {
	case f.length > 1 || f.encoding > 1:
		return bad("a length that is given twice")
	case f.length > 0 && f.encoding > 0:
		return bad("a Content-Length beside a Transfer-Encoding")
	case f.encoding > 0 && minor == 0:
		return bad("a Transfer-Encoding in HTTP/1.0")
	case f.host > 1 || f.host == 0 && minor > 0:
		return bad("not exactly one Host")
	case f.host > 0 && !ValidHost(f.hostValue):
		return bad("a Host that is malformed")
	}
	return checkTarget(target, f.hostValue)
}

// checkTarget refuses a target that names another host than the Host field,
// for which one proxy takes the one and the next the other.
func checkTarget(target, host []byte) error {
	if target[0] == '/' || len(target) == 1 && target[0] == '*' {
		return nil
	}
	i := bytes.Index(target, []byte("://"))
	if i < 0 || !is(target[:i], "http") && !is(target[:i], "https") {
		return bad("this is not a proxy")
	}
	authority := target[i+3:]
	if i := bytes.IndexAny(authority, "/?#"); i >= 0 {
		authority = authority[:i]
	}
	if !ValidHost(authority) || len(authority) == 0 || !bytes.EqualFold(authority, host) {
		return bad("a target that names another host than the Host field")
	}
	return nil
}

// is reports whether name is the lower-case want. Frameworks that follow CGI
// cannot tell an underscore from a hyphen, so neither do we.
func is(name []byte, want string) bool {
	if len(name) != len(want) {
		return false
	}
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c == '_' {
			c = '-'
		}
		if c != want[i] {
			return false
		}
	}
	return true
}

func isLength(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return 1 <= len(b) && len(b) <= 18 // fits in an int64
}

// Plain reports whether the lines of a header, up to the empty one, are
// strictly well formed. A parser that is not strict reads them no differently.
func Plain(lines []byte) bool {
	for {
		end := bytes.IndexByte(lines, '\n')
		if end < 1 || lines[end-1] != '\r' {
			return false
		}
		line := lines[:end-1]
		if len(line) == 0 {
			return true
		}
		lines = lines[end+1:]
		colon := 0
		for colon < len(line) && tokens[line[colon]] {
			colon++
		}
		if colon == 0 || colon == len(line) || line[colon] != ':' || !isText(line[colon+1:]) {
			return false
		}
	}
}

// isText reports whether a field's value has no control characters.
func isText(value []byte) bool {
	for _, c := range value {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
