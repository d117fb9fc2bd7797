package router

import (
	"crypto/tls"
	"strconv"
	"time"
	"unicode/utf8"
)

// A record is what the access log remembers of an exchange until it is
// written. What it points to lives as long as the service.
type record struct {
	service, target, code string

	began                  time.Time
	took, connect, waiting time.Duration // waiting: until the first byte of the answer
	in, out                int64
	status                 int
	tls                    uint16
	major, minor           uint8
	outcome                outcome

	text    int           // where its text begins in the batch
	lengths [texts]uint16 // of each piece of it
}

// The pieces of text of a record, in order.
const (
	textMethod = iota
	textHost
	textPath
	textID
	textClient
	textAgent
	textReferer
	texts
)

// textNames are what the pieces are called in a line, and textLimits how much
// of each is kept, in bytes.
var (
	textNames  = [texts]string{`","method":"`, `","host":"`, `","path":"`, `","request_id":"`, `","client":"`, `","user_agent":"`, `","referer":"`}
	textLimits = [texts]int{32, 255, 2048, 200, 64, 512, 1024}
)

func (r *record) length() int { return r.lengthTo(texts) }

// lengthTo is how long its text is before a piece.
func (r *record) lengthTo(piece int) (n int) {
	for _, l := range r.lengths[:piece] {
		n += int(l)
	}
	return n
}

var outcomeNames = [...]string{served: "served", failed: "failed", cut: "cut", gone: "gone"}

// appendJSON appends the record as one line, as ParseAccess reads it.
func (r *record) appendJSON(b, text []byte) []byte {
	b = append(b, `{"at":"`...)
	b = r.began.UTC().AppendFormat(b, "2006-01-02T15:04:05.000000Z")
	at := r.text
	for i, n := range r.lengths {
		piece := text[at : at+int(n)]
		at += int(n)
		if n > 0 {
			b = append(b, textNames[i]...)
			b = appendEscaped(b, piece)
		}
	}
	b = append(b, `","protocol":"HTTP/`...)
	b = strconv.AppendUint(b, uint64(r.major), 10)
	b = append(b, '.')
	b = strconv.AppendUint(b, uint64(r.minor), 10)
	if r.tls != 0 {
		b = append(b, `","tls":"`...)
		b = append(b, tlsName(r.tls)...)
	}
	if r.target != "" {
		b = append(b, `","target":"`...)
		b = append(b, r.target...)
	}
	if r.code != "" {
		b = append(b, `","code":"`...)
		b = append(b, r.code...)
	}
	b = append(b, `","outcome":"`...)
	b = append(b, outcomeNames[r.outcome]...)
	b = append(b, `","status":`...)
	b = strconv.AppendInt(b, int64(r.status), 10)
	b = append(b, `,"bytes_in":`...)
	b = strconv.AppendInt(b, r.in, 10)
	b = append(b, `,"bytes_out":`...)
	b = strconv.AppendInt(b, r.out, 10)
	b = appendMillis(append(b, `,"connect_ms":`...), r.connect)
	b = appendMillis(append(b, `,"first_byte_ms":`...), r.waiting)
	b = appendMillis(append(b, `,"duration_ms":`...), r.took)
	return append(b, "}\n"...)
}

func appendMillis(b []byte, d time.Duration) []byte {
	us := max(d.Microseconds(), 0)
	b = strconv.AppendInt(b, us/1000, 10)
	rest := us % 1000
	return append(b, '.', byte('0'+rest/100), byte('0'+rest/10%10), byte('0'+rest%10))
}

func tlsName(version uint16) string {
	switch version {
	case tls.VersionTLS13:
		return "1.3"
	case tls.VersionTLS12:
		return "1.2"
	}
	return tls.VersionName(version)
}

// isPlainByte tells what stands for itself in a JSON string.
var isPlainByte = func() (plain [256]bool) {
	for c := ' '; c < 0x7f; c++ {
		plain[c] = c != '"' && c != '\\'
	}
	return plain
}()

const hex = "0123456789abcdef"

// appendEscaped appends what a visitor sent as the inside of a JSON string.
// Whatever a terminal could take for a command is escaped.
func appendEscaped(b, s []byte) []byte {
	for i := 0; i < len(s); {
		plain := i
		for plain < len(s) && isPlainByte[s[plain]] {
			plain++
		}
		if b = append(b, s[i:plain]...); plain == len(s) {
			break
		}
		i = plain
		c := s[i]
		if c < utf8.RuneSelf {
			i++
			if c == '"' || c == '\\' {
				b = append(b, '\\', c)
				continue
			}
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			continue
		}
		r, n := utf8.DecodeRune(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			b = append(b, `\ufffd`...)
		case r < 0xa0, r == 0x2028, r == 0x2029, 0x202a <= r && r <= 0x202e, 0x2066 <= r && r <= 0x2069:
			b = append(b, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
		default:
			b = append(b, s[i:i+n]...)
		}
		i += n
	}
	return b
}
