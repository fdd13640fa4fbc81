package standin

import (
	"crypto/subtle"
	"net/http"

	"github.com/omflow/booster/internal/testbed/django"
)

const (
	csrfCookie = "csrftoken"
	csrfHeader = "X-CSRFToken"
	csrfMaxAge = 31449600 // a year less a day, in seconds
)

// csrfOK tells whether a POST comes from the server's own page.
func (r *request) csrfOK() bool {
	c, err := r.Cookie(csrfCookie)
	if err != nil {
		return false
	}
	cookie, ok := django.UnmaskCSRF(c.Value)
	if !ok {
		return false
	}
	token := r.Header.Get(csrfHeader)
	if token == "" {
		token = r.params.Text("csrfmiddlewaretoken")
	}
	sent, ok := django.UnmaskCSRF(token)
	return ok && subtle.ConstantTimeCompare([]byte(cookie), []byte(sent)) == 1
}

// setCSRF gives the browser a token: the one it has, or a new one.
func (r *request) setCSRF(rotate bool) {
	token := ""
	if c, err := r.Cookie(csrfCookie); err == nil && !rotate {
		if _, ok := django.UnmaskCSRF(c.Value); ok {
			token = c.Value
		}
	}
	if token == "" {
		token = django.NewCSRFToken()
	}
	r.cookies = append(r.cookies, &http.Cookie{
		Name: csrfCookie, Value: token, Path: "/", MaxAge: csrfMaxAge, SameSite: http.SameSiteLaxMode,
	})
}

// csrfFailed is Django's page.
func csrfFailed() response {
	return page(http.StatusForbidden, []byte("<!DOCTYPE html>\n<html><head><title>403 Forbidden</title></head><body>"+
		"<h1>Forbidden <span>(403)</span></h1><p>CSRF verification failed. Request aborted.</p></body></html>\n"))
}
