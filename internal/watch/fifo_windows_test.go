package watch

import "testing"

func makeFifo(t *testing.T, _ string) { t.Skip("no pipes among the files") }
