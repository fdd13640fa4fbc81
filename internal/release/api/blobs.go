package api

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"time"

	"github.com/omflow/booster/internal/release"
)

const (
	// MaxStreams is how many others an agent serves blobs to at a time.
	MaxStreams = 4
	// StallTime is how long a stream may stand still.
	StallTime = 30 * time.Second

	// streamBuffer is between the disk and the connection, in bytes.
	streamBuffer = 256 << 10
	// readBuffer is between the connection and who stores the blobs, in bytes: a record
	// of TLS, of which a Read gives no more than one. What is read in larger pieces is
	// not copied to it.
	readBuffer = 16 << 10
	// maxNames bounds a question for blobs, in bytes: MaxBlobs hashes in quotes.
	maxNames = MaxBlobs*(64+3) + 16
)

// blobHead is before each blob of a stream.
type blobHead struct {
	Hash release.Hash
	Size uint64
}

// names is a question for blobs.
type names []release.Hash

// Validate refuses what no node asks for.
func (n names) Validate() error {
	if len(n) > MaxBlobs {
		return fmt.Errorf("%d blobs, more than %d", len(n), MaxBlobs)
	}
	for _, h := range n {
		if h.IsZero() {
			return errors.New("a blob without a hash")
		}
	}
	return nil
}

// sendBlobs writes what open has of the wanted blobs. A connection that takes nothing
// for StallTime is given up.
func sendBlobs(w http.ResponseWriter, want names, open func(release.Hash) (fs.File, error)) error {
	rc := http.NewResponseController(w)
	defer func() { _ = rc.SetWriteDeadline(time.Time{}) }() // the connection is kept
	out := bufio.NewWriterSize(deadlineWriter{w, rc}, streamBuffer)
	for _, h := range want {
		if err := sendBlob(out, h, open); err != nil {
			return err
		}
	}
	if err := binary.Write(out, binary.BigEndian, blobHead{}); err != nil {
		return err
	}
	return out.Flush()
}

func sendBlob(out *bufio.Writer, h release.Hash, open func(release.Hash) (fs.File, error)) error {
	f, err := open(h)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	if err := binary.Write(out, binary.BigEndian, blobHead{h, uint64(size)}); err != nil {
		return err
	}
	n, err := io.Copy(out, io.LimitReader(f, size))
	if err != nil {
		return err
	}
	if n != size {
		return fmt.Errorf("blob %s has %d bytes, not %d", h, n, size)
	}
	return nil
}

// deadlineWriter gives each write StallTime.
type deadlineWriter struct {
	w  io.Writer
	rc *http.ResponseController
}

// Write implements io.Writer.
func (d deadlineWriter) Write(b []byte) (int, error) {
	if err := d.rc.SetWriteDeadline(time.Now().Add(StallTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return d.w.Write(b)
}

// readBlobs hands the blobs of a stream to put. sizes has what was asked for; what
// came is removed from it.
func readBlobs(r io.Reader, sizes map[release.Hash]int64, put func(io.Reader, release.Hash, int64) error) error {
	in := bufio.NewReaderSize(r, readBuffer)
	for {
		var head blobHead
		if err := binary.Read(in, binary.BigEndian, &head); err != nil {
			return fmt.Errorf("read the next blob's name: %w", unexpected(err))
		}
		if head.Hash.IsZero() {
			return nil
		}
		size, asked := sizes[head.Hash]
		if !asked {
			return fmt.Errorf("blob %s was not asked for, or came twice", head.Hash)
		}
		if head.Size != uint64(size) {
			return fmt.Errorf("blob %s has %d bytes, not %d", head.Hash, head.Size, size)
		}
		delete(sizes, head.Hash)
		content := io.LimitReader(in, size)
		if err := put(content, head.Hash, size); err != nil {
			return err
		}
		// A blob that is there already was not read.
		if _, err := io.Copy(io.Discard, content); err != nil {
			return fmt.Errorf("read blob %s: %w", head.Hash, err)
		}
	}
}

// stallReader has stalled called when a read waits for StallTime. The time between
// reads does not count.
type stallReader struct {
	r     io.Reader
	timer *time.Timer
}

func newStallReader(r io.Reader, stalled func()) *stallReader {
	t := time.AfterFunc(StallTime, stalled)
	t.Stop()
	return &stallReader{r, t}
}

// Read implements io.Reader.
func (s *stallReader) Read(b []byte) (int, error) {
	s.timer.Reset(StallTime)
	defer s.timer.Stop()
	return s.r.Read(b)
}
