package router

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Compression makes answers of text smaller for visitors who can take it, with
// zstd or gzip.
type Compression struct {
	On bool `json:"on,omitempty"`
	// MinSize is the smallest body worth it, in bytes; 1,024 if 0.
	MinSize int64 `json:"min_size,omitempty"`
	// Types are the media types to compress, text/* among them; a list of
	// the usual ones if empty.
	Types []string `json:"types,omitempty"`
}

// What is text, however it is called. Pictures, films, archives and fonts of
// the web (woff2) are compressed already.
var usualTypes = []string{
	"text/*", "application/json", "application/javascript", "application/x-javascript", "application/xml",
	"application/xhtml+xml", "application/rss+xml", "application/atom+xml", "application/ld+json", "application/geo+json",
	"application/problem+json", "application/vnd.api+json", "application/manifest+json", "application/graphql-response+json",
	"application/x-ndjson", "application/wasm", "application/vnd.ms-fontobject", "application/x-font-ttf",
	"font/ttf", "font/otf", "image/svg+xml", "image/bmp", "image/x-icon", "image/vnd.microsoft.icon",
}

// A compression is one that is on.
type compression struct {
	minSize int64
	types   map[string]bool // also main types, as "text/"
}

func newCompression(c Compression) *compression {
	if !c.On {
		return nil
	}
	made := &compression{minSize: c.MinSize, types: map[string]bool{}}
	if made.minSize <= 0 {
		made.minSize = 1024
	}
	types := c.Types
	if len(types) == 0 {
		types = usualTypes
	}
	for _, t := range types {
		made.types[strings.TrimSuffix(strings.ToLower(t), "*")] = true
	}
	return made
}

// apply compresses an answer for which that is right.
func (c *compression) apply(req *http.Request, res *http.Response) {
	h := res.Header
	if !c.fits(res) {
		return
	}
	// Also who gets it as it is shares caches with those who do not.
	vary(h)
	coding := acceptedCoding(req.Header["Accept-Encoding"])
	if coding == nil || !req.ProtoAtLeast(1, 1) {
		return
	}
	if req.Method != http.MethodHead {
		enc := coding.get()
		if enc == nil {
			return
		}
		body := &compressed{src: res.Body, coding: coding, enc: enc, left: res.ContentLength}
		enc.Reset(&body.out)
		res.Body = body
	}
	h["Content-Encoding"] = coding.name
	delete(h, "Content-Length")
	delete(h, "Accept-Ranges") // of what we do not send
	res.ContentLength = -1
	if etag := h["Etag"]; len(etag) == 1 && !strings.HasPrefix(etag[0], "W/") {
		h["Etag"] = []string{"W/" + etag[0]} // no longer the same byte for byte
	}
}

// fits reports whether there is something to be gained, and nothing that says
// that the bytes have to stay what they are.
func (c *compression) fits(res *http.Response) bool {
	if res.ContentLength >= 0 && res.ContentLength < c.minSize {
		return false
	}
	switch res.StatusCode {
	case http.StatusNoContent, http.StatusResetContent, http.StatusPartialContent, http.StatusNotModified:
		return false
	}
	h := res.Header
	for _, name := range []string{"Content-Encoding", "Content-Range", "Content-Md5", "Digest", "Content-Digest"} {
		if h[name] != nil {
			return false
		}
	}
	for _, line := range h["Cache-Control"] {
		if strings.Contains(strings.ToLower(line), "no-transform") {
			return false
		}
	}
	return c.fitsType(h["Content-Type"])
}

// fitsType leaves event streams alone, whatever the owner says: each of their
// small messages would cost more than it saves.
func (c *compression) fitsType(values []string) bool {
	if len(values) != 1 {
		return false
	}
	name, _, _ := strings.Cut(values[0], ";")
	name = strings.ToLower(strings.TrimSpace(name))
	if name == "text/event-stream" {
		return false
	}
	main, _, _ := strings.Cut(name, "/")
	return c.types[name] || c.types[name[:min(len(name), len(main)+1)]]
}

var varyCoding = []string{"Accept-Encoding"} // one for all answers

// vary says that the answer depends on Accept-Encoding.
func vary(h http.Header) {
	for _, line := range h["Vary"] {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.TrimSpace(name); name == "*" || strings.EqualFold(name, "Accept-Encoding") {
				return
			}
		}
	}
	if len(h["Vary"]) == 0 {
		h["Vary"] = varyCoding
		return
	}
	h["Vary"] = append(slices.Clip(h["Vary"]), "Accept-Encoding")
}

// acceptedCoding is the one that the visitor wants most, or nil. Where two are
// as welcome, it is the cheaper one.
func acceptedCoding(accept []string) *coding {
	identity, rest := -1.0, -1.0
	var q [len(codings)]float64
	for i := range q {
		q[i] = -1
	}
	for _, line := range accept {
		for element := range strings.SplitSeq(line, ",") {
			name, params, hasParams := strings.Cut(element, ";")
			weight := 1.0
			if hasParams {
				weight = quality(params)
			}
			switch name = strings.TrimSpace(name); {
			case name == "*":
				rest = weight
			case strings.EqualFold(name, "identity"):
				identity = weight
			default:
				for i, c := range codings {
					if strings.EqualFold(name, c.name[0]) {
						q[i] = weight
					}
				}
			}
		}
	}
	var best *coding
	most := max(identity, 0)
	for i, c := range codings {
		weight := q[i]
		if weight < 0 && i == anyCoding {
			weight = rest
		}
		if weight > 0 && (weight > most || weight == most && best == nil) {
			best, most = c, weight
		}
	}
	return best
}

// A compressed body is what reading src gives, made smaller. It holds no more
// than a buffer of it, and gives its encoder back at the end.
type compressed struct {
	coding *coding
	left   int64 // how much has not come yet; negative if nobody knows
	out    bytes.Buffer
	err    error // what comes after out

	mu  sync.Mutex // held while enc is in use
	src io.ReadCloser
	enc encoder // nil once given back
}

func (c *compressed) Read(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.out.Len() == 0 {
		if c.err != nil {
			return 0, c.err
		}
		if c.enc == nil {
			return 0, http.ErrBodyReadAfterClose
		}
		c.out.Reset()
		c.err = c.fill()
		if c.err != nil {
			c.release()
		}
	}
	return c.out.Read(b)
}

// fill reads what there is and has the encoder write to out, where it may stay
// silent.
func (c *compressed) fill() error {
	buf := buffers.Get()
	defer buffers.Put(buf)
	n, err := c.src.Read(buf)
	if n > 0 {
		// Writing to a buffer does not fail, and nothing else can.
		_, _ = c.enc.Write(buf[:n])
	}
	if c.left > 0 {
		c.left -= int64(n)
	}
	switch {
	case err == io.EOF:
		_ = c.enc.Close()
	case err != nil:
		// Without an end: the visitor has to notice that something is missing.
	case n > 0 && n < len(buf) && c.left != 0:
		// Nobody knows when there will be more, so the visitor gets what there is.
		_ = c.enc.Flush()
	}
	return err
}

// Close ends a Read that waits, by closing what it waits for.
func (c *compressed) Close() error {
	err := c.src.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.release()
	return err
}

func (c *compressed) release() {
	if c.enc != nil {
		c.coding.put(c.enc)
		c.enc = nil
	}
}
