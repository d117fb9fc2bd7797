// Package static serves a directory of files over HTTP, for apps that are
// nothing else.
package static

import (
	"errors"
	"io/fs"
	"log"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
)

// A Handler serves the files below one directory. It lists no directories,
// and shows neither files whose names start with a dot nor what a symbolic
// link outside of the directory leads to.
type Handler struct {
	config Config
	root   *os.Root
	copies copies
}

// New opens the directory.
func New(c Config) (*Handler, error) {
	root, err := os.OpenRoot(c.Root)
	if err != nil {
		return nil, err
	}
	if c.ErrorPage = strings.TrimPrefix(c.ErrorPage, "/"); c.ErrorPage == "" {
		c.ErrorPage = "404.html"
	}
	return &Handler{config: c, root: root}, nil
}

// Close gives the directory up.
func (h *Handler) Close() error { return h.root.Close() }

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := h.begin(w, r)
	h.serve(a, r)
	if h.config.Log {
		a.logTo(requests, r)
	}
}

var requests = log.New(os.Stdout, "", 0)

func (h *Handler) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if to := h.elsewhere(r); to != "" {
		redirect(w, to, http.StatusMovedPermanently)
		return
	}
	if h.config.Auth != nil && !h.config.Auth.admits(w, r) {
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
	if !public(name) {
		h.notFound(w, r)
		return
	}
	if name == "" {
		name = "."
	}
	f, err := h.open(name)
	switch {
	case err == nil && f.IsDir():
		f.Close()
		h.directory(w, r, name)
	case err == nil && strings.HasSuffix(r.URL.Path, "/"):
		f.Close()
		h.missing(w, r)
	case err == nil:
		h.send(w, r, f, http.StatusOK)
	case errors.Is(err, errUnreadable):
		http.Error(w, "forbidden", http.StatusForbidden)
	default:
		h.page(w, r, name)
	}
}

// toldBerth are files in the root of a repository that are not for visitors.
var toldBerth = map[string]bool{"static.json": true, "Procfile": true, "app.json": true, "Aptfile": true}

// public tells whether a path may be asked for: nothing in it is hidden, but
// for what RFC 8615 puts in the open, and it is no file that tells Berth how
// to run the site.
func public(name string) bool {
	if strings.ContainsRune(name, 0) || toldBerth[name] {
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") && part != ".well-known" {
			return false
		}
	}
	return true
}

// directory serves a directory's index.html, at an address that ends in a
// slash, so that the page's relative links are right.
func (h *Handler) directory(w http.ResponseWriter, r *http.Request, name string) {
	f, err := h.open(path.Join(name, "index.html"))
	if err != nil || f.IsDir() {
		if err == nil {
			f.Close()
		}
		h.missing(w, r)
		return
	}
	if !strings.HasSuffix(r.URL.Path, "/") {
		f.Close()
		// From the clean name, and so never "//host".
		to := url.URL{Path: "/" + name + "/", RawQuery: r.URL.RawQuery}
		redirect(w, to.String(), http.StatusMovedPermanently)
		return
	}
	h.send(w, r, f, http.StatusOK)
}

// page serves a page by the name without .html, where that is wanted.
func (h *Handler) page(w http.ResponseWriter, r *http.Request, name string) {
	if h.config.CleanURLs && !strings.HasSuffix(r.URL.Path, "/") {
		if f, err := h.open(name + ".html"); err == nil {
			if !f.IsDir() {
				h.send(w, r, f, http.StatusOK)
				return
			}
			f.Close()
		}
	}
	h.missing(w, r)
}

func (h *Handler) notFound(w http.ResponseWriter, r *http.Request) {
	if f, err := h.open(h.config.ErrorPage); err == nil && !f.IsDir() {
		h.send(w, r, f, http.StatusNotFound)
		return
	}
	http.Error(w, "404 page not found", http.StatusNotFound)
}

// errUnreadable is for files that are there but that we may not read.
var errUnreadable = errors.New("unreadable")

// A file is an open file and what is known of it.
type file struct {
	*os.File
	fs.FileInfo
	path string // below the root
}

// Name is what both of them have.
func (f file) Name() string { return f.FileInfo.Name() }

func (h *Handler) open(name string) (file, error) {
	// Not Open at once: opening a named pipe waits for somebody to write.
	info, err := h.root.Stat(name)
	if err != nil {
		return file{}, err
	}
	if !info.IsDir() && !info.Mode().IsRegular() {
		return file{}, fs.ErrNotExist
	}
	f, err := h.root.Open(name)
	if errors.Is(err, fs.ErrPermission) {
		return file{}, errUnreadable
	}
	if err != nil {
		return file{}, err
	}
	if info, err = f.Stat(); err != nil {
		f.Close()
		return file{}, err
	}
	return file{f, info, name}, nil
}
