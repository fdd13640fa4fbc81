package watch

import (
	"crypto/sha256"
	"time"
)

// stride is how much is read of a file before somebody who wants the goroutine is heard,
// in bytes: it takes some milliseconds, and whoever calls again and again does not keep a
// file from ever being read.
const stride = 1 << 20

// part is a file of which the beginning was read. What stands behind n is read later; if
// the file changes meanwhile its stamp does, and then it is another file.
type part struct {
	f     *file
	to    Copy
	n     int64     // bytes that were read
	began time.Time // when the first of them was
}

// goOn returns what was left of f, or a part without anything yet.
func (h *hasher) goOn(f *file) *part {
	if p := h.left; p != nil && p.f == f {
		h.left = nil
		return p
	}
	return &part{f: f, to: h.begin(f), began: time.Now()}
}

// leave keeps a part, for which others make room.
func (h *hasher) leave(p *part) {
	h.drop()
	h.left = p
	h.sum = sha256.New() // the other one may be the part's
}

// drop gives up what was left.
func (h *hasher) drop() {
	if h.left != nil {
		h.left.to.Discard()
		h.left = nil
	}
}

// first has the file that was left read before all others, so that there is never more
// than one; and gives it up when it is not one of the folder's any more.
func (h *hasher) first(todo []*file, there bool) {
	if h.left == nil {
		return
	}
	if !there {
		h.drop()
		return
	}
	for i, f := range todo {
		if f == h.left.f {
			copy(todo[1:i+1], todo[:i])
			todo[0] = f
			return
		}
	}
}
