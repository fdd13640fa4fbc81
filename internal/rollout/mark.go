package rollout

import (
	"encoding/json"
	"errors"
)

// LeadKey is the name of the mark in which all nodes keep the last grant.
const LeadKey = "lead"

// maxMark is how long a mark may be, in bytes.
const maxMark = 512

// Granted returns the server that the marks name as the one that was made the lead last,
// or "" if they name none.
func Granted(marks map[string]string) string {
	m, _ := decodeMark(marks[LeadKey]) // an unreadable one names nobody
	return m.Server
}

// mark is what LeadKey's mark holds.
type mark struct {
	Server string `json:"s"`
	Grant  uint64 `json:"g"`
	// Others are all that could have been granted it, and Witnesses those that the
	// holder is told. Before are those that it may still go by instead.
	Others    []string `json:"n,omitempty"`
	Witnesses []string `json:"w,omitempty"`
	Before    []string `json:"b,omitempty"`
}

// encode returns the mark as it is written. ok is false when it is too long.
func (m mark) encode() (text string, ok bool) {
	b, err := json.Marshal(m)
	if err == nil && len(b) > maxMark {
		m.Others = nil // then nobody can say that he is the last
		b, err = json.Marshal(m)
	}
	return string(b), err == nil && len(b) <= maxMark
}

func decodeMark(text string) (mark, error) {
	var m mark
	if len(text) > maxMark {
		return m, errors.New("read the mark of the lead server: too long")
	}
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return mark{}, err
	}
	if m.Server == "" || checkWitnesses(m.Witnesses) != nil || checkWitnesses(m.Before) != nil {
		return mark{}, errors.New("read the mark of the lead server: not written by a booster")
	}
	return m, nil
}
