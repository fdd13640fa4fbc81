package standin

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/omflow/booster/internal/testbed/engine"
	"github.com/omflow/booster/internal/testbed/interpreter"
)

// restPrefix is where every other URL exists once more for API clients.
const restPrefix = "/rest/"

// work takes a thread and answers the request with it. slow multiplies the time
// that it takes.
func (s *Server) work(w http.ResponseWriter, hr *http.Request, slow float64) {
	select {
	case s.slots <- struct{}{}:
	case <-s.done:
		panic(http.ErrAbortHandler)
	}
	defer func() { <-s.slots }()
	r, err := s.parse(hr)
	defer r.close()
	if err != nil {
		panic(http.ErrAbortHandler) // the client left in mid-body
	}
	do, c := s.resolve(r)
	a := s.spend(c.Scale(s.cfg.TimeScale*slow), do)
	s.write(w, r, a)
}

// spend works off a request's cost and carries the request out in the middle of
// it. It does not return when the process is killed.
func (s *Server) spend(c interpreter.Cost, do func() response) response {
	task := s.time.Begin()
	first := c.Interpret / 2
	task.Interpret(first)
	task.Wait(c.Wait)
	s.mustLive()
	a := do()
	task.Interpret(c.Interpret - first)
	s.mustLive()
	return a
}

func (s *Server) mustLive() {
	if s.killed() {
		panic(http.ErrAbortHandler)
	}
}

// always answers the same.
func always(a response) func() response {
	return func() response { return a }
}

// resolve finds out what is to be done and what it costs. It needs nothing but
// this process's memory.
func (s *Server) resolve(r *request) (func() response, interpreter.Cost) {
	path := r.URL.Path
	if inner, ok := strings.CutPrefix(path, restPrefix); ok && inner != "" {
		return s.resolveREST(r, "/"+inner)
	}
	rt, arg, ok := find(path)
	if !ok {
		return always(notFound(r.Request)), costRefused
	}
	r.arg = arg
	_, noCookie := r.Cookie(sessionCookie)
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead && !rt.exempt && !r.csrfOK():
		return always(csrfFailed()), costRefused
	case rt.login && noCookie != nil:
		return always(toLogin(r.Request)), costRefused
	}
	return func() response {
		if rt.login {
			if err := s.loadSession(r); err != nil {
				return serverError(err)
			}
			if r.user == "" {
				r.dropSession()
				return toLogin(r.Request)
			}
		}
		return s.call(r, rt)
	}, rt.cost
}

// resolveREST is a call with a token. What the call costs is the inner route's
// matter, unless it gets nowhere.
func (s *Server) resolveREST(r *request, inner string) (func() response, interpreter.Cost) {
	refuse := func(text string, c interpreter.Cost) (func() response, interpreter.Cost) {
		return always(jsonAnswer(statusForbidden, text, nil)), c
	}
	rt, arg, ok := find(inner)
	if !ok {
		rt, arg, ok = find(inner + "/")
	}
	if !ok {
		return refuse(r.lang.Text("URL錯誤，請確認後重新發送請求。"), costNothing)
	}
	r.arg = arg
	if !r.params.Truthy("omflow_restapi") {
		return refuse(r.lang.Text("缺少參數：")+"omflow_restapi", costNothing)
	}
	if string(r.params["security"]) == "null" {
		return refuse(r.lang.Text("缺少安全碼。"), costNothing)
	}
	user, known, ok := s.tokens.check(r.params.Text("security"), time.Now())
	switch {
	case !known:
		return refuse(r.lang.Text("安全碼錯誤，請確認安全碼或重新取得新的安全碼。"), costBadToken)
	case !ok:
		return refuse(r.lang.Text("安全碼過期，請重新取得新的安全碼。"), costBadToken)
	}
	// Here every exception is caught, for the call itself is.
	rt.caught = true
	return func() response { return s.callREST(r, rt, user) }, rt.cost
}

// callREST signs the token's user in and out around the call. That is done on the
// session that the request's cookie names: a browser's session is destroyed.
func (s *Server) callREST(r *request, rt route, user string) response {
	account, err := s.db.User(user)
	if err != nil {
		return jsonAnswer(statusError, err.Error(), nil)
	}
	if account.ID == 0 {
		return jsonAnswer(statusError, "OmUser matching query does not exist.", nil)
	}
	r.user = user
	a := s.call(r, rt)
	if err := s.logout(r); err != nil {
		return jsonAnswer(statusError, err.Error(), nil)
	}
	return a
}

// call runs the view and makes an answer of its error.
func (s *Server) call(r *request, rt route) response {
	a, err := rt.view(s, r)
	var refusal engine.Refusal
	var missing *engine.MissingTable
	switch {
	case err == nil:
		return a
	case errors.As(err, &missing):
		return jsonAnswer(statusNotFound, r.lang.Text(engine.MissingTableText)+missing.UUID, nil)
	case errors.As(err, &refusal):
		return jsonAnswer(statusNotFound, r.lang.Text(string(refusal)), nil)
	case rt.caught:
		return jsonAnswer(statusError, err.Error(), nil)
	default:
		return serverError(err)
	}
}

// toLogin is Django's answer to an anonymous user.
func toLogin(r *http.Request) response {
	next := r.URL.EscapedPath()
	if r.URL.RawQuery != "" {
		next += "?" + r.URL.RawQuery
	}
	// Django leaves slashes as they are.
	return redirect(http.StatusFound, "/accounts/login/?next="+strings.ReplaceAll(url.QueryEscape(next), "%2F", "/"))
}

// notFound is the answer to an unknown URL. One that only lacks its last slash is
// redirected, except for a POST, whose body would be lost.
func notFound(r *http.Request) response {
	path := r.URL.Path
	if _, _, ok := find(path + "/"); ok && !strings.HasSuffix(path, "/") {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			to := strings.TrimLeft(r.URL.EscapedPath(), "/") // never //host/
			to = "/" + to + "/"
			if r.URL.RawQuery != "" {
				to += "?" + r.URL.RawQuery
			}
			return redirect(http.StatusMovedPermanently, to)
		}
		return serverError(fmt.Errorf("%s to a URL that does not end in a slash", r.Method))
	}
	return page(http.StatusNotFound, []byte("<!DOCTYPE html>\n<html><head><title>Not Found</title></head><body>"+
		"<h1>Not Found</h1><p>The requested resource was not found on this server.</p></body></html>\n"))
}
