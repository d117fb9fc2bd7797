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
	crashed = &page{http.StatusServiceUnavailable, "H10", "The app has crashed",
		"This app has ended, and will be started again. Please try again in a moment.", 10}
	tooMany = &page{http.StatusServiceUnavailable, "H11", "Too many requests at once",
		"This app has more requests under way than it may. Please try again in a moment.", 5}
	timedOut = &page{http.StatusGatewayTimeout, "H12", "The app took too long",
		"This app did not answer this request in time.", 0}
	brokeOff = &page{http.StatusBadGateway, "H13", "The app broke off",
		"This app closed the connection without an answer.", 0}
	noProcess = &page{http.StatusServiceUnavailable, "H14", "No web process",
		"This app has no web process running.", 10}
	unreadable = &page{http.StatusBadGateway, "H17", "The app's answer cannot be read",
		"This app answered with something that is not HTTP.", 0}
	cutOff = &page{http.StatusServiceUnavailable, "H18", "Please try again",
		"A new version of this app went live, and the old one did not finish this request in time.", 1}
	notReached = &page{http.StatusBadGateway, "H19", "The app cannot be reached",
		"This app did not accept a connection in time. Please try again in a moment.", 5}
	starting = &page{http.StatusServiceUnavailable, "H20", "The app is starting",
		"This app is not ready yet. Please try again in a moment.", 5}
	refused = &page{http.StatusBadGateway, "H21", "The app is not answering",
		"This app does not accept connections. It may be restarting: please try again in a moment.", 5}
	inMaintenance = &page{http.StatusServiceUnavailable, "H80", "Down for maintenance",
		"This app is being worked on. Please come back in a while.", 300}
	tooLarge = &page{http.StatusRequestEntityTooLarge, "too-large", "That is too large",
		"This app takes no uploads as large as this one.", 0}
	notAllowed = &page{http.StatusForbidden, "not-allowed", "This is not for you",
		"This app is not open to the address that you come from.", 0}
	notLoggedIn = &page{http.StatusUnauthorized, "login-needed", "Who are you?",
		"This app asks for a name and a password.", 0}
	notProxy = &page{http.StatusBadRequest, "bad-request", "This is not a proxy",
		"The request asks for a connection to somewhere else.", 0}
)

var allPages = []*page{
	unknownHost, crashed, tooMany, timedOut, brokeOff, noProcess, unreadable, cutOff, notReached, starting, refused,
	inMaintenance, tooLarge, notAllowed, notLoggedIn, notProxy,
}

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
