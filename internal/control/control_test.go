package control

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

type note struct {
	Text string `json:"text"`
}

// nodes is a Do that reaches one handler, as member "s1".
func nodes(h http.HandlerFunc) Do {
	return func(_ context.Context, member string, r *http.Request) (*http.Response, error) {
		if member != "s1" {
			return nil, errors.New("no such member")
		}
		w := httptest.NewRecorder()
		h(w, r)
		return w.Result(), nil
	}
}

func TestCall(t *testing.T) {
	do := nodes(func(w http.ResponseWriter, r *http.Request) {
		n := note{Text: r.Method}
		if r.Method == http.MethodPost {
			if err := Decode(r.Body, 100, &n); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
		}
		switch n.Text {
		case "nothing":
			w.WriteHeader(http.StatusNoContent)
		case "refuse":
			http.Error(w, " not\xff today ", http.StatusConflict)
		case "long":
			http.Error(w, strings.Repeat("x", 10*maxRefusal), http.StatusTeapot)
		case "later":
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
		case "empty":
			w.WriteHeader(http.StatusForbidden)
		case "garbage":
			io.WriteString(w, "{")
		case "two":
			io.WriteString(w, `{"text":"a"} {"text":"b"}`)
		default:
			Answer(w, n)
		}
	})
	for _, tt := range []struct {
		name    string
		message any
		want    string
		status  int
		wrong   string
	}{
		{name: "a question", want: "GET"},
		{name: "a message", message: note{"hello"}, want: "hello"},
		{name: "an answer without a value", message: note{"nothing"}, wrong: "unexpected end"},
		{name: "a refusal", message: note{"refuse"}, status: http.StatusConflict, wrong: "HTTP 409: not? today"},
		{name: "a refusal without a word", message: note{"empty"}, status: http.StatusForbidden, wrong: "HTTP 403"},
		{name: "a long refusal", message: note{"long"}, status: http.StatusTeapot, wrong: "HTTP 418: " + strings.Repeat("x", maxRefusal)},
		{name: "half an answer", message: note{"garbage"}, wrong: "unexpected end"},
		{name: "two answers", message: note{"two"}, wrong: "after top-level value"},
		{name: "an answer that is too long", message: note{strings.Repeat("y", 60)}, wrong: "more than 50 bytes"},
		{name: "a message that is too long", message: note{strings.Repeat("y", 100)}, status: http.StatusBadRequest, wrong: "more than 100 bytes"},
		{name: "a message that is none", message: func() {}, wrong: "encode the message"},
	} {
		var got note
		err := do.Call(t.Context(), "s1", "/x", tt.message, &got, 50)
		switch {
		case tt.wrong == "" && (err != nil || got.Text != tt.want):
			t.Errorf("%s: %+v, %v", tt.name, got, err)
		case tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)):
			t.Errorf("%s: %v, want %q", tt.name, err, tt.wrong)
		case tt.status != 0 && (!Refused(err, tt.status) || Refused(err, tt.status+1)):
			t.Errorf("%s: not refused with %d: %v", tt.name, tt.status, err)
		}
	}
	var busy *Refusal
	if err := do.Call(t.Context(), "s1", "/x", note{"later"}, nil, 0); !errors.As(err, &busy) || !busy.Later {
		t.Errorf("asked to come later: %v", err)
	}
	if err := do.Call(t.Context(), "s1", "/x", note{"nothing"}, nil, 0); err != nil {
		t.Errorf("no answer wanted: %v", err)
	}
	if err := do.Call(t.Context(), "s2", "/x", nil, nil, 0); err == nil || Refused(err, http.StatusNotFound) {
		t.Errorf("nobody there: %v", err)
	}
	if err := do.Call(t.Context(), "s1", "::", nil, nil, 0); err == nil {
		t.Error("a path that is none is asked for")
	}
}
