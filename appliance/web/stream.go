package web

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"unicode/utf8"
)

// A stream answers lines of JSON, each as soon as there is something to say.
type stream struct {
	control *http.ResponseController
	header  http.Header

	mu      sync.Mutex // a command may print from several goroutines; guards the fields below
	encoder *json.Encoder
	said    bool
}

func newStream(w http.ResponseWriter) *stream {
	return &stream{control: http.NewResponseController(w), header: w.Header(), encoder: encoder(w)}
}

// A piece is a part of what a command prints: text, or bytes in base64 where
// they are no text.
type piece struct {
	Stream string `json:"stream"` // stdout or stderr
	Text   string `json:"text,omitempty"`
	Base64 []byte `json:"base64,omitempty"`
}

func (s *stream) begun() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.said
}

func (s *stream) say(value any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.said {
		s.said = true
		s.header.Set("Content-Type", "application/x-ndjson")
	}
	if err := s.encoder.Encode(value); err != nil {
		return err
	}
	return s.control.Flush()
}

func (s *stream) end(o outcome) { _ = s.say(o) } // who asked may have gone

func (s *stream) writer(name string) io.Writer { return &pieces{stream: s, name: name} }

// pieces writes to one of the two streams.
type pieces struct {
	stream *stream
	name   string
}

func (p *pieces) Write(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	part := piece{Stream: p.name, Text: string(b)}
	if !utf8.Valid(b) {
		part = piece{Stream: p.name, Base64: b}
	}
	if err := p.stream.say(part); err != nil {
		return 0, err
	}
	return len(b), nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
