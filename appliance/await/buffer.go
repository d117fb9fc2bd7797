package await

import (
	"strings"
	"sync"
)

// A Buffer keeps what is written to it. One goroutine may read it while
// others write. The zero Buffer is ready to use.
type Buffer struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

// Write never fails.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// String returns what has been written so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
