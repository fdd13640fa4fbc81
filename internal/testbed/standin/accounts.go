package standin

import (
	"time"

	"github.com/omflow/booster/internal/testbed/database"
)

// loginFailed is what OMFLOW says to any exception while signing in, a database
// that is down among them.
func (r *request) loginFailed() response {
	return jsonAnswer(statusForbidden, r.lang.Text("登入失敗，查無此使用者帳號。"), nil)
}

// authenticate returns the account of the request's credentials. Without one it
// returns the answer.
func (s *Server) authenticate(r *request) (database.User, response, bool) {
	name, password, ok := r.basicAuth()
	if !ok {
		return database.User{}, r.loginFailed(), false
	}
	u, err := s.db.User(name)
	if err != nil || u.ID == 0 {
		return u, r.loginFailed(), false
	}
	if !u.CheckPassword(password) {
		return u, jsonAnswer(statusForbidden, r.lang.Text("登入失敗。"), nil), false
	}
	return u, response{}, true
}

// checkLoginAjax signs in, unless the user is signed in elsewhere.
func checkLoginAjax(s *Server, r *request) (response, error) {
	u, a, ok := s.authenticate(r)
	if !ok {
		return a, nil
	}
	row, elsewhere, err := s.webSession(u.Name)
	if err == nil && elsewhere && row.Expire.After(time.Now()) {
		return jsonAnswer(statusOK, r.lang.Text("重複登入。"), true), nil
	}
	if err == nil && elsewhere {
		err = s.db.DeleteSession(row.Key)
	}
	if err == nil {
		err = s.login(r, u.Name)
	}
	if err != nil {
		return r.loginFailed(), nil
	}
	return jsonAnswer(statusOK, "", false), nil
}

// loginAjax signs in and ends the session that the user had elsewhere.
func loginAjax(s *Server, r *request) (response, error) {
	u, a, ok := s.authenticate(r)
	if !ok {
		return a, nil
	}
	row, elsewhere, err := s.webSession(u.Name)
	if err == nil && elsewhere {
		err = s.db.DeleteSession(row.Key)
	}
	if err == nil {
		err = s.login(r, u.Name)
	}
	if err != nil {
		return r.loginFailed(), nil
	}
	return jsonAnswer(statusOK, r.lang.Text("登入成功。"), nil), nil
}

// logoutPage ends the session and shows the login page.
func logoutPage(s *Server, r *request) (response, error) {
	if err := s.logout(r); err != nil {
		return response{}, err
	}
	r.setCSRF(false)
	return renderLogin(r)
}

// securityAjax gives the user's REST token.
func securityAjax(s *Server, r *request) (response, error) {
	name, password, _ := r.basicAuth()
	u, err := s.db.User(name)
	if err != nil {
		return response{}, err
	}
	if u.ID == 0 {
		return jsonAnswer(statusError, "OmUser matching query does not exist.", nil), nil
	}
	if !u.CheckPassword(password) {
		return jsonAnswer(statusForbidden, r.lang.Text("使用者不存在或未啟用。"), nil), nil
	}
	token := s.tokens.issue(u.Name, time.Now())
	return jsonAnswer(statusOK, r.lang.Text("取得成功。"), map[string]string{"security": token}), nil
}

// agreeAjax gives any system setting to anyone, which OMFLOW should not.
func agreeAjax(s *Server, r *request) (response, error) {
	v, err := s.db.Setting(r.params.Text("agree_type"))
	if err != nil {
		return response{}, err
	}
	if !v.Found {
		return jsonAnswer(statusError, "SystemSetting matching query does not exist.", nil), nil
	}
	return jsonAnswer(statusOK, r.lang.Text("取得成功。"), v.Value), nil
}
