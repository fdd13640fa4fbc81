package standin

import (
	"io"
	"net/http"
	"strconv"

	"github.com/omflow/booster/internal/testbed/django"
)

// response is what a view returns.
type response struct {
	code    int
	kind    string // content type
	body    []byte
	stream  io.ReadCloser // instead of body: sent without Content-Length
	headers [][2]string   // further ones, Set-Cookie among them
}

// Statuses in the body of a JSON answer.
const (
	statusOK        = 200
	statusForbidden = 403
	statusNotFound  = 404
	statusError     = 500
)

// page is an HTML answer.
func page(code int, html []byte) response {
	return response{code: code, kind: "text/html; charset=utf-8", body: html}
}

// jsonAnswer is OMFLOW's answer to an API call: HTTP 200 whatever happened.
func jsonAnswer(status int, message string, result any) response {
	return jsonValue(answer{status, message, result})
}

// answer has OMFLOW's order of fields.
type answer struct {
	Status  int    `json:"status"`
	Message string `json:"message"`
	Result  any    `json:"result"`
}

func jsonValue(v any) response {
	b, err := django.JSON(v)
	if err != nil {
		return serverError(err)
	}
	return response{code: http.StatusOK, kind: "application/json", body: b}
}

// redirect is a relative one, as Django makes them.
func redirect(code int, to string) response {
	return response{
		code: code, kind: "text/html; charset=utf-8", headers: [][2]string{{"Location", to}},
	}
}

// serverError is the page of an exception that nobody caught.
func serverError(err error) response {
	return page(http.StatusInternalServerError, []byte("<!DOCTYPE html>\n<html><head><title>Exception</title></head><body>"+
		"<h1>Server Error (500)</h1><pre>"+htmlEscape(err.Error())+"</pre></body></html>\n"))
}

// write sends the answer.
func (s *Server) write(w http.ResponseWriter, r *request, a response) {
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Content-Language", string(r.lang))
	h.Set("Vary", "Accept-Language, Cookie")
	for _, kv := range a.headers {
		h.Add(kv[0], kv[1])
	}
	for _, c := range r.cookies {
		http.SetCookie(w, c)
	}
	if a.stream == nil {
		h.Set("Content-Length", strconv.Itoa(len(a.body)))
		w.WriteHeader(a.code)
		w.Write(a.body) // fails only when the client is gone
		return
	}
	defer a.stream.Close()
	w.WriteHeader(a.code)
	// An early flush makes net/http send chunks: with no Content-Length, as
	// gunicorn sends what Django streams.
	if err := http.NewResponseController(w).Flush(); err != nil {
		return // the client is gone
	}
	if _, err := io.Copy(w, a.stream); err != nil {
		panic(http.ErrAbortHandler) // the answer is torn; it must not look whole
	}
}
