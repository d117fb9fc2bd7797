package drains

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/berthhq/berth/appliance"
)

// An httpSender sends lines in POST requests: as Heroku's Logplex does, or as
// JSON objects.
type httpSender struct {
	Spec
	app    string
	client *http.Client
	last   []appliance.LogLine // what frame names
	frame  string
}

// requestTime is how long one request may take.
const requestTime = 30 * time.Second

func newHTTP(spec Spec, app string, dial Dial, config *tls.Config) *httpSender {
	return &httpSender{Spec: spec, app: app, client: &http.Client{
		Timeout: requestTime,
		Transport: &http.Transport{
			DialContext: dial, TLSClientConfig: config, TLSHandshakeTimeout: dialTime, ForceAttemptHTTP2: true,
			IdleConnTimeout: time.Minute, MaxIdleConns: 1,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (h *httpSender) send(ctx context.Context, lines []appliance.LogLine) error {
	body, kind := frames(h.app, lines), "application/logplex-1"
	if h.Format == JSON {
		body, kind = objects(h.app, lines), "application/x-ndjson"
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(body))
	if err != nil {
		return errors.New("its address is none") // the error would name it
	}
	if len(h.last) == 0 || &h.last[0] != &lines[0] {
		h.last, h.frame = lines, rand.Text() // the same again when the same is sent again
	}
	r.Header.Set("Content-Type", kind)
	r.Header.Set("User-Agent", "berth")
	r.Header.Set("Logplex-Msg-Count", strconv.Itoa(len(lines)))
	r.Header.Set("Logplex-Frame-Id", h.frame)
	r.Header.Set("Logplex-Drain-Token", "d."+h.ID)
	answer, err := h.client.Do(r)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // it would name the whole address
		}
		return err
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, 64<<10) // so that the connection serves again
	switch status := answer.StatusCode; {
	case status/100 == 2:
		return nil
	case status/100 == 4 && status != http.StatusRequestTimeout && status != http.StatusTooManyRequests && status != http.StatusTooEarly,
		status/100 == 3:
		return refusedError{fmt.Errorf("the answer is %s", answer.Status)}
	default:
		return fmt.Errorf("the answer is %s", answer.Status)
	}
}

func (h *httpSender) close() { h.client.CloseIdleConnections() }

// An object is a line as JSON has it.
type object struct {
	At      time.Time `json:"at"`
	App     string    `json:"app"`
	Process string    `json:"process"`
	Release int       `json:"release,omitempty"`
	Stream  string    `json:"stream"`
	Text    string    `json:"text"`
}

// objects are lines of JSON.
func objects(app string, lines []appliance.LogLine) []byte {
	var b bytes.Buffer
	to := json.NewEncoder(&b)
	for _, l := range lines {
		_ = to.Encode(object{l.At, app, l.Process, l.Release, l.Stream.String(), l.Text}) // to memory
	}
	return b.Bytes()
}
