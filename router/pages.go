package router

import (
	"bytes"
	"embed"
	"encoding/json"
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
	paused = &page{http.StatusRequestTimeout, "H28", "The upload stopped",
		"Nothing more of what you were sending has come for too long.", 0}
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
	tooManyGuesses = &page{http.StatusTooManyRequests, "too-many-guesses", "Too many passwords at once",
		"More passwords are being checked than this machine has time for. Please try again in a moment.", 5}
	notLoggedIn = &page{http.StatusUnauthorized, "login-needed", "Who are you?",
		"This app asks for a name and a password.", 0}
	senseless = &page{http.StatusBadRequest, "bad-request", "This request makes no sense",
		"It is not one for a web server, or can be read in two ways.", 0}
)

var allPages = []*page{
	unknownHost, tooMany, timedOut, brokeOff, noProcess, unreadable, paused, cutOff, notReached, starting, refused,
	inMaintenance, tooLarge, notAllowed, tooManyGuesses, notLoggedIn, senseless, unclear,
}

// write answers with the page, in the form that the visitor asks for.
func (p *page) write(w http.ResponseWriter, req *http.Request, requestID string) {
	p.send(w, req, requestID, "")
}

// send writes the page: HTML for browsers, for which there may be some of the
// owner's, JSON for those who ask for it, and plain text for all others.
func (p *page) send(w http.ResponseWriter, req *http.Request, requestID, html string) {
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
	body, contentType := p.render(formOf(req.Header["Accept"]), requestID, html)
	h.Set("Content-Type", contentType)
	if html == "" && contentType == typeHTML {
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(p.Status)
	if req.Method == http.MethodHead {
		return // or it would be counted as if it had gone out
	}
	// The visitor may have gone; there is nobody to tell.
	_, _ = w.Write(body)
}

const typeHTML = "text/html; charset=utf-8"

func (p *page) render(form, requestID, html string) (body []byte, contentType string) {
	var b bytes.Buffer
	switch form {
	case "html":
		contentType = typeHTML
		if html != "" {
			b.WriteString(p.fillIn(html, requestID))
			break
		}
		err := pageHTML.ExecuteTemplate(&b, "page.html", struct {
			*page
			RequestID string
		}{p, requestID})
		if err != nil {
			panic(err) // the template is ours, and a test renders every page
		}
	case "text":
		contentType = "text/plain; charset=utf-8"
		fmt.Fprintf(&b, "%d %s (%s)\n%s\n", p.Status, p.Title, p.Code, p.Text)
	default:
		contentType = form
		// Of numbers and strings, so it cannot fail.
		_ = json.NewEncoder(&b).Encode(struct {
			Status    int    `json:"status"`
			Code      string `json:"code"`
			Title     string `json:"title"`
			Detail    string `json:"detail"`
			RequestID string `json:"request_id,omitempty"`
		}{p.Status, p.Code, p.Title, p.Text, requestID})
	}
	return b.Bytes(), contentType
}

// fillIn puts what the page says where the owner's HTML wants it.
func (p *page) fillIn(html, requestID string) string {
	return strings.NewReplacer(
		"{{status}}", strconv.Itoa(p.Status),
		"{{code}}", template.HTMLEscapeString(p.Code),
		"{{title}}", template.HTMLEscapeString(p.Title),
		"{{text}}", template.HTMLEscapeString(p.Text),
		"{{request}}", template.HTMLEscapeString(requestID),
	).Replace(html)
}

// formOf is the form that an Accept header asks for most: "html", a media type
// of JSON, or "text". Who takes anything gets text: it is a person at a shell,
// or a program that will not read it.
func formOf(accept []string) string {
	form, most := "text", 0.0
	for _, line := range accept {
		for element := range strings.SplitSeq(line, ",") {
			name, params, _ := strings.Cut(element, ";")
			f := ""
			switch name = strings.ToLower(strings.TrimSpace(name)); {
			case name == "text/html" || name == "application/xhtml+xml":
				f = "html"
			case name == "application/problem+json":
				f = name
			case name == "application/json" || strings.HasPrefix(name, "application/") && strings.HasSuffix(name, "+json"):
				f = "application/json"
			case name == "text/plain":
				f = "text"
			default:
				continue
			}
			if q := quality(params); q > most {
				form, most = f, q
			}
		}
	}
	return form
}

// quality is the q among the parameters of an element of a header, 1 if there
// is none, and 0 if it is none of our world.
func quality(params string) float64 {
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(param, "=")
		if strings.EqualFold(strings.TrimSpace(name), "q") {
			q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil || !(0 <= q && q <= 1) {
				return 0
			}
			return q
		}
	}
	return 1
}
