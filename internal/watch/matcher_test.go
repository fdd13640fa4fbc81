package watch

import "testing"

func TestMatcher(t *testing.T) {
	m, err := Rules{Include: []string{"*.py", "locale/"}, Exclude: []string{"/tmp.py", "__pycache__/"}}.Compile()
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		"a.py": true, "deep/er/a.py": true, "locale/zh/x.mo": true, "a.txt": false,
		"tmp.py": false, "deep/tmp.py": true, "a/__pycache__/b.py": false,
	} {
		if got := m.Covers(path); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
	for path, want := range map[string]bool{
		".": true, "deep": true, "deep/er": true, "locale/zh": true, "__pycache__": false, "deep/__pycache__/er": false,
	} {
		if got := m.Enters(path); got != want {
			t.Errorf("%s is looked into: %v", path, got)
		}
	}
	if _, err := (Rules{Include: []string{"a["}}).Compile(); err == nil {
		t.Error("an open bracket was taken")
	}
}
