package rollout

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Epoch says up to which control changes something is: for each booster the number
// of the last one that it has seen succeed, as in "booster-a=1764150000000
// booster-b=1764150001000", ordered by name. A number is the time of the change in
// milliseconds since 1970, and always greater than that booster's number before, so
// that one that has forgotten its numbers does not begin with old ones. The empty
// Epoch is before all changes.
type Epoch string

// Settled is a control epoch that a server has seen if it is started from now on with the
// files of Release or of a later release: all files that its changes have written are in
// those. Release 0 is any files.
type Settled struct {
	Epoch   Epoch  `json:"epoch,omitempty"`
	Release uint64 `json:"release,omitempty"`
}

// EpochKey begins the names of the marks that hold the numbers, one for each
// booster.
const EpochKey = "control/"

// EpochOf makes the Epoch of marks, leaving out what is none. Of more boosters than an
// Epoch has room for, those are left out that have made no change for longest: they
// have been renamed or replaced.
func EpochOf(marks map[string]string) Epoch {
	type change struct {
		name   string
		number uint64
	}
	var changes []change
	for key, value := range marks {
		name, ok := strings.CutPrefix(key, EpochKey)
		if !ok || name == "" || len(name) > maxName || strings.ContainsFunc(name, noName) {
			continue
		}
		if n, err := strconv.ParseUint(value, 10, 64); err == nil {
			changes = append(changes, change{name, n})
		}
	}
	slices.SortFunc(changes, func(a, b change) int {
		return cmp.Or(cmp.Compare(b.number, a.number), cmp.Compare(a.name, b.name))
	})
	var parts []string
	size := 0
	for _, c := range changes {
		part := c.name + "=" + strconv.FormatUint(c.number, 10)
		if size += len(part) + 1; size > maxEpoch {
			break
		}
		parts = append(parts, part)
	}
	slices.Sort(parts)
	return Epoch(strings.Join(parts, " "))
}

// noName reports whether r can't be in a booster's name here.
func noName(r rune) bool { return r == '=' || unicode.IsSpace(r) }

// NextChange returns the number of a change that is made now, by a booster whose
// last number was the given one.
func NextChange(last string, now time.Time) string {
	before, _ := strconv.ParseUint(last, 10, 64) // 0 for none
	return strconv.FormatUint(max(before+1, uint64(max(0, now.UnixMilli()))), 10)
}

// Covers reports whether e has all changes of o.
func (e Epoch) Covers(o Epoch) bool {
	if e == o || o == "" {
		return true
	}
	mine := e.numbers()
	for name, n := range o.numbers() {
		if mine[name] < n {
			return false
		}
	}
	return true
}

func (e Epoch) numbers() map[string]uint64 {
	numbers := make(map[string]uint64)
	for part := range strings.FieldsSeq(string(e)) {
		name, value, _ := strings.Cut(part, "=")
		n, err := strconv.ParseUint(value, 10, 64)
		if err == nil {
			numbers[name] = max(numbers[name], n)
		}
	}
	return numbers
}

// Validate refuses one that is too long or is none.
func (e Epoch) Validate() error {
	if len(e) > maxEpoch {
		return fmt.Errorf("control epoch of %d bytes, more than %d", len(e), maxEpoch)
	}
	for part := range strings.FieldsSeq(string(e)) {
		name, value, ok := strings.Cut(part, "=")
		if _, err := strconv.ParseUint(value, 10, 64); !ok || name == "" || err != nil {
			return fmt.Errorf("control epoch: %.80q is no booster and number", part)
		}
	}
	return nil
}
