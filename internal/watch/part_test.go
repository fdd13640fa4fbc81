package watch

import (
	"bytes"
	"crypto/sha256"
	"hash"
	"os"
	"sync/atomic"
	"testing"
	"time"
)

// counted is a Copy that tells how it ended.
type counted struct {
	hash.Hash
	kept, discarded *atomic.Int32
}

func (c counted) Keep() (sum [32]byte) { c.kept.Add(1); c.Sum(sum[:0]); return sum }
func (c counted) Discard()             { c.discarded.Add(1) }

// TestStreamOfCalls: a large file is hashed though somebody calls all the time.
func TestStreamOfCalls(t *testing.T) {
	f := newFolder(t)
	f.write("m", "1")
	f.watch(Config{MaxSettle: 4 * testSettle})
	f.accept()
	content := bytes.Repeat([]byte("0123456789abcdef"), 2*stride/16)
	content = append(content, bytes.Repeat([]byte("z"), 6*stride)...)
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				f.w.do(func() {})
			}
		}
	}()
	defer func() { close(stop); <-done }()
	f.write("large", string(content))
	c := f.take()
	for c.String() != "+large" {
		c = f.take()
	}
	if !contentOf(c.Tree, "large", string(content)) {
		t.Error("another content was found")
	}
}

// TestPart: a reading goes on where it was left off, and what has changed meanwhile is
// read anew.
func TestPart(t *testing.T) {
	f := newFolder(t)
	content := bytes.Repeat([]byte("x"), 5*stride+1)
	f.write("a", "small")
	f.write("large", string(content))
	var kept, discarded atomic.Int32
	w, err := newWatcher(f.config(Config{Copy: func(int64) Copy { return counted{sha256.New(), &kept, &discarded} }}), nil)
	f.must(err)
	w.hasher.interrupt = func() bool { return true } // all the time
	look := func() *os.Root {
		w.rescanAt = time.Time{}
		root, err := w.look(time.Now())
		f.must(err)
		t.Cleanup(func() { root.Close() })
		return root
	}
	read := func(root *os.Root) (passes int) {
		w.hasher.copies = w.copyOf
		for passes = 1; passes < 20; passes++ {
			if r := w.read(root, time.Now(), pass{all: true}); !r.stopped {
				return passes
			}
		}
		t.Fatal("it does not end")
		return 0
	}
	root := look()
	// One pass for each file and stride, and none of them twice.
	if n := read(root); n > 8 {
		t.Errorf("%d passes", n)
	}
	tree := w.survey.tree(nil, w.rules, func(string) bool { return true })
	if !contentOf(tree, "large", string(content)) || !contentOf(tree, "a", "small") {
		t.Errorf("the tree is %v", tree)
	}
	if kept.Load() != 2 || discarded.Load() != 0 {
		t.Errorf("%d copies kept, %d discarded", kept.Load(), discarded.Load())
	}

	// It changes in the middle of the reading.
	content[0] = 'y'
	f.write("large", string(content))
	root = look()
	w.hasher.copies = w.copyOf
	for range 2 { // the other file may have to be read once more, too
		w.read(root, time.Now(), pass{all: true})
	}
	if w.hasher.left == nil {
		t.Fatal("nothing was left off")
	}
	content = append(content, 'z')
	content[1] = 'z'
	f.write("large", string(content))
	f.write("0", "is read before it")
	root = look()
	read(root)
	tree = w.survey.tree(nil, w.rules, func(string) bool { return true })
	if !contentOf(tree, "large", string(content)) {
		t.Error("another content was found")
	}
	if discarded.Load() != 1 || w.hasher.left != nil {
		t.Errorf("%d copies discarded, left %v", discarded.Load(), w.hasher.left)
	}
}
