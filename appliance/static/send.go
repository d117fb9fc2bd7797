package static

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// send answers with a file, and closes it.
func (h *Handler) send(w http.ResponseWriter, r *http.Request, f file, status int) {
	defer f.Close()
	kind, err := contentType(f)
	if err != nil {
		http.Error(w, "internal server error", http.StatusInternalServerError)
		return
	}
	header := w.Header()
	if h.config.Encoding != "" {
		kind = strings.Replace(kind, "charset=utf-8", "charset="+h.config.Encoding, 1)
	}
	header.Set("Content-Type", kind)
	if status != http.StatusOK {
		sendPage(w, r, f, status)
		return
	}
	c, err := h.copies.of(f, compressible(kind))
	if err != nil {
		http.Error(w, "internal server error", http.StatusInternalServerError)
		return
	}
	// Whoever has a copy asks whether it is still good: the name of a file
	// says nothing of how long it stays the same.
	header.Set("Cache-Control", "no-cache")
	if c.gzip != nil {
		header.Add("Vary", "Accept-Encoding")
		// A part of a file is a part of the file itself.
		if acceptsGzip(r) && r.Header.Get("Range") == "" {
			// Another encoding is another representation, with its own tag.
			header.Set("ETag", `"`+c.tag+`-gzip"`)
			header.Set("Content-Encoding", "gzip")
			http.ServeContent(w, r, "", f.ModTime(), bytes.NewReader(c.gzip))
			return
		}
	}
	header.Set("ETag", `"`+c.tag+`"`)
	http.ServeContent(w, r, "", f.ModTime(), f)
}

// sendPage answers with a page in place of what was asked for. It has no parts
// and nobody should keep it, so it does not go through http.ServeContent,
// which knows no status of that kind.
func sendPage(w http.ResponseWriter, r *http.Request, f file, status int) {
	w.Header().Set("Content-Length", strconv.FormatInt(f.Size(), 10))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if r.Method == http.MethodGet {
		_, _ = io.CopyN(w, f, f.Size()) // the only reader has gone
	}
}

// acceptsGzip reads Accept-Encoding (RFC 9110, 12.5.3).
func acceptsGzip(r *http.Request) bool {
	accepted := false
	for coding := range strings.SplitSeq(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		name, parameter, _ := strings.Cut(coding, ";")
		name = strings.ToLower(strings.TrimSpace(name))
		if name != "gzip" && name != "x-gzip" && name != "*" {
			continue
		}
		quality := 1.0
		if q, ok := strings.CutPrefix(strings.ReplaceAll(strings.ToLower(parameter), " ", ""), "q="); ok {
			if n, err := strconv.ParseFloat(q, 64); err == nil {
				quality = n
			}
		}
		if name != "*" {
			return quality > 0 // it counts more than "*"
		}
		accepted = quality > 0
	}
	return accepted
}
