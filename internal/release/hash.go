package release

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Hash is the SHA-256 of a file's content, or of a manifest's encoding. The
// zero Hash means none.
type Hash [sha256.Size]byte

// ParseHash reads 64 lower-case hexadecimal digits.
func ParseHash(s string) (Hash, error) {
	var h Hash
	if len(s) != hex.EncodedLen(len(h)) {
		return Hash{}, fmt.Errorf("parse hash: %d characters, not %d", len(s), hex.EncodedLen(len(h)))
	}
	if _, err := hex.Decode(h[:], []byte(s)); err != nil {
		return Hash{}, fmt.Errorf("parse hash: %w", err)
	}
	if h.String() != s {
		return Hash{}, fmt.Errorf("parse hash %q: upper-case digits", s)
	}
	return h, nil
}

// String returns 64 lower-case hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// IsZero reports whether h names nothing.
func (h Hash) IsZero() bool { return h == Hash{} }

// Compare orders hashes by their bytes.
func (h Hash) Compare(o Hash) int { return bytes.Compare(h[:], o[:]) }

// MarshalText implements encoding.TextMarshaler.
func (h Hash) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hash) UnmarshalText(b []byte) (err error) {
	*h, err = ParseHash(string(b))
	return err
}

// Ref names one release beyond doubt: two boosters that were cut off from each
// other may have given the same number to two of them.
type Ref struct {
	Number uint64 `json:"number"`
	Hash   Hash   `json:"hash"` // of the manifest's encoding
}

// IsZero reports whether r names no release, as the first one's parent does.
func (r Ref) IsZero() bool { return r == Ref{} }

// String returns the number and the hash's first digits, for people.
func (r Ref) String() string {
	if r.IsZero() {
		return "none"
	}
	return fmt.Sprintf("%d-%x", r.Number, r.Hash[:6])
}
