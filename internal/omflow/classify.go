package omflow

import "bytes"

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
	res.Work = res.Work || alt.Work
	res.NeedsBody = res.NeedsBody || alt.NeedsBody
	if doubt == pathOdd {
		res.Class = Create
		res.Work = t.omflow
	}
	return res
}

// REST reports whether a path, percent-encoded, is one of OMFLOW's REST API.
func (t *Table) REST(path string) bool {
	if !t.omflow {
		return false
	}
	var buf, cleanBuf [pathBuffer]byte
	decoded, doubt := decodePath(buf[:0], path)
	return t.underREST(decoded) != nil || doubt != pathPlain && t.underREST(cleanPath(cleanBuf[:0], decoded)) != nil
}

// DropsCookies reports whether a request to a path, percent-encoded, must not bring
// cookies. Each call of the REST API signs in with the token in its body and out again,
// and so ends the session of a browser whose cookies come along.
func (t *Table) DropsCookies(path string) bool { return t.repairs.RESTCookies && t.REST(path) }

func (t *Table) classify(r *Request, path []byte) Result {
	if !t.omflow {
		res := Result{Class: plainClass(r.Method)}
		if lane, ok := t.ownLane(path, nil); ok {
			res.Lane = lane
		}
		return res
	}
	inner := t.underREST(path)
	ru := t.lookUp(r.Method, path, inner)
	switch r.Method {
	case "GET", "HEAD", "OPTIONS", "POST":
	default:
		// OMFLOW knows no other method, so nothing is known of what it does.
		ru.class = Create
		ru.action = false
		var unlisted rule
		t.join(&unlisted, t.belowREST(path))
		ru.work = ru.work || unlisted.work
	}
	lane, fixed := t.ownLane(path, inner)
	if fixed {
		ru.lane = lane
	}
	return t.look(r, ru, fixed)
}

// look lets the body decide where it matters.
func (t *Table) look(r *Request, ru rule, fixedLane bool) Result {
	res := Result{Lane: ru.lane, Class: ru.class, Work: ru.work}
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
		} else if complete {
			switch bodyAction(body, &t.profile.Action) {
			case actionUpdate:
				res.Class = Guarded
			case actionDelete:
				res.Class, res.Work = Guarded, false
			}
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
