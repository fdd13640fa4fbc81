package trust

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
)

// Label returns a short text by which nodes of a cluster find out whether they have the
// same secret, without telling it: 4 hexadecimal digits that say which cluster key is
// the first, a hyphen, and 16 that are the same for the same use and secret. Two labels
// with different first parts say nothing of each other; the nodes are in the middle of a
// change of the cluster key. Who has the cluster key can test guesses at the secret, so
// it must be one that can't be guessed. Of no keys at all there is none, "".
func (k Keys) Label(use string, secret []byte) string {
	if len(k.set) == 0 {
		return ""
	}
	key := k.set[0].label
	piece := func(parts ...[]byte) []byte {
		mac := hmac.New(sha256.New, key)
		for _, part := range parts {
			mac.Write(part)
		}
		return mac.Sum(nil)
	}
	// A zero byte ends the use, which holds none: no other use and secret come to the
	// same bytes.
	return hex.EncodeToString(piece([]byte("key"))[:2]) + "-" + hex.EncodeToString(piece([]byte(use), []byte{0}, secret)[:8])
}
