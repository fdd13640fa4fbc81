package front

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/omflow"
	"github.com/omflow/booster/internal/omflow/token"
	"github.com/omflow/booster/internal/proxy"
)

const (
	// tokenLook is how much of a body is searched for its token, in bytes.
	tokenLook = 1 << 20
	// tokenRefusals bounds how often one call is sent again because a server did not
	// know its token: as many servers may have been restarted, or be strangers to a
	// token from before the booster's own restart.
	tokenRefusals = 16
)

// restToken is the REST token of a call.
type restToken struct {
	present bool
	inQuery bool
	at      int          // in the body, or in the target
	own     string       // the client's
	written string       // what stands in its place now
	login   *token.Login // nil: the broker does not know it
	refused int
}

// broker returns who makes tokens good on all servers, or nil if they are passed on as
// they are.
func (x *passage) broker() *token.Broker {
	if !x.f.cfg.Table.Repairs().Tokens {
		return nil
	}
	return x.f.cfg.Tokens
}

// findToken finds the call's token and its login.
func (x *passage) findToken() {
	cfg := &x.f.cfg
	if !cfg.Table.REST(x.view.Path) {
		return
	}
	t := &x.rest
	var found []byte
	if look, err := x.body.Look(tokenLook); err == nil {
		if t.at, t.present = cfg.Table.FindToken(look, x.view.ContentType); t.present {
			found = look[t.at : t.at+token.Length]
		}
	}
	if !t.present {
		query := x.r.URL.RawQuery
		if at, ok := cfg.Table.FindTokenInQuery(query); ok {
			t.present, t.inQuery = true, true
			t.at = len(x.out.Target) - len(query) + at
			found = []byte(query[at : at+token.Length])
		}
	}
	if !t.present {
		return
	}
	t.own = string(found)
	t.written = t.own
	broker := x.broker()
	if broker == nil {
		return
	}
	t.login, _ = broker.Lookup(x.start, found)
	if t.login != nil {
		if home, ok := broker.Home(t.login); ok {
			x.ask.Sticky = home // nobody else can be made to know it
		}
	}
}

// useToken puts the server's own token into the call. Where there is none to be had,
// the client's goes out, and OMFLOW answers as it would without us.
func (x *passage) useToken(server *balance.Server, up *proxy.Upstream) error {
	t, broker := &x.rest, x.broker()
	if !t.present || broker == nil {
		return nil
	}
	own := t.own
	if t.login != nil {
		value, ok := broker.For(time.Now(), t.login, server.ID())
		if !ok {
			var err error
			value, err = broker.Fetch(x.ctx, t.login, server.ID(), func(ctx context.Context, authorization string) (string, error) {
				return x.fetchToken(ctx, up, authorization)
			})
			switch {
			case err == nil:
			case errors.Is(err, token.ErrNoLogin), errors.Is(err, errNotIssued):
				value = own
			case errors.Is(err, token.ErrRefused):
				value, t.login = own, nil
				x.log(slog.LevelInfo, "the login of a REST token is not valid any more", server.Name(), err)
			default:
				return err
			}
		}
		own = value
	}
	x.trace.TokenChanged = own != t.own
	return x.writeToken(own)
}

func (x *passage) writeToken(value string) error {
	t := &x.rest
	if value == t.written {
		return nil
	}
	if t.inQuery {
		x.out.Target = x.out.Target[:t.at] + value + x.out.Target[t.at+token.Length:]
	} else if err := x.body.Overwrite(t.at, value); err != nil {
		return err
	}
	t.written = value
	return nil
}

// fetchToken asks a server for its own token of a login. It goes on when the client
// of this call goes away: others may wait for the same.
func (x *passage) fetchToken(ctx context.Context, up *proxy.Upstream, authorization string) (string, error) {
	ctx = context.WithoutCancel(ctx)
	r := proxy.Request{
		Method: http.MethodPost, Target: x.f.cfg.Table.TokenPath(), Host: x.out.Host, Repeatable: true,
		Set: []proxy.Field{{Name: "Authorization", Value: authorization}, {Name: "X-Request-Id", Value: x.id}},
	}
	httpStatus, body, err := ask(ctx, up, &r)
	if err != nil {
		return "", fmt.Errorf("fetch a REST token: %w", err)
	}
	value, ok := x.f.cfg.Table.TokenAnswer(body)
	if ok {
		return value, nil
	}
	status, message, ok := omflow.BodyStatus(body)
	if ok && status == http.StatusForbidden {
		return "", fmt.Errorf("fetch a REST token: %s: %w", message, token.ErrRefused)
	}
	return "", fmt.Errorf("%w: HTTP %d, status %d", errNotIssued, httpStatus, status)
}

// ask puts a question of our own to a server, on the place that a request has there,
// and returns the answer's status and the beginning of its body.
func ask(ctx context.Context, up *proxy.Upstream, r *proxy.Request) (status int, body []byte, err error) {
	answer, err := up.Do(ctx, time.Now(), r)
	if err != nil {
		return 0, nil, err
	}
	defer func() { answer.Finish(time.Now()) }()
	body, err = io.ReadAll(io.LimitReader(answer, wholeAnswer))
	return answer.Status, body, err
}

// errNotIssued: the server answered, but issued no token.
var errNotIssued = errors.New("fetch a REST token: the server issued none")

// tokenAnswered looks at the answer to a call with a token. It reports true when the
// server did not know the token, so that nothing was done, and the call should be sent
// again.
func (x *passage) tokenAnswered(server *balance.Server, body []byte) (again bool) {
	t, broker := &x.rest, x.broker()
	if !t.present || broker == nil {
		return false
	}
	if !x.f.cfg.Table.TokenRefused(body) {
		if t.login == nil && t.written == t.own && !x.f.cfg.Table.TokenExpired(body) {
			broker.Adopt(time.Now(), server.ID(), t.own)
		}
		return false
	}
	if t.refused++; t.refused > tokenRefusals {
		return false
	}
	if t.login != nil {
		if _, adopted := broker.Home(t.login); !adopted {
			// It was restarted. The next try fetches another, here or elsewhere.
			broker.Refused(t.login, server.ID(), t.written)
			return true
		}
		t.login = nil
	}
	// Whose it is, nobody knows: another server may.
	x.ask.Sticky = 0
	x.avoid(server)
	return x.f.cfg.Fleet.Balancer().Untried(&x.ask)
}

// learnToken remembers a token that a server has just issued to a client.
func (x *passage) learnToken(server *balance.Server, body []byte) {
	cfg, broker := &x.f.cfg, x.broker()
	if broker == nil || !cfg.Table.IsTokenRequest(&x.view) {
		return
	}
	if value, ok := cfg.Table.TokenAnswer(body); ok {
		broker.Learn(time.Now(), server.ID(), first(x.r.Header["Authorization"]), value)
	}
}
