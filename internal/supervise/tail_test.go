package supervise

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// quietTail is a tail whose goroutine has ended, so that the test pumps.
func quietTail(t *testing.T) (*tail, *journal) {
	t.Helper()
	j := &journal{}
	tl, err := openTail(t.TempDir(), j.logger())
	if err != nil {
		t.Fatal(err)
	}
	close(tl.quit)
	<-tl.done
	t.Cleanup(func() { tl.in.Close(); tl.out.Close() })
	return tl, j
}

func TestTailLines(t *testing.T) {
	tl, j := quietTail(t)
	fmt.Fprint(tl.out, "one\r\n\n  \ntwo \xff\n\tNot Found: /\x1b[2J\u009b1A\rx\nunfin")
	tl.pump(false)
	fmt.Fprint(tl.out, "ished\nlast")
	tl.pump(false)
	tl.pump(true)
	want := "INFO one\nINFO two \uFFFD\nINFO \tNot Found: /\uFFFD[2J\uFFFD1A\uFFFDx\nINFO unfinished\nINFO last"
	if got := j.String(); got != want {
		t.Errorf("logged:\n%s\nwant:\n%s", got, want)
	}
	if tl.lastLine() != "last" {
		t.Errorf("last line %q", tl.lastLine())
	}
}

func TestTailBeginsAtTheEnd(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "server.log"), []byte("old\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	j := &journal{}
	tl, err := openTail(dir, j.logger())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(tl.out, "new")
	tl.close()
	if got := j.String(); got != "INFO new" {
		t.Errorf("logged %q", got)
	}
}

func TestTailRate(t *testing.T) {
	tl, j := quietTail(t)
	for i := range 3 * maxRate {
		fmt.Fprintln(tl.out, "line", i)
	}
	tl.pump(true)
	lines, dropped, said := 0, 0, 0
	for _, line := range j.all() {
		if strings.HasPrefix(line, "INFO line") {
			lines++
		} else if n, _ := fmt.Sscanf(line, "WARN server output dropped: too many lines a second lines=%d", &said); n == 1 {
			dropped += said
		}
	}
	// The pump may straddle two seconds of the rate.
	if lines > 2*maxRate || lines+dropped != 3*maxRate {
		t.Errorf("%d lines logged, %d said to be dropped, of %d", lines, dropped, 3*maxRate)
	}
}

func TestTailSkipsWhatCameTooFast(t *testing.T) {
	tl, j := quietTail(t)
	block := []byte(strings.Repeat(strings.Repeat("y", 1023)+"\n", 1024))
	for range 6 {
		tl.out.Write(block)
	}
	tl.pump(false)
	if want := fmt.Sprintf("WARN server output skipped: it came too fast bytes=%d", 2<<20); j.find("skipped") != want {
		t.Errorf("said %q, want %q", j.find("skipped"), want)
	}
}

// TestTailEmptiesTheFile: past 16 MB the file is emptied and followed on, the
// writer notices nothing.
func TestTailEmptiesTheFile(t *testing.T) {
	tl, j := quietTail(t)
	for range maxLog>>20 + 1 {
		tl.out.Write(append(bytes.Repeat([]byte{'z'}, 1<<20-1), '\n'))
		tl.pump(false)
	}
	if info, err := tl.in.Stat(); err != nil || info.Size() != 0 {
		t.Fatalf("the file has %d bytes, %v", info.Size(), err)
	}
	if j.find("server.log was emptied") == "" {
		t.Error("it was not said")
	}
	fmt.Fprintln(tl.out, "afterwards")
	tl.pump(false)
	if j.find("INFO afterwards") == "" {
		t.Error("what came afterwards was not logged")
	}
	if err := os.Truncate(tl.in.Name(), 0); err != nil { // by someone else
		t.Fatal(err)
	}
	fmt.Fprintln(tl.out, "x")
	tl.pump(false)
	if j.find("INFO x") == "" {
		t.Error("what came after a foreign truncation was not logged")
	}
}

// TestTailEmptiesAFileWithoutName: somebody has removed server.log, or a program that
// rotates logs has renamed it, and the process goes on writing into it.
func TestTailEmptiesAFileWithoutName(t *testing.T) {
	tl, j := quietTail(t)
	if err := os.Remove(tl.in.Name()); err != nil {
		t.Skip("a file that is open can't be removed here: ", err)
	}
	for range maxLog>>20 + 1 {
		tl.out.Write(append(bytes.Repeat([]byte{'z'}, 1<<20-1), '\n'))
		tl.pump(false)
	}
	if info, err := tl.in.Stat(); err != nil || info.Size() != 0 {
		t.Errorf("the file has %d bytes, %v", info.Size(), err)
	}
	if said := j.find("could not be read"); said != "" {
		t.Error(said)
	}
}

// TestTailSaysOnceThatItCantRead: it is tried again five times a second.
func TestTailSaysOnceThatItCantRead(t *testing.T) {
	tl, j := quietTail(t)
	if err := tl.in.Close(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		tl.pump(false)
	}
	if got := j.all(); len(got) != 1 || !strings.Contains(got[0], "could not be read") {
		t.Errorf("said %q", got)
	}
}

func FuzzTail(f *testing.F) {
	f.Add([]byte("a\nb\r\n\n\xff"), 3)
	f.Add(bytes.Repeat([]byte("x"), 9000), 100)
	f.Fuzz(func(t *testing.T, data []byte, chunk int) {
		j := &journal{}
		tl := &tail{log: j.logger()}
		for step := 1 + chunk&0xfff; len(data) > 0; {
			n := min(step, len(data))
			tl.split(data[:n])
			data = data[n:]
		}
		for _, line := range j.all() {
			if len(line) > 3*maxLine+64 { // a bad byte becomes three
				t.Errorf("a line of %d bytes", len(line))
			}
		}
		if len(tl.line) > maxLine {
			t.Errorf("%d bytes are kept", len(tl.line))
		}
	})
}
