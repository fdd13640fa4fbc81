package supervise

import (
	"os"
	"strings"
	"testing"
)

func TestRecord(t *testing.T) {
	dir := t.TempDir()
	if _, ok, err := loadRecord(dir); ok || err != nil {
		t.Errorf("no record: %v, %v", ok, err)
	}
	want := record{PID: 4242, Start: 99, Boot: "b", Hash: "h", Stamp: "s"}
	if err := want.save(dir); err != nil {
		t.Fatal(err)
	}
	if got, ok, err := loadRecord(dir); got != want || !ok || err != nil {
		t.Errorf("read %+v, %v, %v", got, ok, err)
	}
	if info, err := os.Stat(recordPath(dir)); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("others may look at it: %v, %v", info.Mode(), err)
	}
	for range 2 {
		if err := removeRecord(dir); err != nil {
			t.Error(err)
		}
	}
}

func TestParseRecordRefuses(t *testing.T) {
	for _, in := range []string{
		"", "{}", "null", "[]", `{"pid":"4"}`,
		`{"pid":1,"start":5,"boot":"b"}`, // a signal to group 1 goes to everybody
		`{"pid":0,"start":5,"boot":"b"}`,
		`{"pid":-7,"start":5,"boot":"b"}`,
		`{"pid":4242,"start":0,"boot":"b"}`,
		`{"pid":4242,"start":5,"boot":""}`,
		`{"pid":4242,"start":5,"boot":"b","stamp":"` + strings.Repeat("s", maxStamp+1) + `"}`,
		`{"pid":4242,"start":5,"boot":"` + strings.Repeat("b", maxRecord) + `"}`,
	} {
		if r, err := parseRecord([]byte(in)); err == nil {
			t.Errorf("%.60s: taken as %+v", in, r)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add([]byte(`{"pid":4242,"start":99,"boot":"b","command":"h"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, err := parseRecord(data); err == nil && (r.PID < 2 || r.Start == 0 || r.Boot == "") {
			t.Errorf("taken: %+v", r)
		}
	})
}
