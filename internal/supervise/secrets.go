package supervise

import "regexp"

var (
	secretInURL = regexp.MustCompile(`(?i)([a-z][a-z0-9+.-]*://[^\s:/@"']*:)[^\s"']*@`)
	secretNamed = regexp.MustCompile(`(?i)([\w-]*(?:password|passwd|passphrase|pwd|secret|token|api_?key)[\w-]*["']?\s*[:=]>?\s*)` +
		`\(?(?:[bruf]{0,2}"(?:\\.|[^"\\])*(?:"|$)|[bruf]{0,2}'(?:\\.|[^'\\])*(?:'|$)|\{[^}]*(?:\}|$)|(?:[^\s,;&)\]}"']|[)\]}"'][^\s,;&)\]}"'])+)`)
)

// WithoutSecrets puts an ellipsis in the place of what looks like a password in a program's
// output. The output may be an exception that quotes a connection string or a setting, and
// what is told of it to other machines is seen by more people than the program's own log.
func WithoutSecrets(output string) string {
	return secretNamed.ReplaceAllString(secretInURL.ReplaceAllString(output, "${1}…@"), "${1}…")
}
