package api

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/omflow/booster/internal/release"
)

const (
	// maxMessage bounds every message that is no manifest and no blob, in bytes.
	maxMessage = 256 << 10
	// maxAtOnce bounds the manifests that are held at once of one stream, in bytes of
	// their encodings.
	maxAtOnce = 2 * release.MaxManifest
)

// isDelta marks the length of a manifest that travels as what differs from its parent. A
// node that knows no deltas takes it for a manifest that is too long.
const isDelta = 1 << 31

// writeManifest writes one manifest of a stream, as what differs from its parent if that
// may be and is known, and returns how long it is.
func writeManifest(w io.Writer, m *release.Manifest, delta bool) (int, error) {
	var b []byte
	if delta {
		b = m.Delta()
	}
	length := uint32(len(b)) | isDelta
	if b == nil {
		var err error
		if b, err = m.Encode(); err != nil {
			return 0, err
		}
		length = uint32(len(b))
	}
	if err := binary.Write(w, binary.BigEndian, length); err != nil {
		return 0, err
	}
	n, err := w.Write(b)
	return n, err
}

// writeEnd ends a stream of manifests.
func writeEnd(w io.Writer) error { return binary.Write(w, binary.BigEndian, uint32(0)) }

func writeChain(w io.Writer, chain []*release.Manifest, delta bool) error {
	for _, m := range chain {
		if _, err := writeManifest(w, m, delta); err != nil {
			return err
		}
	}
	return writeEnd(w)
}

// readManifest reads the next manifest of a stream, of at most most bytes, and says how
// long it is when it is whole. At the stream's end it returns nil. Without a parent it takes
// no deltas.
func readManifest(r io.Reader, most int, on parent) (m *release.Manifest, size int, err error) {
	var length uint32
	if err := binary.Read(r, binary.BigEndian, &length); err != nil {
		return nil, 0, fmt.Errorf("read the next release's length: %w", unexpected(err))
	}
	if length == 0 {
		return nil, 0, nil
	}
	delta := on != nil && length&isDelta != 0
	if delta {
		length &^= isDelta
	}
	if int64(length) > int64(min(most, release.MaxManifest)) {
		return nil, 0, fmt.Errorf("read release: %d bytes are more than are taken", length)
	}
	// The room grows with what really comes.
	b, err := io.ReadAll(io.LimitReader(r, int64(length)))
	if err != nil {
		return nil, 0, fmt.Errorf("read release: %w", err)
	}
	if len(b) != int(length) {
		return nil, 0, fmt.Errorf("read release: %w", io.ErrUnexpectedEOF)
	}
	if !delta {
		m, err = release.Decode(b)
		return m, len(b), err
	}
	if m, err = release.DecodeDelta(b, on); err != nil {
		return nil, 0, fmt.Errorf("read release: %w", err)
	}
	if size = m.Size(); size > most {
		return nil, 0, fmt.Errorf("read release: %d bytes are more than are taken", size)
	}
	return m, size, nil
}

// readChain reads a stream of at most most manifests. They are not compared with
// each other.
func readChain(r io.Reader, most int, on parent) ([]*release.Manifest, error) {
	var chain []*release.Manifest
	for total := 0; ; {
		m, size, err := readManifest(r, maxAtOnce-total, on.or(chain))
		if err != nil || m == nil {
			return chain, err
		}
		if len(chain) == most {
			return nil, fmt.Errorf("read releases: more than %d", most)
		}
		chain, total = append(chain, m), total+size
	}
}

// writeLine writes the line of JSON that goes before manifests.
func writeLine(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// readLine reads and checks what writeLine wrote.
func readLine[T validated](r *bufio.Reader, v *T) error {
	b, err := r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return fmt.Errorf("a line of more than %d bytes", r.Size())
	}
	if err != nil {
		return fmt.Errorf("read a line: %w", unexpected(err))
	}
	if err := json.Unmarshal(b, v); err != nil {
		return err
	}
	return (*v).Validate()
}

// validated is a message that can say what is wrong with it.
type validated interface{ Validate() error }

// readProposal reads what Client.Propose sends.
func readProposal(r io.Reader, on parent) (p Proposal, err error) {
	br := bufio.NewReaderSize(r, 4<<10)
	if err := readLine(br, &p); err != nil {
		return Proposal{}, fmt.Errorf("read proposal: %w", err)
	}
	if !p.Delta {
		p.Manifest, err = release.ReadManifest(br)
	} else if b, rerr := io.ReadAll(io.LimitReader(br, release.MaxManifest+1)); rerr != nil {
		err = rerr
	} else {
		p.Manifest, err = release.DecodeDelta(b, on)
	}
	if err != nil {
		return Proposal{}, fmt.Errorf("read proposal: %w", err)
	}
	p.Delta = false
	return p, nil
}

// readUpdate reads what Client.Follow sends.
func readUpdate(r io.Reader, on parent) (u Update, err error) {
	br := bufio.NewReaderSize(r, maxMessage)
	if err := readLine(br, &u); err != nil {
		return Update{}, fmt.Errorf("read update: %w", err)
	}
	if u.Chain, err = readChain(br, MaxUpdate, on); err != nil {
		return Update{}, fmt.Errorf("read update: %w", err)
	}
	return u, nil
}

// unexpected is err for a stream that ended where it must not.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
