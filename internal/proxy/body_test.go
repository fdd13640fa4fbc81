package proxy

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
)

// pattern is n bytes in which no block of a buffer's size looks like the next.
func pattern(n int) []byte {
	const prime = 251
	block := make([]byte, prime)
	for i := range block {
		block[i] = byte(i)
	}
	return bytes.Repeat(block, n/prime+1)[:n]
}

func TestReadBody(t *testing.T) {
	tests := []struct {
		name          string
		size          int
		length, limit int64 // length 0: as it is
		file          bool
	}{
		{"a byte", 1, 0, 0, false},
		{"small", 1000, 0, 0, false},
		{"small, unknown length", 1000, -1, 0, false},
		{"first buffer", firstBuffer, -1, 0, false},
		{"at the limit", 1000, 0, 1000, false},
		{"at the limit, unknown length", 1000, -1, 1000, false},
		{"one megabyte", bodyInMemory, 0, 0, false},
		{"one megabyte, unknown length", bodyInMemory, -1, 0, false},
		{"past one megabyte", bodyInMemory + 1, 0, 0, true},
		{"past one megabyte, unknown length", bodyInMemory + 1, -1, 0, true},
		{"large", 5<<20 + 3, 0, 0, true},
		{"large, at the limit", 5<<20 + 3, -1, 5<<20 + 3, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			folder := t.TempDir()
			budget := &budget{most: allBodies}
			want := pattern(test.size)
			if test.length == 0 {
				test.length = int64(test.size)
			}
			b, err := readBody(iotest.HalfReader(bytes.NewReader(want)), test.length, test.limit, folder, budget)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // it can be sent again
				got, err := io.ReadAll(b.Reader())
				if err != nil || !bytes.Equal(got, want) {
					t.Fatalf("read %d bytes, %v, want %d", len(got), err, len(want))
				}
			}
			if look, err := b.Look(10); err != nil || !bytes.Equal(look, want[:min(10, test.size)]) {
				t.Errorf("the beginning is %x, %v", look, err)
			}
			if look, err := b.Look(1 << 30); err != nil || !bytes.Equal(look, want) {
				t.Errorf("the whole is %d bytes, %v", len(look), err)
			}
			held := budget.used.Load()
			if (b.file != nil) != test.file || test.file != (held == 0) || held > 2*int64(max(test.size, firstBuffer))+1 {
				t.Errorf("in a file: %t, %d bytes of memory held", b.file != nil, held)
			}
			if b.Size() != int64(test.size) {
				t.Errorf("size %d", b.Size())
			}
			b.Close()
			b.Close()
			if held := budget.used.Load(); held != 0 {
				t.Errorf("%d bytes still held after Close", held)
			}
			empty(t, folder)
		})
	}
}

func empty(t *testing.T, folder string) {
	t.Helper()
	if files, err := os.ReadDir(folder); err != nil || len(files) > 0 {
		t.Errorf("the folder has %v, %v", files, err)
	}
}

func TestEmptyBody(t *testing.T) {
	for _, length := range []int64{0, -1} {
		b, err := ReadBody(strings.NewReader(""), length, 10, t.TempDir())
		if b != nil || err != nil {
			t.Errorf("length %d: %v, %v", length, b, err)
		}
	}
	if b, err := ReadBody(nil, -1, 0, ""); b != nil || err != nil {
		t.Errorf("no reader: %v, %v", b, err)
	}
	var b *Body
	b.Close()
	if look, err := b.Look(5); b.Size() != 0 || len(look) != 0 || err != nil {
		t.Error("a nil body is not empty")
	}
	if all, err := io.ReadAll(b.Reader()); len(all) != 0 || err != nil {
		t.Error("a nil body is not empty")
	}
}

type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

func TestRefusedBodies(t *testing.T) {
	broken := errors.New("the client went away")
	folder := t.TempDir()
	budget := &budget{most: allBodies}
	tests := []struct {
		name          string
		r             io.Reader
		length, limit int64
		want          error
	}{
		{"announced too large", unread{t}, 11, 10, ErrBodyTooLarge},
		{"too large", bytes.NewReader(pattern(11)), -1, 10, ErrBodyTooLarge},
		{"too large for a file", bytes.NewReader(pattern(3 << 20)), -1, 2 << 20, ErrBodyTooLarge},
		{"short", bytes.NewReader(pattern(9)), 10, 0, io.ErrUnexpectedEOF},
		{"short, in a file", bytes.NewReader(pattern(2 << 20)), 3 << 20, 0, io.ErrUnexpectedEOF},
		{"nothing of what was announced", strings.NewReader(""), 10, 0, io.ErrUnexpectedEOF},
		{"broken", io.MultiReader(bytes.NewReader(pattern(5)), iotest.ErrReader(broken)), -1, 0, broken},
		{"broken, in a file", io.MultiReader(bytes.NewReader(pattern(2<<20)), iotest.ErrReader(broken)), -1, 0, broken},
		{"silent", silent{}, -1, 0, io.ErrNoProgress},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b, err := readBody(test.r, test.length, test.limit, folder, budget)
			if b != nil || !errors.Is(err, test.want) || errors.Is(err, ErrBodyFile) {
				t.Errorf("%v, %v, want %v", b, err, test.want)
			}
			if held := budget.used.Load(); held != 0 {
				t.Errorf("%d bytes still held", held)
			}
			empty(t, folder)
		})
	}
}

