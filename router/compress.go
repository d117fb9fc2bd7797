package router

// Compression makes answers of text smaller for visitors who can take it
// (gzip, zstd).
type Compression struct {
	On bool `json:"on,omitempty"`
	// MinSize is the smallest body worth it, in bytes; 1,024 if 0.
	MinSize int64 `json:"min_size,omitempty"`
	// Types are the media types to compress, text/* among them; a list of
	// the usual ones if empty.
	Types []string `json:"types,omitempty"`
}
