package omflow

import "bytes"

// hasPrefix is bytes.HasPrefix with a text.
func hasPrefix(path []byte, prefix string) bool {
	return len(path) >= len(prefix) && string(path[:len(prefix)]) == prefix
}

// underREST returns the path that OMFLOW runs for a decoded path of the REST API, or nil.
func (t *Table) underREST(path []byte) []byte {
	prefix := t.profile.REST
	if prefix == "" || len(path) <= len(prefix) || !hasPrefix(path, prefix) {
		return nil
	}
	return path[len(prefix)-1:]
}

// belowREST returns the path that OMFLOW runs for a decoded path.
func (t *Table) belowREST(path []byte) []byte {
	if inner := t.underREST(path); inner != nil {
		return inner
	}
	return path
}

// lookUp returns the rule for a path; inner is underREST of it.
func (t *Table) lookUp(method string, path, inner []byte) rule {
	if inner == nil {
		return t.lookUpPath(method, path, true)
	}
	ru := t.lookUpPath(method, inner, false)
	if ru.lane == Session {
		ru.lane = Flow
	}
	return ru
}

func (t *Table) lookUpPath(method string, path []byte, static bool) rule {
	if ru, ok := t.urls[string(path)]; ok {
		return ru
	}
	// These come before the words, because a flow may be called "list".
	for i := range t.open {
		o := &t.open[i]
		if len(path) > len(o.path) && hasPrefix(path, o.path) &&
			(!o.child || bytes.IndexByte(path[len(o.path):], '/') == len(path)-len(o.path)-1) {
			return o.rule
		}
	}
	if len(t.api) > 0 {
		if at := bytes.Index(path, t.api); at >= 0 {
			return t.lookUpCall(method, path, path[at+len(t.api):])
		}
	}
	if static && (method == "GET" || method == "HEAD") && t.isStatic(path) {
		return rule{lane: Static, class: Read}
	}
	ru := rule{class: methodClass(method)}
	if ru.class != Read {
		t.join(&ru, path)
	}
	return ru
}

// lookUpCall judges a call by the words in its path. The last one is the verb,
// but a name may come after it, so the word that allows least counts.
func (t *Table) lookUpCall(method string, path, words []byte) rule {
	ru := rule{class: methodClass(method)}
	known := false
	for len(words) > 0 {
		end := bytes.IndexByte(words, '/')
		if end < 0 {
			end = len(words)
		}
		if c, ok := t.verbs[string(words[:end])]; ok {
			if !known {
				ru.class = c
			}
			ru.class = max(ru.class, c)
			known = true
		}
		words = words[min(end+1, len(words)):]
	}
	// OMFLOW runs the same view for every method: that of an unknown call proves nothing.
	if !known || ru.class != Read {
		t.join(&ru, path)
	}
	return ru
}

// join applies the families that an unlisted path belongs to: of their lanes the one
// that does most harm when it is missed.
func (t *Table) join(ru *rule, path []byte) {
	laned := false
	for i := range t.families {
		f := &t.families[i]
		if !hasPrefix(path, f.prefix) {
			continue
		}
		if f.laned && (!laned || rank(f.lane) > rank(ru.lane)) {
			ru.lane, laned = f.lane, true
		}
		ru.work = ru.work || f.work
	}
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
func (t *Table) isStatic(path []byte) bool {
	for _, prefix := range t.profile.Static.Prefixes {
		if hasPrefix(path, prefix) {
			return true
		}
	}
	name := path[:len(path)-1] // without the slash at the end
	dot := bytes.LastIndexByte(name, '.')
	return dot > bytes.LastIndexByte(name, '/')+1 && t.extensions[string(name[dot+1:])]
}
