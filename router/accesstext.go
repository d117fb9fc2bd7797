package router

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

// An Access is what people are shown of an exchange. It is read from a line of
// the access log by ParseAccess.
type Access struct {
	At        time.Time `json:"at"`
	Method    string    `json:"method"`
	Host      string    `json:"host"`
	Path      string    `json:"path"`
	RequestID string    `json:"request_id"`
	Client    string    `json:"client"`
	TLS       string    `json:"tls"`
	Target    string    `json:"target"` // host:port; "" if it reached none
	Code      string    `json:"code"`
	Outcome   string    `json:"outcome"`
	Status    int       `json:"status"`
	Out       int64     `json:"bytes_out"`
	Connect   float64   `json:"connect_ms"`
	Duration  float64   `json:"duration_ms"`
}

// ParseAccess reads a line of the access log, and reports whether it is whole.
func ParseAccess(line []byte) (a Access, ok bool) {
	return a, json.Unmarshal(line, &a) == nil
}

// access is what people are shown of the record.
func (r *record) access(text []byte) Access {
	a := Access{
		At: r.began.UTC().Truncate(time.Microsecond), Target: r.target, Code: r.code, Outcome: outcomeNames[r.outcome],
		Status: r.status, Out: r.out, Connect: millis(r.connect), Duration: millis(r.took),
	}
	if r.tls != 0 {
		a.TLS = tlsName(r.tls)
	}
	// One copy for all of them.
	all, at := string(text[r.text:r.text+r.lengthTo(textAgent)]), 0
	for i, to := range [...]*string{textMethod: &a.Method, textHost: &a.Host, textPath: &a.Path, textID: &a.RequestID, textClient: &a.Client} {
		n := int(r.lengths[i])
		*to = all[at : at+n]
		at += n
	}
	return a
}

func millis(d time.Duration) float64 { return float64(max(d.Microseconds(), 0)) / 1000 }

// Failed reports whether the visitor had less than the app would have given.
func (a *Access) Failed() bool {
	return a.Code != "" && (a.Status >= 500 || a.Outcome != "served" && a.Outcome != "gone") || a.Outcome == "failed" || a.Outcome == "cut"
}

// AppendText appends the line in Heroku's form, of an exchange with what is
// called process. What visitors have sent is quoted where it could be taken
// for something else.
func (a *Access) AppendText(b []byte, process string) []byte {
	level := "at=info"
	if a.Failed() {
		level = "at=error"
	}
	b = append(b, level...)
	if a.Code != "" {
		b = append(append(b, " code="...), a.Code...)
		b = strconv.AppendQuote(append(b, " desc="...), Describe(a.Code))
	}
	b = appendBare(append(b, " method="...), a.Method)
	b = strconv.AppendQuote(append(b, " path="...), a.Path)
	b = appendBare(append(b, " host="...), a.Host)
	b = appendBare(append(b, " request_id="...), a.RequestID)
	b = strconv.AppendQuote(append(b, " fwd="...), a.Client)
	b = append(append(b, " dyno="...), process...)
	b = strconv.AppendFloat(append(b, " connect="...), math.Round(a.Connect), 'f', 0, 64)
	b = strconv.AppendFloat(append(b, "ms service="...), math.Round(a.Duration), 'f', 0, 64)
	b = strconv.AppendInt(append(b, "ms status="...), int64(a.Status), 10)
	b = strconv.AppendInt(append(b, " bytes="...), a.Out, 10)
	if a.TLS == "" {
		return append(b, " protocol=http"...)
	}
	return append(append(b, " protocol=https tls_version=tls"...), a.TLS...)
}

// appendBare appends s, without quotes if that is clear.
func appendBare(b []byte, s string) []byte {
	at := len(b)
	if b = strconv.AppendQuote(b, s); len(b)-at != len(s)+2 || strings.ContainsAny(s, " =") {
		return b
	}
	return append(b[:at], s...)
}
