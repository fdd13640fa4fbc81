package standin

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/omflow/booster/internal/testbed/database"
	"github.com/omflow/booster/internal/testbed/django"
)

const (
	sessionCookie = "sessionid"
	// sessionAge is how long a session lives without a poll of the left side
	// menu, in seconds.
	sessionAge = 130
)

// session is what a session row says.
type session struct {
	key string // empty: anonymous

	User     string `json:"_auth_user_id"`
	WebLogin bool   `json:"web_login"`
}

// encode signs the session with the server's key, as Django's
// signing.dumps does for the session table.
func (s *Server) encode(v session) ([]byte, error) {
	payload, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encoding a session: %w", err)
	}
	return append(s.sign(payload), payload...), nil
}

func (s *Server) sign(payload []byte) []byte {
	m := hmac.New(sha256.New, []byte(s.cfg.SecretKey))
	m.Write(payload)
	return m.Sum(nil)
}

// decode reads a session row. One that another key signed is empty, as in Django:
// nobody is told.
func (s *Server) decode(row database.Session) session {
	if len(row.Data) < sha256.Size {
		return session{}
	}
	mac, payload := row.Data[:sha256.Size], row.Data[sha256.Size:]
	var v session
	if !hmac.Equal(mac, s.sign(payload)) || json.Unmarshal(payload, &v) != nil {
		return session{}
	}
	v.key = row.Key
	return v
}

// loadSession finds out who the browser's user is. With a session cookie it needs
// the database.
func (s *Server) loadSession(r *request) error {
	c, err := r.Cookie(sessionCookie)
	if err != nil || c.Value == "" {
		return nil
	}
	row, err := s.db.Session(c.Value)
	if err != nil {
		return fmt.Errorf("loading the session: %w", err)
	}
	if row.Key == "" || row.Expire.Before(time.Now()) {
		return nil
	}
	r.session = s.decode(row)
	r.user = r.session.User
	return nil
}

// login makes a web session for the user and gives it to the browser. The
// session that the browser had before is replaced.
func (s *Server) login(r *request, user string) error {
	if c, err := r.Cookie(sessionCookie); err == nil && c.Value != "" {
		if err := s.db.DeleteSession(c.Value); err != nil {
			return fmt.Errorf("replacing a session: %w", err)
		}
	}
	v := session{key: django.RandomLetters(32), User: user, WebLogin: true}
	row, err := s.row(v)
	if err != nil {
		return err
	}
	if err := s.db.InsertSession(row); err != nil {
		return fmt.Errorf("saving a session: %w", err)
	}
	r.session, r.user = v, user
	r.setSession(v.key)
	r.setCSRF(true)
	return nil
}

func (s *Server) row(v session) (database.Session, error) {
	data, err := s.encode(v)
	return database.Session{Key: v.key, Data: data, Expire: time.Now().Add(sessionAge * time.Second)}, err
}

// renew gives the session its full time again. It returns false when the session
// was deleted since it was loaded.
func (s *Server) renew(r *request) (bool, error) {
	row, err := s.row(r.session)
	if err != nil {
		return false, err
	}
	found, err := s.db.UpdateSession(row)
	if err != nil {
		return false, fmt.Errorf("renewing the session: %w", err)
	}
	if found {
		r.setSession(row.Key)
	}
	return found, nil
}

// logout deletes the browser's session, if it has one, and its cookie.
func (s *Server) logout(r *request) error {
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return nil
	}
	if err := s.db.DeleteSession(c.Value); err != nil {
		return fmt.Errorf("deleting the session: %w", err)
	}
	r.session, r.user = session{}, ""
	r.dropSession()
	return nil
}

// webSession returns the session with which the user is signed in at a browser,
// as far as this server can read the table.
func (s *Server) webSession(user string) (database.Session, bool, error) {
	rows, err := s.db.Sessions()
	if err != nil {
		return database.Session{}, false, fmt.Errorf("reading sessions: %w", err)
	}
	for _, row := range rows {
		if v := s.decode(row); v.User == user && v.WebLogin {
			return row, true, nil
		}
	}
	return database.Session{}, false, nil
}

func (r *request) setSession(key string) {
	r.cookies = append(r.cookies, &http.Cookie{
		Name: sessionCookie, Value: key, Path: "/", MaxAge: sessionAge,
		HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// dropSession tells the browser to forget its session cookie, if it has one.
func (r *request) dropSession() {
	if _, err := r.Cookie(sessionCookie); err != nil {
		return
	}
	r.cookies = append(r.cookies, &http.Cookie{
		Name: sessionCookie, Path: "/", MaxAge: -1, Expires: time.Unix(0, 0), SameSite: http.SameSiteLaxMode,
	})
}
