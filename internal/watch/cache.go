package watch

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// The cache file is the magic line, for each file its path (length, bytes), size,
// mtime, ctime and inode (varints), the executable bit (0 or 1) and the hash,
// and at the end the SHA-256 of all before. It is read only as a whole: whatever
// is wrong with it, everything is hashed anew.
const cacheMagic = "omflow watch cache 1\n"

// maxCacheFile bounds the file in bytes; 200,000 paths of 1 kB fit.
const maxCacheFile = 256 << 20

// cached is a hash and the stamp under which it holds.
type cached struct {
	stamp stamp
	sum   [32]byte
}

var errCache = errors.New("is damaged")

func encodeCache(files []*file) []byte {
	b := []byte(cacheMagic)
	for _, f := range files {
		if !f.hashed || f.ahead || !f.recheck.IsZero() { // it is looked at after a restart too
			continue
		}
		b = binary.AppendUvarint(b, uint64(len(f.path)))
		b = append(b, f.path...)
		b = binary.AppendVarint(b, f.stamp.size)
		b = binary.AppendVarint(b, f.stamp.mtime)
		b = binary.AppendVarint(b, f.stamp.ctime)
		b = binary.AppendUvarint(b, f.stamp.ino)
		exec := byte(0)
		if f.stamp.exec {
			exec = 1
		}
		b = append(b, exec)
		b = append(b, f.sum[:]...)
	}
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

func decodeCache(data []byte) (map[string]cached, error) {
	rest, ok := bytes.CutPrefix(data, []byte(cacheMagic))
	if !ok || len(rest) < sha256.Size {
		return nil, errCache
	}
	rest = rest[:len(rest)-sha256.Size]
	if sum := sha256.Sum256(data[:len(data)-sha256.Size]); !bytes.Equal(sum[:], data[len(data)-sha256.Size:]) {
		return nil, errCache
	}
	entries := make(map[string]cached)
	r := cacheReader{rest: rest}
	for len(r.rest) > 0 && !r.bad {
		var c cached
		path := string(r.take(r.uvarint()))
		c.stamp.size, c.stamp.mtime, c.stamp.ctime, c.stamp.ino = r.varint(), r.varint(), r.varint(), r.uvarint()
		flag := r.take(1)
		copy(c.sum[:], r.take(sha256.Size))
		if r.bad || flag[0] > 1 || path == "" || strings.ContainsRune(path, 0) {
			return nil, errCache
		}
		c.stamp.exec = flag[0] == 1
		entries[path] = c
	}
	return entries, nil
}

// cacheReader takes values from the front of rest; bad once something was missing.
type cacheReader struct {
	rest []byte
	bad  bool
}

func (r *cacheReader) take(n uint64) []byte {
	if r.bad || n > uint64(len(r.rest)) {
		r.bad = true
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *cacheReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	r.skip(n)
	return v
}

func (r *cacheReader) varint() int64 {
	v, n := binary.Varint(r.rest)
	r.skip(n)
	return v
}

func (r *cacheReader) skip(n int) {
	if n <= 0 {
		r.bad = true
		return
	}
	r.take(uint64(n))
}

// loadCache reads the cache file; without one there is nothing in it.
func loadCache(path string) (map[string]cached, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("load hashes: %w", err)
	}
	if info.Size() > maxCacheFile || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("load hashes: %s %w", path, errCache)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("load hashes: %w", err)
	}
	entries, err := decodeCache(data)
	if err != nil {
		return nil, fmt.Errorf("load hashes: %s %w", path, err)
	}
	return entries, nil
}

// saveCache replaces the cache file. It is not synced: one that a power failure
// damaged is found out by its hash.
func saveCache(path string, files []*file) error {
	if err := replaceFile(path, encodeCache(files)); err != nil {
		return fmt.Errorf("save hashes: %w", err)
	}
	return nil
}

// replaceFile replaces a file as a whole.
func replaceFile(path string, b []byte) error {
	tmp := path + ".tmp" // one name, so that a crash leaves no more than one
	err := os.WriteFile(tmp, b, 0o600)
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		os.Remove(tmp)
	}
	return err
}
