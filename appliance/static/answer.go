package static

import (
	"io"
	"log"
	"maps"
	"net/http"
)

// An answer is a ResponseWriter that adds the site's own headers last, so that
// they win, and remembers the status.
type answer struct {
	http.ResponseWriter
	headers http.Header
	status  int
}

// begin wraps w for a request.
func (h *Handler) begin(w http.ResponseWriter, r *http.Request) *answer {
	a := &answer{ResponseWriter: w}
	for _, headers := range h.config.Headers {
		if headers.Pattern.Matches(r.URL.Path) {
			a.headers = headers.Values
		}
	}
	return a
}

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
		maps.Copy(a.Header(), a.headers)
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	a.start()
	return a.ResponseWriter.Write(b)
}

// ReadFrom lets the kernel copy a file.
func (a *answer) ReadFrom(r io.Reader) (int64, error) {
	a.start()
	return io.Copy(a.ResponseWriter, r)
}

func (a *answer) start() {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
}

// logTo writes what was asked and answered, for whoever reads the app's logs.
func (a *answer) logTo(l *log.Logger, r *http.Request) {
	l.Printf("%s %q %d", r.Method, r.URL.RequestURI(), a.status)
}
