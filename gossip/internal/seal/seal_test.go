package seal

import (
	"bytes"
	"encoding/hex"
	"errors"
	"sync"
	"testing"
)

// The vectors of https://c2sp.org/XAES-256-GCM.
func TestVectors(t *testing.T) {
	for _, c := range []struct {
		key  byte
		aad  string
		want string
	}{
		{1, "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"},
		{3, "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"},
	} {
		x, err := newXAES(bytes.Repeat([]byte{c.key}, 32))
		if err != nil {
			t.Fatal(err)
		}
		nonce := []byte("ABCDEFGHIJKLMNOPQRSTUVWX")
		got := x.derive(nonce[:12]).Seal(nil, nonce[12:], []byte("XAES-256-GCM"), []byte(c.aad))
		if hex.EncodeToString(got) != c.want {
			t.Errorf("key of %d: %x, want %s", c.key, got, c.want)
		}
	}
}

func key(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

func ring(t testing.TB, keys ...[]byte) *Ring {
	t.Helper()
	r, err := NewRing(keys)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRoundTrip(t *testing.T) {
	r := ring(t, key(1))
	for _, plain := range [][]byte{{}, {0}, bytes.Repeat([]byte("x"), 1400)} {
		sealed := r.Seal([]byte("head"), plain)
		if string(sealed[:4]) != "head" || len(sealed) != 4+len(plain)+Overhead {
			t.Fatalf("%d bytes were sealed to %d", len(plain), len(sealed)-4)
		}
		got, err := r.Open([]byte("h"), sealed[4:])
		if err != nil || !bytes.Equal(got[1:], plain) {
			t.Fatalf("opened %q, %v", got, err)
		}
		if bytes.Equal(sealed, r.Seal([]byte("head"), plain)) {
			t.Fatal("a nonce was used twice")
		}
	}
}

func TestEveryByteIsAuthenticated(t *testing.T) {
	r := ring(t, key(1))
	sealed := r.Seal(nil, []byte("hello"))
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := r.Open(nil, bad); !errors.Is(err, ErrRefused) {
			t.Errorf("byte %d changed: %v", i, err)
		}
		if _, err := r.Open(nil, sealed[:i]); !errors.Is(err, ErrRefused) {
			t.Errorf("cut to %d bytes: %v", i, err)
		}
	}
}

func TestKeys(t *testing.T) {
	a, b := ring(t, key(1)), ring(t, key(2), key(1))
	if _, err := b.Open(nil, a.Seal(nil, []byte("x"))); err != nil {
		t.Error("a packet under the second key is refused")
	}
	if _, err := a.Open(nil, b.Seal(nil, []byte("x"))); err == nil {
		t.Error("a packet under an unknown key is accepted")
	}
	if err := b.Set([][]byte{key(2)}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Open(nil, a.Seal(nil, []byte("x"))); err == nil {
		t.Error("a packet under a removed key is accepted")
	}
	for _, bad := range [][][]byte{nil, {key(1)[:16]}, {key(1), nil}} {
		if err := b.Set(bad); err == nil {
			t.Errorf("keys %x are accepted", bad)
		}
	}
	if _, err := b.Open(nil, ring(t, key(2)).Seal(nil, nil)); err != nil {
		t.Error("a failed Set has changed the keys")
	}
}

// A packet sealed with a key that stays in force is never refused while other
// keys come and go.
func TestRotationUnderTraffic(t *testing.T) {
	r, sender := ring(t, key(1), key(2), key(3)), ring(t, key(3))
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range 2000 {
				if _, err := r.Open(nil, sender.Seal(nil, []byte("x"))); err != nil {
					t.Error("refused during a rotation")
					return
				}
			}
		})
	}
	for range 500 {
		for _, keys := range [][][]byte{{key(1), key(3)}, {key(3), key(2)}, {key(1), key(2), key(3)}} {
			if err := r.Set(keys); err != nil {
				t.Error(err)
			}
		}
	}
	wg.Wait()
}

func FuzzOpen(f *testing.F) {
	r := ring(f, key(1))
	f.Add([]byte{})
	f.Add([]byte{version})
	f.Add(ring(f, key(2)).Seal(nil, []byte("another key")))
	f.Fuzz(func(t *testing.T, b []byte) {
		if plain, err := r.Open(nil, b); err == nil {
			t.Fatalf("%x opens to %x", b, plain)
		}
	})
}

func BenchmarkSealOpen(b *testing.B) {
	r := ring(b, key(1))
	plain := make([]byte, 400)
	for b.Loop() {
		if _, err := r.Open(nil, r.Seal(nil, plain)); err != nil {
			b.Fatal(err)
		}
	}
}
