// Package cookie finds and removes single cookies in a Cookie header line
// without parsing, copying or judging the others.
//
// A balancer reads one cookie of its own in each request and must hand all
// others on exactly as they came. net/http's parser drops what it thinks
// malformed and allocates for every cookie; this package works on the line
// itself, as lenient as browsers and servers are (RFC 6265 §4.2.1 and §5.4):
// pairs are separated by semicolons, blanks around names and values are
// ignored, a value may be quoted. Names are case-sensitive.
//
// Nothing here fails. A line that is garbage has no cookie of the name asked
// for, and is left as it is. All functions may be called concurrently.
package cookie

import "strings"

// Value returns the value of the first cookie of that name in one Cookie header
// line, without the double quotes around it if it has any. A browser sends the
// cookie with the longest path first (RFC 6265 §5.4), so the first is the one
// that fits best. It allocates nothing; the value is part of the line.
func Value(line, name string) (value string, found bool) {
	if name == "" {
		return "", false
	}
	for rest, more := line, true; more; {
		var pair string
		pair, rest, more = strings.Cut(rest, ";")
		if v, ok := pairValue(pair, name); ok {
			return unquote(v), true
		}
	}
	return "", false
}

// Remove returns the line without all cookies of that name, and whether there
// were any. The other cookies keep every byte, malformed ones too; only the
// separator beside a removed cookie goes with it. A result of "" or blanks
// means that the whole header field should be dropped. Nothing is allocated
// when there is nothing to remove, or when the only cookie to remove is the
// first or the last one. The time is linear in the line's length.
func Remove(line, name string) (rest string, removed bool) {
	if name == "" {
		return line, false
	}
	start, end, ok := find(line, name, 0)
	if !ok {
		return line, false
	}
	_, _, again := find(line, name, end+1)
	switch {
	case again || start > 0 && end < len(line):
		return removeAll(line, name), true
	case end == len(line):
		return line[:max(start-1, 0)], true
	default:
		return strings.TrimLeft(line[end+1:], " \t"), true
	}
}

// find returns where the first pair of that name at or after from begins and
// ends; from must be the beginning of a pair, or past the line.
func find(line, name string, from int) (start, end int, ok bool) {
	for start = from; start <= len(line); start = end + 1 {
		end = len(line)
		if i := strings.IndexByte(line[start:], ';'); i >= 0 {
			end = start + i
		}
		if _, ok := pairValue(line[start:end], name); ok {
			return start, end, true
		}
	}
	return 0, 0, false
}

func removeAll(line, name string) string {
	var b strings.Builder
	b.Grow(len(line))
	kept := 0
	for pair := range strings.SplitSeq(line, ";") {
		if _, ok := pairValue(pair, name); ok {
			continue
		}
		if kept > 0 {
			b.WriteByte(';')
		} else {
			// The blank after a separator goes with it; in front of the first
			// cookie there is none as a rule.
			pair = strings.TrimLeft(pair, " \t")
		}
		b.WriteString(pair)
		kept++
	}
	return b.String()
}

// pairValue returns what stands behind the equals sign of a pair of that name.
func pairValue(pair, name string) (string, bool) {
	pair = strings.TrimLeft(pair, " \t")
	if len(pair) <= len(name) || pair[:len(name)] != name {
		return "", false
	}
	pair = strings.TrimLeft(pair[len(name):], " \t")
	if pair == "" || pair[0] != '=' {
		return "", false
	}
	return strings.Trim(pair[1:], " \t"), true
}

func unquote(v string) string {
	if len(v) >= 2 && v[0] == '"' && v[len(v)-1] == '"' {
		return v[1 : len(v)-1]
	}
	return v
}
