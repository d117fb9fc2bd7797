// Package wire looks at the bytes of HTTP/1.1 before anything parses them. It
// lets only through what every parser understands in the same way: what two
// of them read differently is how requests are smuggled past one of them.
package wire

import (
	"bytes"
	"net/http"
)

// A Refusal is why a head is not let through.
type Refusal struct {
	Status int // what to answer
	Reason string
}

func (r *Refusal) Error() string { return r.Reason }

func bad(reason string) error { return &Refusal{http.StatusBadRequest, reason} }

// MaxHead is how large the head of a request may be, and MaxLine how large its
// first line, in bytes.
const (
	MaxHead = 64 << 10
	MaxLine = 32 << 10
)

var blank = []byte("\r\n\r\n")

// End returns where the head at the beginning of b ends, or 0 if there is more
// to come. seen is how much of b an earlier call has looked at.
func End(b []byte, seen int) (int, error) {
	seen = max(seen-len(blank)+1, 0)
	if i := bytes.Index(b[seen:], blank); i >= 0 {
		return seen + i + len(blank), nil
	}
	// Whoever ends lines with a bare LF would wait for ever for our answer.
	for i := seen; ; i++ {
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			break
		}
		i += n
		if i == 0 || b[i-1] != '\r' {
			return 0, bad("a line that ends without CR")
		}
	}
	if len(b) >= MaxLine && bytes.IndexByte(b, '\n') < 0 {
		return 0, &Refusal{http.StatusRequestURITooLong, "a request line that is too long"}
	}
	if len(b) >= MaxHead {
		return 0, &Refusal{http.StatusRequestHeaderFieldsTooLarge, "a head that is too large"}
	}
	return 0, nil
}
