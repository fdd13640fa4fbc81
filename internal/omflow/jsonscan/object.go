package jsonscan

const (
	// MaxDepth is how deep arrays and objects may be nested, the outer object
	// included. It bounds the stack that a stranger's brackets cost. Python's
	// parser goes to about 1,000; between the two an object is refused here.
	MaxDepth = 64
	// MaxNumber is how long a number may be, in bytes. Python refuses integers
	// of more than 4,300 digits.
	MaxNumber = 512
)

// Object walks the members of one JSON object. Make it with Scan; it is for one
// goroutine. Its fields hold the member that Next read and are parts of the
// scanned bytes.
type Object struct {
	Key   []byte // inside of the key's quotes, escapes as they are written
	Value []byte // the value as it is written; Text gives a string's inside

	b     []byte
	i     int
	state scanState
}

type scanState uint8

const (
	scanFirst scanState = iota // before the first member
	scanMore                   // after a member
	scanWhole                  // the object and nothing else was read
	scanBad                    // not an object, not valid, or not complete
)

// Scan begins at the first member of the object in b. If b is something else,
// there are no members and Whole is false.
func Scan(b []byte) Object {
	s := Object{b: b}
	s.space()
	if !s.accept('{') {
		s.state = scanBad
	}
	return s
}

// Whole reports, after Next returned false, whether the bytes are exactly one
// valid object.
func (s *Object) Whole() bool { return s.state == scanWhole }

// Next reads one more member into Key and Value, and returns false at the end
// of the object or of what could be understood.
func (s *Object) Next() bool {
	if s.state > scanMore {
		return false
	}
	first := s.state == scanFirst
	s.state = scanBad
	s.space()
	if s.accept('}') {
		s.space()
		if s.i == len(s.b) {
			s.state = scanWhole
		}
		return false
	}
	if !first {
		if !s.accept(',') {
			return false
		}
		s.space()
	}
	start := s.i
	if !s.skipString() {
		return false
	}
	s.Key = s.b[start+1 : s.i-1]
	s.space()
	if !s.accept(':') {
		return false
	}
	s.space()
	start = s.i
	if !s.skipValue(2) { // the object itself is at depth 1
		return false
	}
	s.Value = s.b[start:s.i]
	s.state = scanMore
	return true
}

func (s *Object) accept(c byte) bool {
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

func (s *Object) space() {
	for s.i < len(s.b) && s.b[s.i] <= ' ' && isSpace(s.b[s.i]) {
		s.i++
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func (s *Object) skipValue(depth int) bool {
	if s.i >= len(s.b) || depth > MaxDepth {
		return false
	}
	switch c := s.b[s.i]; {
	case c == '"':
		return s.skipString()
	case c == '{':
		return s.skipMembers(depth)
	case c == '[':
		return s.skipElements(depth)
	case c == 't':
		return s.skipWord("true")
	case c == 'f':
		return s.skipWord("false")
	case c == 'n':
		return s.skipWord("null")
	default:
		return s.skipNumber()
	}
}

func (s *Object) skipMembers(depth int) bool {
	s.i++
	s.space()
	if s.accept('}') {
		return true
	}
	for {
		if !s.skipString() {
			return false
		}
		s.space()
		if !s.accept(':') {
			return false
		}
		s.space()
		if !s.skipValue(depth + 1) {
			return false
		}
		s.space()
		if s.accept('}') {
			return true
		}
		if !s.accept(',') {
			return false
		}
		s.space()
	}
}

func (s *Object) skipElements(depth int) bool {
	s.i++
	s.space()
	if s.accept(']') {
		return true
	}
	for {
		if !s.skipValue(depth + 1) {
			return false
		}
		s.space()
		if s.accept(']') {
			return true
		}
		if !s.accept(',') {
			return false
		}
		s.space()
	}
}

func (s *Object) skipWord(w string) bool {
	if len(s.b)-s.i < len(w) || string(s.b[s.i:s.i+len(w)]) != w {
		return false
	}
	s.i += len(w)
	return true
}

func (s *Object) skipNumber() bool {
	start := s.i
	s.accept('-')
	if !s.accept('0') && !s.skipDigits() {
		return false
	}
	if s.accept('.') && !s.skipDigits() {
		return false
	}
	if s.accept('e') || s.accept('E') {
		if !s.accept('+') {
			s.accept('-')
		}
		if !s.skipDigits() {
			return false
		}
	}
	return s.i-start <= MaxNumber
}

func (s *Object) skipDigits() bool {
	start := s.i
	for s.i < len(s.b) && s.b[s.i]-'0' <= 9 {
		s.i++
	}
	return s.i > start
}
