package router

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
)

//go:embed pages/*.html
var pageFiles embed.FS

var pageHTML = template.Must(template.ParseFS(pageFiles, "pages/*.html"))

// A page is what we answer when no app does. It names no app, so that nobody
// learns from it what else lives here.
type page struct {
	Status     int
	Code       string // Heroku's, where it has one
	Title      string
	Text       string
	retryAfter int // seconds; 0 for a page that will be the same then
}

var (
	unknownHost = &page{http.StatusNotFound, "no-such-app", "There is nothing here",
		"No app answers at this address. If one should, its name may be misspelt, or its domain not added yet.", 0}
	noProcess = &page{http.StatusServiceUnavailable, "H14", "No web process",
		"This app has no web process running.", 10}
	refused = &page{http.StatusBadGateway, "H21", "The app is not answering",
		"This app does not accept connections. It may be restarting: please try again in a moment.", 5}
	notReached = &page{http.StatusBadGateway, "H19", "The app cannot be reached",
		"This app did not accept a connection in time. Please try again in a moment.", 5}
	brokeOff = &page{http.StatusBadGateway, "H13", "The app broke off",
		"This app closed the connection without an answer.", 0}
	cutOff = &page{http.StatusServiceUnavailable, "H18", "Please try again",
		"A new version of this app went live, and the old one did not finish this request in time.", 1}
)

// write answers with the page: HTML for browsers, plain text for all others.
func (p *page) write(w http.ResponseWriter, req *http.Request, requestID string) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept")
	h.Set("X-Content-Type-Options", "nosniff")
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	if requestID != "" {
		h.Set("X-Request-Id", requestID)
	}
	var body bytes.Buffer
	if wantsHTML(req) {
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
		err := pageHTML.ExecuteTemplate(&body, "page.html", struct {
			*page
			RequestID string
		}{p, requestID})
		if err != nil {
			panic(err) // the template is ours, and a test renders every page
		}
	} else {
		h.Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintf(&body, "%d %s (%s)\n%s\n", p.Status, p.Title, p.Code, p.Text)
	}
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(p.Status)
	// The visitor may have gone; there is nobody to tell.
	_, _ = w.Write(body.Bytes())
}

func wantsHTML(req *http.Request) bool {
	for _, accept := range req.Header["Accept"] {
		if strings.Contains(strings.ToLower(accept), "text/html") {
			return true
		}
	}
	return false
}
