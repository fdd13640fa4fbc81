package omflow

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/omflow/booster/internal/balance"
)

// maxOwnRules bounds the patterns of one Table; they are tried one by one.
const maxOwnRules = 256

// Table tells which lane and class a request has. Build it with DefaultTable
// or PlainTable, Add and the Allow methods; after that any number of goroutines may
// call the others.
type Table struct {
	omflow bool
	// agreeOpen and historyOpen leave a hole of OMFLOW open, see Refuses.
	agreeOpen, historyOpen bool
	own                    []ownRule
}

type ownRule struct {
	pattern pattern
	lane    Lane
}

// DefaultTable returns the rules of OMFLOW Server 1.1.0.0.
func DefaultTable() *Table { return &Table{omflow: true} }

// PlainTable returns the rules for any HTTP server: all requests are in the
// session lane, and the class follows from the method alone: GET, HEAD, OPTIONS
// and TRACE are reads, PUT and DELETE guarded, all others creates
// (RFC 9110 §9.2.1 and §9.2.2).
func PlainTable() *Table { return &Table{} }

// Add puts requests whose path matches one of the patterns into a lane. Added
// rules come before the built-in ones, and of two added rules the first that
// matches counts. The class of a request stays what it was.
//
// A pattern is a decoded path, in which "*" stands for anything: at the
// beginning or the end for nothing too, elsewhere for at least one character.
// Case matters, a slash at the end doesn't. In DefaultTable a pattern of the
// control or file lane holds under /rest/ too, where OMFLOW serves the same URL
// once more; patterns of the other lanes hold as they are written, since there
// the question is who waits, a person or a program.
//
// Add must not run beside Classify. On an error nothing was added.
func (t *Table) Add(lane Lane, patterns ...string) error {
	if int(lane) >= balance.Lanes {
		return fmt.Errorf("add to lane: %s does not exist", lane)
	}
	if len(patterns) == 0 {
		return errors.New("add to lane " + lane.String() + ": no path given")
	}
	if len(t.own)+len(patterns) > maxOwnRules {
		return fmt.Errorf("add to lane %s: more than %d paths", lane, maxOwnRules)
	}
	added := make([]ownRule, 0, len(patterns))
	for _, s := range patterns {
		p, err := parsePattern(s)
		if err != nil {
			return fmt.Errorf("add to lane %s: %w", lane, err)
		}
		added = append(added, ownRule{p, lane})
	}
	t.own = append(t.own, added...)
	return nil
}

// Classify returns lane and class of a request. It never fails: what it does
// not know or understand gets the class that allows least. It does not keep the
// request, and allocates nothing for paths of less than 256 bytes.
func (t *Table) Classify(r *Request) Result {
	var buf, cleanBuf [pathBuffer]byte
	path, doubt := decodePath(buf[:0], r.Path)
	res := t.classify(r, path)
	if doubt == pathPlain {
		return res
	}
	// Two programs may read this path differently: what holds for either holds.
	alt := t.classify(r, cleanPath(cleanBuf[:0], path))
	if rank(alt.Lane) > rank(res.Lane) {
		res.Lane = alt.Lane
	}
	res.Class = max(res.Class, alt.Class)
	res.NeedsBody = res.NeedsBody || alt.NeedsBody
	if doubt == pathOdd {
		res.Class = Create
	}
	return res
}

// REST reports whether a path, percent-encoded, is one of OMFLOW's REST API. Each
// call signs in with the token in its body and out again, and so ends the session of
// a browser whose cookies come along: they must not.
func (t *Table) REST(path string) bool {
	if !t.omflow {
		return false
	}
	var buf, cleanBuf [pathBuffer]byte
	decoded, doubt := decodePath(buf[:0], path)
	return underRest(decoded) != nil || doubt != pathPlain && underRest(cleanPath(cleanBuf[:0], decoded)) != nil
}

func (t *Table) classify(r *Request, path []byte) Result {
	if !t.omflow {
		res := Result{Class: plainClass(r.Method)}
		if lane, ok := t.ownLane(path, nil); ok {
			res.Lane = lane
		}
		return res
	}
	inner := underRest(path)
	ru := lookUp(r.Method, path, inner)
	lane, fixed := t.ownLane(path, inner)
	if fixed {
		ru.lane = lane
	}
	ru.question = ru.question && !t.agreeOpen
	switch r.Method {
	case "GET", "HEAD", "OPTIONS", "POST":
	default:
		// OMFLOW knows no other method, so nothing is known of what it does.
		ru.class = Create
		ru.action = false
	}
	return look(r, ru, fixed)
}