type silent struct{}

func (silent) Read([]byte) (int, error) { return 0, nil }

func TestBodyIsNotReadPastItsLength(t *testing.T) {
	r := strings.NewReader("hello, this is the next request")
	b, err := ReadBody(r, 5, 0, "")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if got, _ := b.Look(100); string(got) != "hello" || r.Len() != len(", this is the next request") {
		t.Errorf("read %q, %d bytes left", got, r.Len())
	}
}

func TestBodyWithoutRoomOnDisk(t *testing.T) {
	budget := &budget{most: allBodies}
	_, err := readBody(bytes.NewReader(pattern(2<<20)), -1, 0, filepath.Join(t.TempDir(), "missing"), budget)
	if !errors.Is(err, ErrBodyFile) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v, want ErrBodyFile and why", err)
	}
	if held := budget.used.Load(); held != 0 {
		t.Errorf("%d bytes still held", held)
	}
}

// A file that holds others' data must not outlive a crash.
func TestBodyFileHasNoName(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("an open file keeps its name there")
	}
	folder := t.TempDir()
	b, err := ReadBody(bytes.NewReader(pattern(2<<20)), -1, 0, folder)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if b.file == nil {
		t.Fatal("it is not in a file")
	}
	empty(t, folder)
}

// Whatever clients announce, and while their bodies are still coming, all bodies
// together hold no more than the budget and a small buffer each.
func TestMemoryOfManyBodies(t *testing.T) {
	const clients, most = 64, 4 << 20
	budget := &budget{most: most}
	folder := t.TempDir()
	arrived, finish := make(chan int64, clients), make(chan struct{})
	var all sync.WaitGroup
	for i := range clients {
		length := int64(-1)
		if i%2 == 0 {
			length = bodyInMemory
		}
		all.Go(func() {
			slow := io.MultiReader(bytes.NewReader(pattern(bodyInMemory-1)), &gate{open: finish, reached: arrived}, strings.NewReader("!"))
			b, err := readBody(slow, length, 0, folder, budget)
			if err != nil {
				t.Error(err)
				return
			}
			defer b.Close()
			if b.Size() != bodyInMemory {
				t.Errorf("size %d", b.Size())
			}
		})
	}
	for range clients {
		within(t, arrived, "a body's last byte but one")
	}
	if held := budget.used.Load(); held > most+clients*smallBody || held < most/2 {
		t.Errorf("%d bytes are held, of %d", held, most)
	}
	close(finish)
	all.Wait()
	if held := budget.used.Load(); held != 0 {
		t.Errorf("%d bytes still held", held)
	}
}

// gate is a reader that ends when it is opened.
type gate struct {
	open    chan struct{}
	reached chan<- int64
}

func (g *gate) Read([]byte) (int, error) {
	g.reached <- 1
	<-g.open
	return 0, io.EOF
}

// The buffer of a body that was closed goes to the next one: no byte of it may
// show there.
func TestBodiesDoNotShareBuffers(t *testing.T) {
	var open []*Body
	for i := range 100 {
		text := strings.Repeat(string(rune('a'+i%26)), 10+i*100)
		b, err := ReadBody(strings.NewReader(text), -1, 0, "")
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, b)
		if i%3 == 0 {
			open[len(open)/2].Close()
			open = append(open[:len(open)/2], open[len(open)/2+1:]...)
		}
	}
	for _, b := range open {
		mem, _ := b.memory()
		if len(bytes.Trim(mem, string(mem[:1]))) > 0 {
			t.Errorf("a body of %q has other bytes", mem[0])
		}
		b.Close()
	}
}

func TestOverwrite(t *testing.T) {
	for _, size := range []int{100, bodyInMemory + 100} {
		text := string(pattern(size))
		b := body(t, text)
		if err := b.Overwrite(10, "another"); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(b.Reader())
		if want := text[:10] + "another" + text[17:]; err != nil || string(got) != want {
			t.Errorf("a body of %d was not overwritten as it should be (%v)", size, err)
		}
		for _, at := range []int{-1, size - 6} {
			if b.Overwrite(at, "another") == nil {
				t.Errorf("a body of %d was overwritten at %d", size, at)
			}
		}
	}
	if (*Body)(nil).Overwrite(0, "x") == nil {
		t.Error("an empty body was overwritten")
	}
}
