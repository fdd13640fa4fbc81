package standin

import (
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"

	"github.com/omflow/booster/internal/testbed/django"
	"github.com/omflow/booster/internal/testbed/engine"
	"github.com/omflow/booster/internal/testbed/locale"
)

const (
	// maxBody is Django's DATA_UPLOAD_MAX_MEMORY_SIZE: a longer body that is not
	// multipart is ignored.
	maxBody = 2_621_440
	// maxMultipart bounds an upload with everything in it. OMFLOW has no bound;
	// a test machine's disk has.
	maxMultipart = 1 << 30
	// multipartMemory is how much of an upload is kept in memory; the rest goes
	// to temporary files.
	multipartMemory = 1 << 20
	// maxJunk is how much of an ignored body is read, so that a client that
	// sends first and reads later sees the answer.
	maxJunk = 1 << 30
)

// request is a request as a view sees it.
type request struct {
	*http.Request
	lang   locale.Language
	params django.Params
	files  []engine.Upload
	form   *multipart.Form // to be removed at the end
	arg    string          // the variable part of the path

	session session
	user    string
	cookies []*http.Cookie // to be set with the answer
}

// parse reads the body as Django does. An error means that the client broke off
// in the middle: there is nobody to answer.
func (s *Server) parse(hr *http.Request) (*request, error) {
	r := &request{Request: hr, params: django.Params{}, arg: ""}
	language := ""
	if c, err := hr.Cookie("django_language"); err == nil {
		language = c.Value
	}
	r.lang = locale.Choose(language, hr.Header.Get("Accept-Language"))
	if hr.ContentLength <= 0 {
		// None at all, or chunked. Django reads CONTENT_LENGTH bytes, and a
		// chunked body has no CONTENT_LENGTH.
		return r, drain(hr.Body)
	}
	kind, attrs, err := mime.ParseMediaType(hr.Header.Get("Content-Type"))
	if err != nil {
		kind = ""
	}
	switch {
	case kind == "multipart/form-data":
		return r, r.parseMultipart(attrs["boundary"])
	case hr.ContentLength > maxBody:
		return r, drain(hr.Body)
	}
	body, err := io.ReadAll(hr.Body)
	if err != nil {
		return r, fmt.Errorf("reading the body: %w", err)
	}
	r.params = django.ParseBody(kind, body)
	return r, nil
}

// parseMultipart takes fields and files. A body that is no proper multipart has
// neither.
func (r *request) parseMultipart(boundary string) error {
	if boundary == "" || r.ContentLength > maxMultipart {
		return drain(r.Body)
	}
	form, err := multipart.NewReader(r.Body, boundary).ReadForm(multipartMemory)
	if err != nil {
		return drain(r.Body)
	}
	r.form = form
	for k, v := range form.Value {
		r.params.Set(k, v[len(v)-1])
	}
	for _, f := range form.File["files"] {
		r.files = append(r.files, engine.Upload{
			Name: f.Filename,
			Open: func() (io.ReadCloser, error) { return f.Open() },
		})
	}
	return drain(r.Body)
}

// close removes what the request left on disk.
func (r *request) close() {
	if r.form != nil {
		r.form.RemoveAll() // temporary files; the system clears them too
	}
}

// drain reads the rest of a body.
func drain(body io.Reader) error {
	if _, err := io.Copy(io.Discard, io.LimitReader(body, maxJunk)); err != nil {
		return fmt.Errorf("reading the body: %w", err)
	}
	return nil
}

// basicAuth returns the credentials of a Basic Authorization header. OMFLOW splits
// at every colon, so a password can't have one.
func (r *request) basicAuth() (user, password string, ok bool) {
	user, password, ok = r.BasicAuth()
	return user, password, ok && user != "" && !strings.Contains(password, ":")
}
