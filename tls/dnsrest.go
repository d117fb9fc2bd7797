package certs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// maxAnswer is the most that is read of a provider's answer.
const maxAnswer = 4 << 20

// A rest is a provider's HTTP interface that speaks JSON and knows us by a token.
type rest struct {
	base   string
	token  string
	client *http.Client
}

func newREST(base, token string) rest {
	return rest{base: base, token: token, client: &http.Client{Timeout: 30 * time.Second}}
}

// A restError is an answer that is no success.
type restError struct {
	status int
	said   string
}

func (e *restError) Error() string {
	return fmt.Sprintf("the DNS provider answers %d %s: %s", e.status, http.StatusText(e.status), e.said)
}

// do sends in, if it is not nil, and reads the answer into out, if it is not.
func (s rest) do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, s.base+path, body)
	if err != nil {
		return err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	answer, err := s.send(req)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("read the DNS provider's answer to %s %s: %w", method, path, err)
	}
	return nil
}

// send returns the answer to req, or an error that says what the provider said.
func (s rest) send(req *http.Request) ([]byte, error) {
	res, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		said := strings.Join(strings.Fields(string(answer)), " ")
		if s.token != "" { // whatever they repeat, errors are kept and shown
			said = strings.ReplaceAll(said, s.token, "[token]")
		}
		return nil, &restError{res.StatusCode, fmt.Sprintf("%.300s", said)}
	}
	return answer, nil
}
