package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"github.com/caddyserver/certmagic"
)

// Certificates returns the place where the certificate library keeps its
// accounts, keys and certificates: folders and files, as it sees them. Its
// locks are held against users of the same value in this process, so ask for
// it once.
func (s *Store) Certificates() certmagic.Storage {
	return &certificates{db: s.db, seal: s.seal, locks: map[string]chan struct{}{}}
}

type certificates struct {
	db   *sql.DB
	seal seal

	mu    sync.Mutex // guards locks
	locks map[string]chan struct{}
}

// Store keeps value under key, all of it or nothing.
func (c *certificates) Store(ctx context.Context, key string, value []byte) error {
	_, err := c.db.ExecContext(ctx, `INSERT INTO certificates (key, value, modified) VALUES (?1, ?2, ?3)
		ON CONFLICT (key) DO UPDATE SET value = ?2, modified = ?3`, key, c.seal.close(value, certificatePlace("", key)...), now())
	return wrap("store", key, err)
}

// Load returns what is kept under key.
func (c *certificates) Load(ctx context.Context, key string) ([]byte, error) {
	var sealed []byte
	err := c.db.QueryRowContext(ctx, `SELECT value FROM certificates WHERE key = ?`, key).Scan(&sealed)
	if err != nil {
		return nil, wrap("load", key, err)
	}
	value, err := c.seal.open(sealed, certificatePlace("", key)...)
	return value, wrap("load", key, err)
}

// Delete removes the file key, or the folder key with all that is in it.
func (c *certificates) Delete(ctx context.Context, key string) error {
	from, to := inside(key)
	_, err := c.db.ExecContext(ctx, `DELETE FROM certificates WHERE key = ? OR key >= ? AND key < ?`, key, from, to)
	return wrap("delete", key, err)
}

// Exists tells whether key is a file or a folder.
func (c *certificates) Exists(ctx context.Context, key string) bool {
	_, err := c.Stat(ctx, key)
	return err == nil
}

// List returns the files and folders in the folder dir, by name; if recursive,
// those in its folders too.
func (c *certificates) List(ctx context.Context, dir string, recursive bool) ([]string, error) {
	from, to := inside(dir)
	if dir == "" {
		from, to = "", "\U0010ffff"
	}
	rows, err := c.db.QueryContext(ctx, `SELECT key FROM certificates WHERE key >= ? AND key < ? ORDER BY key`, from, to)
	if err != nil {
		return nil, wrap("list", dir, err)
	}
	defer rows.Close()
	var keys []string
	seen := map[string]bool{}
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			return nil, wrap("list", dir, err)
		}
		for _, entry := range entries(from, key, recursive) {
			if !seen[entry] {
				seen[entry] = true
				keys = append(keys, entry)
			}
		}
	}
	if err := rows.Err(); err != nil {
		return nil, wrap("list", dir, err)
	}
	if len(keys) == 0 && dir != "" && !c.Exists(ctx, dir) {
		return nil, wrap("list", dir, fs.ErrNotExist)
	}
	return keys, nil
}

// Stat describes the file or folder key.
func (c *certificates) Stat(ctx context.Context, key string) (certmagic.KeyInfo, error) {
	info := certmagic.KeyInfo{Key: key}
	var modified string
	from, to := inside(key)
	err := c.db.QueryRowContext(ctx, `SELECT key = ?1, length(value), modified FROM certificates
		WHERE key = ?1 OR key >= ?2 AND key < ?3 ORDER BY key = ?1 DESC LIMIT 1`, key, from, to).
		Scan(&info.IsTerminal, &info.Size, &modified)
	if err != nil {
		return certmagic.KeyInfo{}, wrap("stat", key, err)
	}
	if !info.IsTerminal {
		info.Size = 0
		return info, nil
	}
	info.Size -= sealOverhead
	info.Modified, err = parseTime(modified)
	return info, wrap("stat", key, err)
}

// Lock waits until it holds the lock called name, or ctx is done.
func (c *certificates) Lock(ctx context.Context, name string) error {
	for {
		if err := ctx.Err(); err != nil {
			return wrap("lock", name, err)
		}
		c.mu.Lock()
		held, taken := c.locks[name]
		if !taken {
			c.locks[name] = make(chan struct{})
		}
		c.mu.Unlock()
		if !taken {
			return nil
		}
		select {
		case <-held:
		case <-ctx.Done():
		}
	}
}

// Unlock gives back a lock.
func (c *certificates) Unlock(_ context.Context, name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	held, taken := c.locks[name]
	if !taken {
		return wrap("unlock", name, errors.New("not locked"))
	}
	delete(c.locks, name)
	close(held)
	return nil
}

// inside returns the range of the keys in the folder dir: "0" comes after "/".
func inside(dir string) (from, to string) {
	dir = strings.TrimSuffix(dir, "/")
	return dir + "/", dir + "0"
}

// entries returns the folders between a listed folder and key, and key itself;
// only the first of them unless recursive.
func entries(folder, key string, recursive bool) (entries []string) {
	for at := len(folder); ; at++ {
		slash := strings.IndexByte(key[at:], '/')
		if slash < 0 {
			return append(entries, key)
		}
		at += slash
		entries = append(entries, key[:at])
		if !recursive {
			return entries
		}
	}
}

// wrap names what was being done, and makes no rows what the library knows as
// a missing key.
func wrap(verb, key string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, sql.ErrNoRows) {
		err = fs.ErrNotExist
	}
	return fmt.Errorf("%s certificate data %s: %w", verb, key, err)
}
