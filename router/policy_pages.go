package router

import (
	"cmp"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// isPageName reports whether Policy.Pages can have a page by that name.
func isPageName(name string) bool {
	if name == "default" {
		return true
	}
	if status, err := strconv.Atoi(name); err == nil {
		return 400 <= status && status <= 599 && strconv.Itoa(status) == name // +503 would never be looked for
	}
	for _, p := range allPages {
		if p.Code == name {
			return true
		}
	}
	return false
}

// page answers with one of our pages, as the service's owner wants it to look.
// Not always to x.w: an answer that has been cut takes a page nevertheless.
func (p *policy) page(x *exchange, w http.ResponseWriter, pg *page) { p.show(x, w, pg, p.html(pg)) }

func (p *policy) show(x *exchange, w http.ResponseWriter, pg *page, html string) {
	p.hsts.set(x, w.Header())
	leaveBody(w, x.req)
	x.status, x.code = pg.Status, pg.Code
	pg.send(w, x.req, x.id, html)
}

// leaveBody ends an HTTP/1.1 connection with an answer that does not wait for
// the request's body. What is left of it could be read as the next request.
func leaveBody(w http.ResponseWriter, req *http.Request) {
	if req.ProtoMajor == 1 && req.ContentLength != 0 {
		w.Header().Set("Connection", "close")
	}
}

// html is what the owner has for a page, or "".
func (p *policy) html(pg *page) string {
	if p.pages == nil {
		return ""
	}
	return cmp.Or(p.pages[pg.Code], p.pages[strconv.Itoa(pg.Status)], p.pages["default"])
}

// fill gives the service's answer, an error without a word, the owner's page.
func (p *policy) fill(x *exchange, res *http.Response) {
	pg := &page{Status: res.StatusCode, Code: strconv.Itoa(res.StatusCode), Title: http.StatusText(res.StatusCode)}
	html := p.html(pg)
	if html == "" || x.req.Method == http.MethodHead || formOf(x.req.Header["Accept"]) != "html" {
		return
	}
	body := pg.fillIn(html, x.id)
	_ = res.Body.Close() // there is nothing in it
	res.Body = io.NopCloser(strings.NewReader(body))
	res.ContentLength = int64(len(body))
	res.Header.Set("Content-Length", strconv.Itoa(len(body)))
	res.Header.Set("Content-Type", typeHTML)
	res.Header.Del("Content-Encoding")
}
