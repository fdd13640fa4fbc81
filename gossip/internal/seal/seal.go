// Package seal encrypts and authenticates datagrams with keys that all nodes
// of a cluster share, and changes these keys while packets are in flight.
//
// A sealed packet is
//
//	version (1 byte, 0x01) ‖ nonce (24 random bytes) ‖ ciphertext and tag (16 bytes)
//
// by XAES-256-GCM (https://c2sp.org/XAES-256-GCM): AES-256-GCM under a key that
// is derived from the first half of the nonce. Plain AES-GCM with random
// 96-bit nonces must not seal more than 2^32 packets with one key (NIST SP
// 800-38D section 8.3); a cluster of a hundred nodes sends that many in weeks,
// and its key is meant to last for years. With 192-bit nonces the bound is out
// of reach. The version byte is authenticated too.
//
// Packets have no counter: one that was recorded can be sent again. What is
// inside must bear being repeated, or carry a number of its own.
//
// Opening fails, with ErrRefused and nothing else, for whatever was not sealed
// with one of the keys. It allocates nothing before the packet is known to be
// long enough, and costs one AES-GCM pass for each key in force.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"sync/atomic"
)

const (
	version   = 0x01
	nonceSize = 24
	tagSize   = 16

	// Overhead is by how many bytes a sealed packet is longer than what is in
	// it.
	Overhead = 1 + nonceSize + tagSize
)

// ErrRefused: the packet was not sealed with any of the keys.
var ErrRefused = errors.New("the packet was not sealed with any of our keys")

// Ring holds the keys in force. All methods may be called concurrently.
type Ring struct {
	// Replaced as a whole, so that a packet is tried against one consistent
	// set of keys however the keys change meanwhile.
	keys atomic.Pointer[[]xaes]
}

// NewRing makes a ring of keys of 32 bytes. The first seals, all open.
func NewRing(keys [][]byte) (*Ring, error) {
	r := new(Ring)
	if err := r.Set(keys); err != nil {
		return nil, err
	}
	return r, nil
}

// Set replaces all keys. On an error they stay as they were.
func (r *Ring) Set(keys [][]byte) error {
	if len(keys) == 0 {
		return errors.New("set packet keys: no key given")
	}
	set := make([]xaes, len(keys))
	for i, k := range keys {
		x, err := newXAES(k)
		if err != nil {
			return fmt.Errorf("set packet key %d of %d: %w", i+1, len(keys), err)
		}
		set[i] = x
	}
	r.keys.Store(&set)
	return nil
}

// Seal appends the sealed plain to dst, which must not overlap with it.
func (r *Ring) Seal(dst, plain []byte) []byte {
	var nonce [nonceSize]byte
	// Never fails: see crypto/rand.Read.
	_, _ = rand.Read(nonce[:])
	dst = append(dst, version)
	dst = append(dst, nonce[:]...)
	return (*r.keys.Load())[0].derive(nonce[:12]).Seal(dst, nonce[12:], plain, []byte{version})
}

// Open appends what is in the sealed packet to dst, which must not overlap
// with it. Its only error is ErrRefused.
func (r *Ring) Open(dst, packet []byte) ([]byte, error) {
	if len(packet) < Overhead || packet[0] != version {
		return nil, ErrRefused
	}
	nonce, sealed := packet[1:1+nonceSize], packet[1+nonceSize:]
	for _, x := range *r.keys.Load() {
		if plain, err := x.derive(nonce[:12]).Open(dst, nonce[12:], sealed, []byte{version}); err == nil {
			return plain, nil
		}
	}
	return nil, ErrRefused
}

// xaes is one key, prepared as the specification says: the block cipher and
// the CMAC subkey K1.
type xaes struct {
	block cipher.Block
	k1    [aes.BlockSize]byte
}

func newXAES(key []byte) (xaes, error) {
	if len(key) != 32 {
		return xaes{}, fmt.Errorf("%d bytes long instead of 32", len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return xaes{}, fmt.Errorf("make block cipher: %w", err)
	}
	x := xaes{block: block}
	block.Encrypt(x.k1[:], x.k1[:])
	msb := byte(0)
	for i := len(x.k1) - 1; i >= 0; i-- {
		msb, x.k1[i] = x.k1[i]>>7, x.k1[i]<<1|msb
	}
	x.k1[len(x.k1)-1] ^= msb * 0b10000111
	return x, nil
}

// derive returns AES-256-GCM under the key that belongs to the first 12 bytes
// of a nonce: CMAC of two blocks of a counter, "X" and these bytes (NIST SP
// 800-108r1).
func (x xaes) derive(nonce []byte) cipher.AEAD {
	var key [2 * aes.BlockSize]byte
	for i := range 2 {
		b := key[i*aes.BlockSize : (i+1)*aes.BlockSize]
		copy(b, []byte{0, byte(i + 1), 'X', 0})
		copy(b[4:], nonce)
		for j := range b {
			b[j] ^= x.k1[j]
		}
		x.block.Encrypt(b, b)
	}
	block, err := aes.NewCipher(key[:])
	if err == nil {
		var aead cipher.AEAD
		if aead, err = cipher.NewGCM(block); err == nil {
			return aead
		}
	}
	// Both fail only for a key of a wrong length, and this one has 32 bytes.
	panic("seal: " + err.Error())
}
