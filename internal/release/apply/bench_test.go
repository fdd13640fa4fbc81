package apply

import (
	"fmt"
	"strings"
	"testing"

	"github.com/omflow/booster/internal/release/store"
)

// BenchmarkApply applies patches on a real disk: 1,000 files of 4 kB, one of
// 100 MB; each replaces one that is there.
func BenchmarkApply(b *testing.B) {
	for _, bench := range []struct{ files, size int }{{1000, 4 << 10}, {1, 100 << 20}} {
		b.Run(fmt.Sprintf("%dx%d", bench.files, bench.size), func(b *testing.B) {
			st, err := store.Open(store.Config{Dir: b.TempDir()})
			if err != nil {
				b.Fatal(err)
			}
			s := &site{root: b.TempDir(), state: b.TempDir(), store: st}
			a, err := Open(s.config())
			if err != nil {
				b.Fatal(err)
			}
			defer a.Close()
			b.SetBytes(int64(bench.files * bench.size))
			for i := 0; b.Loop(); i++ {
				b.StopTimer()
				files := content{}
				for n := range bench.files {
					head := fmt.Sprint(i, " ", n, " ")
					files[fmt.Sprintf("%d/%d.py", n/100, n)] = head + strings.Repeat("x", bench.size-len(head))
				}
				m := s.make(b, a.Applied(), files)
				b.StartTimer()
				mustApply(b, a, Request{Target: m})
			}
		})
	}
}
