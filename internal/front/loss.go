package front

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"

	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/omflow"
	"github.com/omflow/booster/internal/proxy"
)

var errSilentLoss = errors.New("it answered that the ticket was opened, without a number, and does not have the flow's model")

// lost reports whether a create that was answered as done, but without a ticket's
// number, has made none: the server is asked whether it has the flow's model. The
// place on it is still this request's.
func (x *passage) lost(h *held, answer []byte) bool {
	if !x.f.cfg.Table.SilentLoss(&x.view, h.answer.Status, answer) {
		return false
	}
	server := h.grant.Server
	up := x.f.cfg.Fleet.Upstream(server)
	check, ok := x.f.cfg.Table.CheckLoss(&x.view, x.rest.written)
	if !ok {
		return false
	}
	body, err := proxy.ReadBody(bytes.NewReader(check.Body), int64(len(check.Body)), 0, "")
	if err != nil {
		return false
	}
	defer body.Close()
	r := proxy.Request{
		Method: check.Method, Target: check.Path, Host: x.out.Host, Body: body, Repeatable: true,
		Set: []proxy.Field{{Name: "Content-Type", Value: check.ContentType}, {Name: "X-Request-Id", Value: x.id}, {Name: "Cookie", Value: x.serverCookies()}},
	}
	status, text, err := ask(x.ctx, up, &r)
	if err != nil {
		x.log(slog.LevelWarn, "can't find out whether a ticket was lost", server.Name(), err)
		return false
	}
	return x.f.cfg.Table.Lost(status, text)
}

// serverCookies is the Cookie field as the server gets it.
func (x *passage) serverCookies() string {
	for _, f := range x.out.Set {
		if f.Name == "Cookie" {
			return f.Value
		}
	}
	return strings.Join(x.r.Header["Cookie"], "; ")
}

// judge looks at a whole answer of OMFLOW before the client gets it. It reports whether
// the request should be sent again, and whether it was answered by us instead; in both
// cases the place is given back.
func (x *passage) judge(h *held, body []byte) (again, answered bool) {
	if x.f.cfg.Plain {
		return false, false
	}
	server := h.grant.Server
	x.noteAnswer(h.answer.Status, body)
	if x.tokenAnswered(server, body) {
		h.free()
		return true, false
	}
	x.learnToken(server, body)
	x.changed(h, body)
	if x.lost(h, body) {
		h.free()
		x.refuseLost(server)
		return false, true
	}
	return false, false
}

func (x *passage) refuseLost(server *balance.Server) {
	x.noteUnsent()
	x.log(slog.LevelWarn, "a ticket was not created", server.Name(), errSilentLoss)
	x.refuse(omflow.NotCreated)
}
