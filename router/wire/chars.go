package wire

import "bytes"

// tokens are the bytes that names and methods are made of (RFC 9110, 5.6.2).
var tokens = func() (t [256]bool) {
	for c := range t {
		t[c] = '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
	}
	for _, c := range []byte("!#$%&'*+-.^_`|~") {
		t[c] = true
	}
	return t
}()

// hosts are the bytes of a name, as letters, digits and hyphens make it. An
// underscore is no letter of a host's name, but there are such names; an
// international name should come as xn--…, and sometimes does not.
var hosts = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
	}
	for _, c := range []byte("-._") {
		t[c] = true
	}
	return t
}()

func isToken[T string | []byte](b T) bool {
	for i := range len(b) {
		if !tokens[b[i]] {
			return false
		}
	}
	return len(b) > 0
}

// ValidMethod reports whether a method may be passed on.
func ValidMethod(method string) bool { return len(method) <= maxMethod && isToken(method) }

// maxMethod is far more than any method has that is in use.
const maxMethod = 64

// ValidName reports whether a header field may have that name.
func ValidName(name string) bool { return isToken(name) }

// ValidHost reports whether a Host field is a name or an address, with a port
// or without. It may be empty.
func ValidHost[T string | []byte](host T) bool {
	b := []byte(host)
	if len(b) > 0 && b[0] == '[' {
		end := bytes.IndexByte(b, ']')
		if end < 0 {
			return false
		}
		for _, c := range b[1:end] {
			if !(c == ':' || c == '.' || '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F') {
				return false
			}
		}
		b = b[end+1:]
	}
	for len(b) > 0 && hosts[b[0]] {
		b = b[1:]
	}
	if len(b) == 0 {
		return true
	}
	if b[0] != ':' || len(b) > len(":65535") {
		return false
	}
	for _, c := range b[1:] {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// ValidTarget reports whether a request's target can stand in a request line.
func ValidTarget(target string) bool {
	for i := range len(target) {
		if c := target[i]; c <= ' ' || c == 0x7f || c == '#' {
			return false
		}
	}
	return target != ""
}

// ValidValue reports whether a header field's value ends where it seems to.
func ValidValue(value string) bool {
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
