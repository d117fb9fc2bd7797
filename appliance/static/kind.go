package static

import (
	"io"
	"mime"
	"net/http"
	"path"
	"strings"
)

// kinds are those that the standard library does not know by itself, and that
// sites are made of. The machine's own table is never asked: a site must not
// depend on it.
var kinds = map[string]string{
	".css": "text/css; charset=utf-8", ".csv": "text/csv; charset=utf-8", ".ico": "image/x-icon",
	".js": "text/javascript; charset=utf-8", ".map": "application/json", ".md": "text/markdown; charset=utf-8",
	".mp3": "audio/mpeg", ".mp4": "video/mp4", ".otf": "font/otf", ".ttf": "font/ttf",
	".txt": "text/plain; charset=utf-8", ".wasm": "application/wasm", ".webm": "video/webm",
	".webmanifest": "application/manifest+json", ".woff": "font/woff", ".woff2": "font/woff2",
	".xml": "application/xml", ".zip": "application/zip",
}

// contentType tells a file's type by its name, or by how it begins.
func contentType(f file) (string, error) {
	ext := strings.ToLower(path.Ext(f.Name()))
	if kind := kinds[ext]; kind != "" {
		return kind, nil
	}
	if kind := mime.TypeByExtension(ext); kind != "" {
		return kind, nil
	}
	var start [512]byte
	n, err := io.ReadFull(f, start[:])
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return "", err
	}
	_, err = f.Seek(0, io.SeekStart)
	return http.DetectContentType(start[:n]), err
}

// compressible tells whether gzip makes content of a kind smaller.
func compressible(kind string) bool {
	kind, _, _ = strings.Cut(kind, ";")
	switch kind {
	case "application/javascript", "application/json", "application/manifest+json", "application/wasm",
		"application/xml", "font/otf", "font/ttf", "image/svg+xml", "image/x-icon":
		return true
	}
	return strings.HasPrefix(kind, "text/") || strings.HasSuffix(kind, "+xml") || strings.HasSuffix(kind, "+json")
}
