package omflow

import (
	"unicode/utf8"

	"github.com/omflow/booster/internal/omflow/jsonscan"
)

// repeatableAction reports whether a whole body is a JSON object whose "action"
// is update or delete and nothing else. Of two equal keys Python's parser takes
// the last, others take the first: a body that says both is not repeatable.
func repeatableAction(body []byte) bool {
	s := jsonscan.Scan(body)
	found := false
	for s.Next() {
		if !jsonscan.Equal(s.Key, "action") {
			continue
		}
		v, ok := jsonscan.Text(s.Value)
		if !ok || !jsonscan.Equal(v, "update") && !jsonscan.Equal(v, "delete") {
			return false // for a create the scan ends here, most often early
		}
		found = true
	}
	// Python decodes the body as UTF-8 first and takes it for a form if that
	// fails.
	return found && s.Whole() && utf8.Valid(body)
}
