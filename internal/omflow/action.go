package omflow

import (
	"unicode/utf8"

	"github.com/omflow/booster/internal/omflow/jsonscan"
	"github.com/omflow/booster/internal/omflow/profile"
)

// action is what the "action" of a body says.
type action uint8

const (
	actionOther  action = iota // a create, none, or one that is not clear
	actionUpdate               // update, for some parsers perhaps delete
	actionDelete               // delete, for every parser
)

// bodyAction returns the action of a body if it is whole, a JSON object and its
// action field is an update or delete and nothing else. Of two equal keys Python's parser takes
// the last, others take the first: a body that says both a create and something else is
// not clear.
func bodyAction(body []byte, words *profile.Action) action {
	s := jsonscan.Scan(body)
	found := actionOther
	for s.Next() {
		if !jsonscan.Equal(s.Key, words.Field) {
			continue
		}
		v, ok := jsonscan.Text(s.Value)
		switch {
		case ok && saysOne(v, words.Update):
			found = actionUpdate
		case ok && saysOne(v, words.Delete):
			if found == actionOther {
				found = actionDelete
			}
		default:
			return actionOther // for a create the scan ends here, most often early
		}
	}
	// Python decodes the body as UTF-8 first and takes it for a form if that
	// fails.
	if !s.Whole() || !utf8.Valid(body) {
		return actionOther
	}
	return found
}

// saysOne reports whether raw, the inside of a JSON string, is one of the words.
func saysOne(raw []byte, words []string) bool {
	for _, w := range words {
		if jsonscan.Equal(raw, w) {
			return true
		}
	}
	return false
}
