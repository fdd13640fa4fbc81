package procfs

import (
	"os"
	"testing"
)

func TestParseStat(t *testing.T) {
	const rest = " S 1 4242 4242 0 -1 4194560 1 0 0 0 1 2 3 4 20 0 1 0 987654 1 2"
	for _, tt := range []struct {
		in   string
		want Stat
		ok   bool
	}{
		{"4242 (python3)" + rest, Stat{'S', 4242, 1, 987654}, true},
		{"4242 (a) S 1 2 (b)" + rest, Stat{'S', 4242, 1, 987654}, true},
		{"4242 (x) Z 1 7 7 0 -1 4194560 1 0 0 0 1 2 3 4 20 0 1 0 5", Stat{'Z', 7, 1, 5}, true},
		{"", Stat{}, false},
		{"4242 (python3)", Stat{}, false},
		{"4242 (python3) S 1 x" + rest[6:], Stat{}, false},
		{"4242 (p) S 1 4242 4242 0 -1 4194560 1 0 0 0 1 2 3 4 20 0 1 0 -5", Stat{}, false},
		{"4242 (p) S 1 4242 4242 0 -1 4194560 1 0 0 0 1 2 3 4 20 0 x 0 5", Stat{}, false},
	} {
		got, err := ParseStat([]byte(tt.in))
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("ParseStat(%q) = %+v, %v", tt.in, got, err)
		}
	}
	if st, err := ReadStat(os.Getpid()); err != nil || st.Start == 0 || st.Ended() {
		t.Errorf("this very process: %+v, %v", st, err)
	}
}

func TestEnded(t *testing.T) {
	for _, tt := range []struct {
		stat Stat
		want bool
	}{
		{Stat{State: 'S', Threads: 1}, false},
		{Stat{State: 'Z', Threads: 1}, true},
		{Stat{State: 'X'}, true},
		{Stat{State: 'Z', Threads: 2}, false}, // the first thread has ended, and another runs
	} {
		if got := tt.stat.Ended(); got != tt.want {
			t.Errorf("%c with %d threads ended: %t", tt.stat.State, tt.stat.Threads, got)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("4242 (a) b) S 1 4242 4242 0 -1 4194560 1 0 0 0 1 2 3 4 20 0 1 0 987654"))
	f.Add([]byte(") "))
	f.Fuzz(func(t *testing.T, data []byte) {
		if st, err := ParseStat(data); err != nil && st != (Stat{}) {
			t.Errorf("an error and a result: %+v, %v", st, err)
		}
	})
}
