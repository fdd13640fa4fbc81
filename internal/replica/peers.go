package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/omflow/booster/internal/release"
)

const (
	// Buckets is into how many parts a digest divides the paths.
	Buckets = 256
	// MaxBatch bounds the entries of one message.
	MaxBatch = 1000
)

// ErrNoFolder: a peer keeps no folder alike.
var ErrNoFolder = errors.New("it keeps no folder alike")

// Peers reaches the other nodes that keep the folder. All methods may be called
// concurrently. Errors of Push and Digest match ErrNoFolder where the peer keeps none.
type Peers interface {
	// Alive names those that can be reached now. It must not wait.
	Alive() []string
	// Push tells a peer entries, at most MaxBatch.
	Push(ctx context.Context, peer string, entries []Entry) error
	// Digest asks a peer what it knows in short.
	Digest(ctx context.Context, peer string) (Digest, error)
	// Entries asks a peer for a page of what it knows.
	Entries(ctx context.Context, peer string, p Page) (Entries, error)
	// Fetch asks a peer for a file's content. The reader ends when ctx does.
	Fetch(ctx context.Context, peer string, b Blob) (io.ReadCloser, error)
}

// Digest is what a node knows in short.
type Digest struct {
	// Buckets has for each part of the paths a sum of their entries; where two
	// nodes' differ, so do their entries.
	Buckets [Buckets]uint64 `json:"buckets"`
	// Since is when the node began to keep its index.
	Since time.Time `json:"since"`
	// Away tells that the node was away for longer than deletions are remembered
	// and has not met a node since that knows them.
	Away bool `json:"away,omitempty"`
}

// Page names a part of what a node knows: the entries of a bucket in the order of
// their paths, from the first one behind After on.
type Page struct {
	Bucket int    `json:"bucket"`
	After  string `json:"after"`
}

// Validate refuses what names no page.
func (p Page) Validate() error {
	if p.Bucket < 0 || p.Bucket >= Buckets {
		return fmt.Errorf("bucket %d of %d", p.Bucket, Buckets)
	}
	if len(p.After) > release.MaxPath {
		return fmt.Errorf("path of %d bytes is longer than %d", len(p.After), release.MaxPath)
	}
	return nil
}

// Entries is one page: at most MaxBatch entries, sorted by path.
type Entries struct {
	Entries []Entry `json:"entries"`
	// More tells that there is another page.
	More bool `json:"more,omitempty"`
}

// Blob names a file's content on a node that has it.
type Blob struct {
	Path   string       `json:"path"`
	Size   int64        `json:"size"`
	SHA256 release.Hash `json:"sha256"`
}

// Validate refuses what names no content.
func (b Blob) Validate() error {
	if err := release.CheckPath(b.Path); err != nil {
		return err
	}
	if b.Size < 0 || b.SHA256.IsZero() {
		return fmt.Errorf("path %q: no size or no hash", b.Path)
	}
	return nil
}

var (
	// ErrNotHere: this node does not have that content.
	ErrNotHere = errors.New("that content is not here")
	// ErrNotReady: this node has not yet looked what its own folder holds, so that
	// what it does not know means nothing.
	ErrNotReady = errors.New("the folder has not been looked at yet")
)
