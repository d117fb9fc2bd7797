package static

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"sync"
	"time"
)

// A file of more than hashed bytes is tagged by its time and size only, and
// is not compressed. Compressed files are kept in memory up to kept bytes in
// all, and made anew for each request beyond that.
const (
	hashed = 4 << 20
	kept   = 32 << 20
)

// A copyOf is what is worked out of a file once.
type copyOf struct {
	tag  string // names the content, for ETag
	gzip []byte // nil if it does not pay
}

type fileKey struct {
	name string
	time time.Time
	size int64
}

// copies are kept for as long as the file stays as it is.
type copies struct {
	mu    sync.Mutex
	known map[fileKey]copyOf
	bytes int
}

// of returns what is known of a file, which it reads from the start and leaves
// there.
func (c *copies) of(f file, compress bool) (copyOf, error) {
	if f.Size() > hashed {
		return copyOf{tag: fmt.Sprintf("%x-%x", f.ModTime().UnixNano(), f.Size())}, nil
	}
	key := fileKey{f.path, f.ModTime(), f.Size()}
	c.mu.Lock()
	known, ok := c.known[key]
	c.mu.Unlock()
	if ok {
		return known, nil
	}
	made, err := makeCopy(f, compress)
	if err != nil {
		return copyOf{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bytes+len(made.gzip)+len(key.name) <= kept {
		if c.known == nil {
			c.known = map[fileKey]copyOf{}
		}
		c.known[key] = made
		c.bytes += len(made.gzip) + len(key.name) + 256 // for the entry
	}
	return made, nil
}

func makeCopy(f file, compress bool) (copyOf, error) {
	content, err := io.ReadAll(io.LimitReader(f, hashed))
	if err != nil {
		return copyOf{}, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return copyOf{}, err
	}
	// Not the time: all files of a commit have the same one, to the second,
	// and the next commit may too.
	made := copyOf{tag: fmt.Sprintf("%.12x", sha256.Sum256(content))}
	if !compress || len(content) < 1<<10 {
		return made, nil
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	// Writing to memory does not fail.
	_, _ = z.Write(content)
	_ = z.Close()
	if b.Len() < len(content) {
		made.gzip = b.Bytes()
	}
	return made, nil
}
