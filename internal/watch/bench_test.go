package watch

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// homeFiles is the size of a large OMFLOW home.
const homeFiles = 20_000

func (f *folder) home() *folder {
	f.Helper()
	for i := range homeFiles {
		name := filepath.Join(f.root, fmt.Sprintf("app%02d/module%02d", i%20, i/20%20))
		f.must(os.MkdirAll(name, 0o755))
		f.must(os.WriteFile(filepath.Join(name, fmt.Sprintf("file%05d.py", i)), fmt.Appendf(nil, "print(%d)\n", i), 0o644))
	}
	return f
}

// rescan has the whole folder compared.
func (f *folder) rescan() {
	f.w.do(func() {
		f.w.rescanAt = time.Time{}
		root, err := f.w.look(time.Now())
		if err != nil {
			f.Error(err)
			return
		}
		root.Close()
	})
}

// The goals for a home of 20,000 files, with room for a slow machine under the
// race detector; BenchmarkRescan gives the real numbers.
func TestLargeHome(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 20,000 files")
	}
	f := newFolder(t).home()
	before := heap()
	f.watch(Config{})
	began := time.Now()
	f.accept()
	t.Logf("first scan with all hashes: %s", time.Since(began))
	f.sure()
	if grown := heap() - before; grown > 30<<20 {
		t.Errorf("the heap grew by %d kB, want less than 30 MB", grown>>10)
	} else {
		t.Logf("the heap grew by %d kB", grown>>10)
	}
	read := 0
	f.w.do(func() {
		writerOpen := f.w.hasher.writerOpen
		f.w.hasher.writerOpen = func(file *os.File) (bool, error) {
			read++
			return writerOpen(file)
		}
	})
	began = time.Now()
	f.rescan()
	t.Logf("a rescan: %s", time.Since(began))
	f.w.do(func() {
		if read > 0 {
			t.Errorf("a rescan has read %d files that have not changed", read)
		}
	})
	began = time.Now()
	f.write("app03/module04/file.py", "x")
	f.take()
	t.Logf("one file: %s after the settle time", time.Since(began)-testSettle)
}

func heap() int64 {
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse)
}

func BenchmarkRescan(b *testing.B) {
	f := newFolder(b).home().watch(Config{})
	f.accept()
	b.ReportAllocs()
	for b.Loop() {
		f.rescan()
	}
}

// BenchmarkSave is the time from the last save to the change, without the
// settle time, in a home of 20,000 files.
func BenchmarkSave(b *testing.B) {
	for _, tc := range []struct{ files, size int }{{1, 10 << 10}, {1000, 4 << 10}, {1, 100 << 20}} {
		b.Run(fmt.Sprintf("%dx%d", tc.files, tc.size), func(b *testing.B) {
			f := newFolder(b).home().watch(Config{Settle: 500 * time.Millisecond})
			f.accept()
			content := make([]byte, tc.size)
			round := 0
			for b.Loop() {
				round++
				content[0], content[1] = byte(round), byte(round>>8)
				for i := range tc.files {
					f.must(os.MkdirAll(f.path("new"), 0o755))
					f.must(os.WriteFile(f.path(fmt.Sprintf("new/%d", i)), content, 0o644))
				}
				saved := time.Now()
				c := f.take()
				b.ReportMetric(float64((time.Since(saved)-500*time.Millisecond).Microseconds())/1000, "ms/change")
				if len(c.Added)+len(c.Changed) != tc.files {
					b.Fatalf("%d files in the change, want %d", len(c.Added)+len(c.Changed), tc.files)
				}
				f.w.SetBase(c.Tree)
			}
		})
	}
}

func BenchmarkRules(b *testing.B) {
	set, err := Rules{
		Include: []string{"omformflow/production/**", "/omformmodel/models.py", "/omformmodel/migrations/*.py"},
		Exclude: []string{"__pycache__/", "*.pyc", "/logs/", "/db.omflow*", "/tmp*.upload*", "/tmp.py", "/omflow/settings.py", ".git/"},
	}.compile()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		set.covers("omformflow/production/0f8fad5b-d9cb-469f-a165-70867728950e/3/main.py")
	}
}
