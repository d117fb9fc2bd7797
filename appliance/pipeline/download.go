package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/git"
)

// downloadTime is how long the download of an archive may take.
const downloadTime = 15 * time.Minute

// download asks for an archive. It follows redirects only over HTTP, and only
// to what may be reached.
func download(ctx context.Context, a Archive, access git.Access) (io.ReadCloser, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, downloadTime, fmt.Errorf("it took longer than %s", downloadTime))
	client := access.HTTP()
	client.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if len(via) > 5 || r.URL.Scheme != "https" && r.URL.Scheme != via[0].URL.Scheme {
			return fmt.Errorf("it leads on to %s://%s: not followed", r.URL.Scheme, r.URL.Host)
		}
		return nil
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL.String(), nil)
	if err != nil {
		cancel()
		return nil, err
	}
	r.Header.Set("User-Agent", "berth")
	r.Header.Set("Accept-Encoding", "identity") // an archive is packed already
	if login, ok := access.Logins[a.URL.Scheme+"://"+a.URL.Host]; ok && a.URL.User == nil {
		r.SetBasicAuth(login.User, login.Password)
	}
	answer, err := client.Do(r)
	if err != nil {
		cancel()
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // it would name the whole address
		}
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		cancel()
		answer.Body.Close()
		return nil, appliance.WithHint(fmt.Errorf("the answer is %s", answer.Status), "ask for it as the machine does: curl -L "+a.name())
	}
	return &body{answer.Body, client, cancel}, nil
}

// A body is what is downloaded, until it is closed.
type body struct {
	io.ReadCloser
	client *http.Client
	cancel func()
}

func (b *body) Close() error {
	b.cancel()
	err := b.ReadCloser.Close()
	b.client.CloseIdleConnections()
	return err
}
