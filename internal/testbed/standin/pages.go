package standin

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"strings"

	"github.com/omflow/booster/internal/testbed/database"
	"github.com/omflow/booster/internal/testbed/locale"
)

//go:embed pages/*.html
var pageFiles embed.FS

// loginSize is the size of OMFLOW's login page in bytes. The stand-in's own is
// filled up to it: compression, buffers and throughput depend on it.
const loginSize = 47_600

// pages holds the templates of each language. It is only read.
var pages = parsePages()

func parsePages() map[locale.Language]*template.Template {
	m := map[locale.Language]*template.Template{}
	for _, l := range []locale.Language{locale.Traditional, locale.Simplified, locale.English, locale.Japanese} {
		funcs := template.FuncMap{
			"t":       l.Text,
			"padding": func() template.HTML { return paddingMark },
		}
		m[l] = template.Must(template.New("").Funcs(funcs).ParseFS(pageFiles, "pages/*.html"))
	}
	return m
}

// paddingMark is where the login page is filled up.
const paddingMark = "<!-- padding -->"

// pageData is what the templates get.
type pageData struct {
	Lang   locale.Language
	Title  string
	User   string
	Server string
	Home   bool
	Flows  []database.Flow
}

func render(name string, d pageData) ([]byte, error) {
	var b bytes.Buffer
	if err := pages[d.Lang].ExecuteTemplate(&b, name, d); err != nil {
		return nil, fmt.Errorf("rendering %s: %w", name, err)
	}
	return b.Bytes(), nil
}

func renderLogin(r *request) (response, error) {
	html, err := render("login.html", pageData{Lang: r.lang})
	if err != nil {
		return response{}, err
	}
	fill := ""
	if n := loginSize - len(html) + len(paddingMark) - len("<!-- -->"); n > 0 {
		fill = "<!-- " + strings.Repeat(".", n) + "-->"
	}
	html = bytes.Replace(html, []byte(paddingMark), []byte(fill), 1)
	return page(http.StatusOK, html), nil
}

// loginPage shows the form, or the home page to one who is signed in.
func loginPage(s *Server, r *request) (response, error) {
	if err := s.loadSession(r); err != nil {
		return response{}, err
	}
	if r.user != "" {
		return homePage(s, r)
	}
	r.dropSession()
	r.setCSRF(false)
	return renderLogin(r)
}

// homePage has the form for a new ticket and the open ones.
func homePage(s *Server, r *request) (response, error) {
	return s.appPage(r, "首頁", true)
}

// missionPage has the open tickets.
func missionPage(s *Server, r *request) (response, error) {
	return s.appPage(r, "我的任務", false)
}

func (s *Server) appPage(r *request, title string, home bool) (response, error) {
	r.setCSRF(false)
	html, err := render("home.html", pageData{
		Lang: r.lang, Title: r.lang.Text(title), User: r.user, Server: s.cfg.Name,
		Home: home, Flows: s.engine.Flows(),
	})
	if err != nil {
		return response{}, err
	}
	return page(http.StatusOK, html), nil
}

func htmlEscape(s string) string { return template.HTMLEscapeString(s) }
