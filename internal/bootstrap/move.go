package bootstrap

import (
	"bytes"
	"cmp"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Place is what is a server's own.
type Place struct {
	// Name is the server's, Home its folder, Server its address as host:port.
	Name, Home, Server string
}

// Move writes one server's words and settings for another.
type Move struct{ From, To Place }

// Path writes a path for the new place: one in From's folder becomes one in To's.
func (m Move) Path(path string) string {
	for _, form := range m.forms() {
		path = replaceWhole(path, form.from, form.to)
	}
	return path
}

// form is one way to write the two folders.
type form struct{ from, to string }

// forms are the ways in which a folder may be written: as it is, on Windows also with
// slashes, or with backslashes that are doubled, as in a text of Python's.
func (m Move) forms() []form {
	forms := []form{{m.From.Home, m.To.Home}}
	if filepath.Separator == '\\' {
		forms = append(forms,
			form{filepath.ToSlash(m.From.Home), filepath.ToSlash(m.To.Home)},
			form{strings.ReplaceAll(m.From.Home, `\`, `\\`), strings.ReplaceAll(m.To.Home, `\`, `\\`)},
		)
	}
	return slices.DeleteFunc(forms, func(f form) bool { return f.from == f.to })
}

// replaceWhole replaces old where it is not a part of a longer name.
func replaceWhole(text, old, with string) string {
	var out strings.Builder
	for rest := 0; ; {
		i := strings.Index(text[rest:], old)
		if i < 0 {
			out.WriteString(text[rest:])
			return out.String()
		}
		i += rest
		end := i + len(old)
		out.WriteString(text[rest:i])
		if (i == 0 || !inName(text[i-1])) && (end == len(text) || !inName(text[end])) {
			out.WriteString(with)
		} else {
			out.WriteString(old)
		}
		rest = end
	}
}

// inName reports whether a byte goes on with a name or a path's part: then what is
// beside it is not a whole one. A slash after a folder is no part of its name; before
// one it would be, but there paths begin with it.
func inName(b byte) bool {
	return b == '_' || b == '-' || b == '.' || b >= 0x80 ||
		'0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
}

// Command writes the words of a command for the new place: the folder; the address,
// together or as host and port in words of their own, as in --port 8000 and
// --port=8000; the port after an address that means all of them; the name after --name.
func (m Move) Command(words []string) []string {
	fromHost, fromPort, err := net.SplitHostPort(m.From.Server)
	toHost, toPort, terr := net.SplitHostPort(m.To.Server)
	out := make([]string, len(words))
	for i, word := range words {
		out[i] = m.Path(word)
		if i == 0 || cmp.Or(err, terr) != nil {
			continue
		}
		option, value := "", out[i]
		if strings.HasPrefix(value, "-") {
			if name, after, ok := strings.Cut(value, "="); ok {
				option, value = name+"=", after
			}
		}
		switch {
		case value == m.From.Server:
			value = m.To.Server
		case value == fromHost:
			value = toHost
		case value == fromPort && strings.Contains(cmp.Or(option, words[i-1]), "port"):
			value = toPort
		case strings.HasSuffix(value, ":"+fromPort) && isEverywhere(strings.TrimSuffix(value, ":"+fromPort)):
			value = strings.TrimSuffix(value, fromPort) + toPort
		case value == m.From.Name && (option == "--name=" || words[i-1] == "--name"):
			value = m.To.Name
		}
		out[i] = option + value
	}
	return out
}

// isEverywhere reports whether a host stands for all addresses of a machine.
func isEverywhere(host string) bool {
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "" || host == "*" || ip != nil && ip.IsUnspecified()
}

// pythonPath is the line of settings.py that names Python, by which OMFLOW installs the
// packages of flows. An empty one stays empty: OMFLOW takes the Python that runs it then.
var pythonPath = regexp.MustCompile(`(?m)^([ \t]*PYTHON_PATH[ \t]*=[ \t]*)[rR]?("(?:[^"\n\\]|\\.)+"|'(?:[^'\n\\]|\\.)+')`)

// Settings writes a settings.py for the new place: the paths in the server's folder, and
// the path of Python, if it is written. The rest is the same on all servers: LOCAL_IP and
// LOCAL_PORT are the front door's address, which links in mails need.
func (m Move) Settings(text []byte, python string) []byte {
	text = []byte(m.Path(string(text)))
	if python == "" {
		return text
	}
	quoted := []byte(`"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(python) + `"`)
	return pythonPath.ReplaceAllFunc(text, func(line []byte) []byte {
		name := pythonPath.FindSubmatch(line)[1]
		return slices.Concat(bytes.Clone(name), quoted)
	})
}