// look lets the body decide where it matters.
func look(r *Request, ru rule, fixedLane bool) Result {
	res := Result{Lane: ru.lane, Class: ru.class}
	looked := r.Body != nil || r.BodyComplete
	body, complete := r.body()
	if ru.question {
		res.NeedsBody = !looked
	}
	if r.multipart() {
		// The fields of a form are not read: a form's edit stays a create.
		if ru.files && !fixedLane && rank(ru.lane) < rank(File) {
			if !looked || !complete || mayHaveFile(body) {
				res.Lane = File
			}
			res.NeedsBody = !looked
		}
		return res
	}
	if ru.action {
		if !looked {
			res.NeedsBody = true
		} else if complete && repeatableAction(body) {
			res.Class = Guarded
		}
	}
	return res
}

// mayHaveFile reports whether a multipart body may hold a file. Django takes a
// part for a file only if its Content-Disposition has the parameter "filename"
// (also as filename* of RFC 5987), so a body without that word has none.
func mayHaveFile(body []byte) bool {
	const word = "filename"
	for {
		at := bytes.IndexAny(body, "fF")
		if at < 0 || len(body)-at < len(word) {
			return false
		}
		if bytes.EqualFold(body[at:at+len(word)], []byte(word)) {
			return true
		}
		body = body[at+1:]
	}
}

// plainClass is the class that HTTP itself gives a method.
func plainClass(method string) Class {
	switch method {
	case "GET", "HEAD", "OPTIONS", "TRACE":
		return Read
	case "PUT", "DELETE":
		return Guarded
	}
	return Create
}

// ownLane returns the lane of the first added rule that matches.
func (t *Table) ownLane(path, inner []byte) (Lane, bool) {
	for i := range t.own {
		o := &t.own[i]
		if o.pattern.match(path) {
			return o.lane, true
		}
		if inner != nil && (o.lane == Control || o.lane == File) && o.pattern.match(inner) {
			return o.lane, true
		}
	}
	return 0, false
}

// underRest returns the path that OMFLOW runs for a call under /rest/, or nil.
func underRest(path []byte) []byte {
	const prefix = "/rest/"
	if len(path) <= len(prefix) || string(path[:len(prefix)]) != prefix {
		return nil
	}
	return path[len(prefix)-1:]
}

// lookUp returns the rule for a path; inner is underRest of it.
func lookUp(method string, path, inner []byte) rule {
	if inner == nil {
		return lookUpPath(method, path, true)
	}
	ru := lookUpPath(method, inner, false)
	if ru.lane == Session {
		ru.lane = Flow
	}
	return ru
}

func lookUpPath(method string, path []byte, static bool) rule {
	if ru, ok := urls[string(path)]; ok {
		return ru
	}
	for i := range urlPrefixes {
		p := &urlPrefixes[i]
		if len(path) > len(p.prefix) && string(path[:len(p.prefix)]) == p.prefix &&
			(!p.single || bytes.IndexByte(path[len(p.prefix):], '/') == len(path)-len(p.prefix)-1) {
			return p.rule
		}
	}
	const api = "/api/"
	if at := bytes.Index(path, []byte(api)); at >= 0 {
		return lookUpVerb(method, path, path[at+len(api):])
	}
	if static && (method == "GET" || method == "HEAD") && isStatic(path) {
		return rule{lane: Static, class: Read}
	}
	return rule{class: methodClass(method)}
}

// lookUpVerb judges an API URL by the words in it. The last one is the verb,
// but a name may come after it, so the word that allows least counts.
func lookUpVerb(method string, path, words []byte) rule {
	ru := rule{class: methodClass(method)}
	known := false
	for len(words) > 0 {
		end := bytes.IndexByte(words, '/')
		if end < 0 {
			end = len(words)
		}
		if c, ok := verbClass(words[:end]); ok {
			if !known {
				ru.class = c
			}
			ru.class = max(ru.class, c)
			known = true
		}
		words = words[min(end+1, len(words)):]
	}
	if bytes.HasPrefix(path, []byte(controlFamily)) && (!known || ru.class != Read) {
		ru.lane = Control
	}
	return ru
}

// methodClass is the class of an OMFLOW URL of which only the method is known.
func methodClass(method string) Class {
	switch method {
	case "GET", "HEAD", "OPTIONS":
		return Read
	}
	return Create
}

// isStatic reports whether a path is that of a file with no view behind it.
func isStatic(path []byte) bool {
	if bytes.HasPrefix(path, []byte("/static/")) || bytes.HasPrefix(path, []byte("/staticfiles/")) {
		return true
	}
	name := path[:len(path)-1] // without the slash at the end
	dot := bytes.LastIndexByte(name, '.')
	return dot > bytes.LastIndexByte(name, '/')+1 && staticExtension(name[dot+1:])
}
