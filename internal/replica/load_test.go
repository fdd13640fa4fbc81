package replica

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/omflow/booster/internal/testbed/observe"
)

// TestManyFiles: ten thousand small files (fewer under the race detector) reach two other nodes, and are known after
// a restart without being read again.
func TestManyFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes some seconds")
	}
	c := newCluster(t, names(3)...)
	c.linked()
	n := c.node("s00")
	count := 10_000
	if raceEnabled {
		count = 2000
	}
	for i := range count {
		n.write(fmt.Sprintf("流程/%d/附件 %d.txt", i/100, i), fmt.Sprint("content ", i))
	}
	began := time.Now()
	observe.Eventually(t, "all are there", func() bool {
		for _, n := range c.all() {
			if s := n.Status(); s.Files != count || s.Missing > 0 {
				return false
			}
		}
		return true
	})
	t.Logf("%d files on 2 other nodes: %s", count, time.Since(began))
	c.stop("s01")
	began = time.Now()
	c.start("s01", nil)
	t.Logf("start with %d files: %s", count, time.Since(began))
	if got := len(c.node("s01").content()); got != count {
		t.Errorf("%d files", got)
	}
	c.linked()
	began = time.Now()
	n.write("one more", "x")
	observe.Eventually(t, "one more is there", func() bool {
		return c.node("s01").Status().Files == count+1 && c.node("s01").Status().Missing == 0
	})
	t.Logf("one more file: %s", time.Since(began))
}

// TestLargeFile: a file of 200 MB arrives whole.
func TestLargeFile(t *testing.T) {
	if testing.Short() {
		t.Skip("it writes 600 MB")
	}
	c := newCluster(t, names(3)...)
	c.linked()
	const size = 200 << 20
	f, err := os.Create(filepath.Join(c.node("s00").root, "large"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(f, &counting{}, size); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	observe.Eventually(t, "all have it", func() bool {
		for _, n := range c.all() {
			if s := n.Status(); s.Bytes != size || s.Missing > 0 {
				return false
			}
		}
		return true
	})
	t.Logf("200 MB on 2 other nodes: %s", time.Since(began))
	for _, n := range c.all() {
		if info, err := os.Stat(n.path("large")); err != nil || info.Size() != size {
			t.Errorf("%s: %v, %v", n.name, info, err)
		}
	}
}

// counting is bytes that are not all the same.
type counting struct{ n byte }

func (c *counting) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = c.n
		c.n = c.n*7 + 13
	}
	return len(b), nil
}
