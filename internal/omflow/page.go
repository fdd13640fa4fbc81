package omflow

import (
	"html"
	"strconv"

	"github.com/omflow/booster/internal/omflow/profile"
)

const maxShownID = 64

// pageStyle is the whole look of the page. It loads nothing: the servers that
// could deliver a style sheet may be what is missing.
const pageStyle = `:root{color-scheme:light dark;--bg:#f5f6f8;--card:#fff;--text:#1f2430;--soft:#6b7280;--line:#e3e6eb;--mark:#2563a8}
@media (prefers-color-scheme:dark){:root{--bg:#14171c;--card:#1d2128;--text:#e6e8ec;--soft:#98a0ac;--line:#2e343d;--mark:#7ab0ea}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:flex;align-items:center;justify-content:center;padding:1.5rem;background:var(--bg);color:var(--text);font:16px/1.7 system-ui,-apple-system,"Segoe UI","Noto Sans","Noto Sans CJK TC","Microsoft JhengHei","PingFang TC","Hiragino Sans","Yu Gothic","Microsoft YaHei",sans-serif}
main{width:100%;max-width:34rem;padding:2.25rem 2.5rem;background:var(--card);border:1px solid var(--line);border-top:4px solid var(--mark);border-radius:10px}
h1{margin:0 0 .75rem;font-size:1.35rem;line-height:1.4;font-weight:600}
p{margin:0 0 1rem}
a{color:var(--mark)}
footer{margin-top:1.75rem;padding-top:1rem;border-top:1px solid var(--line);color:var(--soft);font-size:.85rem;overflow-wrap:anywhere}
code{font-family:ui-monospace,Consolas,monospace}
`

// page builds the page for browsers. Only a GET is offered to be repeated, and
// only after a 503, which says that nothing was carried out; it then repeats
// itself after wait seconds. A page's form must not be sent twice unasked.
func (a Answer) page(t profile.Text, lang language, wait int, isGet bool) []byte {
	l := pageLabels[lang]
	b := make([]byte, 0, 3072)
	b = append(b, "<!doctype html>\n<html lang=\""+lang.tag()+"\">\n<head>\n<meta charset=\"utf-8\">\n"...)
	b = append(b, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"...)
	b = append(b, "<meta name=\"robots\" content=\"noindex\">\n"...)
	retry := isGet && wait > 0
	if retry {
		b = append(b, "<meta http-equiv=\"refresh\" content=\""...)
		b = strconv.AppendInt(b, int64(wait), 10)
		b = append(b, "\">\n"...)
	}
	title := html.EscapeString(t.Title)
	b = append(b, "<title>"+title+"</title>\n<style>\n"+pageStyle+"</style>\n</head>\n<body>\n<main>\n"...)
	b = append(b, "<h1>"+title+"</h1>\n<p>"+html.EscapeString(t.Message)+"</p>\n"...)
	if retry {
		b = append(b, "<p>"+html.EscapeString(l.refreshes)+" <a href=\"\">"+html.EscapeString(l.again)+"</a></p>\n"...)
	}
	b = append(b, "<footer>"...)
	b = strconv.AppendInt(b, int64(a.Reason.Status()), 10)
	if id := printable(a.RequestID); id != "" {
		b = append(b, " · "+html.EscapeString(l.requestID)+" <code>"+html.EscapeString(id)+"</code>"...)
	}
	return append(b, "</footer>\n</main>\n</body>\n</html>\n"...)
}

// printable returns the printable ASCII characters at the beginning of a
// request's id, which a client may have made up.
func printable(id string) string {
	if len(id) > maxShownID {
		id = id[:maxShownID]
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return id[:i]
		}
	}
	return id
}
