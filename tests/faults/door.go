package faults

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/omflow/booster/internal/testbed/client"
	"github.com/omflow/booster/internal/testbed/database"
)

// Door is a cluster as a check sees it.
type Door struct {
	// URL is the front door, without a path. Required.
	URL string
	// Truth is the database that the servers share. Required.
	Truth database.Queries
	// Servers is how many there are. Required.
	Servers int
	// Restart restarts a server as an operator does, from 0 on, and returns when it
	// serves again. Required.
	Restart func(ctx context.Context, server int) error
	// Kill ends a server with SIGKILL and returns when it serves again, started by
	// whatever supervises it. Required.
	Kill func(ctx context.Context, server int) error
	// StopDatabase and StartDatabase take the database down and bring it back.
	// Required.
	StopDatabase, StartDatabase func(ctx context.Context) error
	// Patience is how long something that was promised may take. Default 60s.
	Patience time.Duration
}

// Validate tells what is wrong with the door.
func (d Door) Validate() error {
	switch {
	case d.URL == "" || d.Truth.Caller == nil || d.Servers < 1:
		return errors.New("a door needs a URL, the database and a number of servers")
	case d.Restart == nil || d.Kill == nil || d.StopDatabase == nil || d.StartDatabase == nil:
		return errors.New("a door needs ways to restart and kill servers and to stop and start the database")
	case d.Patience < 0:
		return errors.New("the patience can't be negative")
	}
	return nil
}

// restartAll restarts the servers one after the other.
func (d Door) restartAll(ctx context.Context) error {
	for i := range d.Servers {
		if err := d.Restart(ctx, i); err != nil {
			return fmt.Errorf("restarting server %d: %w", i, err)
		}
	}
	return nil
}

// pollEvery is how often something is looked for.
const pollEvery = 20 * time.Millisecond

// wait looks until ok, or the patience is at its end: then it returns false.
func (d Door) wait(ctx context.Context, ok func() (bool, error)) (bool, error) {
	patience := d.Patience
	if patience == 0 {
		patience = time.Minute
	}
	end := time.NewTimer(patience)
	defer end.Stop()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if done, err := ok(); done || err != nil {
			return done, err
		}
		select {
		case <-tick.C:
		case <-end.C:
			return ok()
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// errPatience is what is said of something that did not happen.
var errPatience = errors.New("it did not happen in time")

// orSilent is err, or that nothing happened where there is none.
func orSilent(err error) error {
	if err == nil {
		return errPatience
	}
	return err
}

// watch looks for as long as d and returns the first error of look.
func watch(ctx context.Context, d time.Duration, look func() error) error {
	end := time.NewTimer(d)
	defer end.Stop()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if err := look(); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-end.C:
			return look()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// account is the user that every stand-in comes with, and every fresh OMFLOW Server.
const account = "admin"

// visitors are browsers that share a session and nothing else.
type visitors struct {
	door      Door
	transport *http.Transport
	session   map[string]string // cookies
}

// enter signs in, and takes over from whoever has the session.
func (d Door) enter(ctx context.Context) (*visitors, error) {
	v := d.strangers()
	if err := v.signIn(ctx); err != nil {
		v.leave()
		return nil, err
	}
	return v, nil
}

// strangers are visitors without a session.
func (d Door) strangers() *visitors {
	return &visitors{door: d, transport: &http.Transport{MaxIdleConnsPerHost: 64}}
}

// signIn gives the visitors a new session. OMFLOW's ends after 130 seconds without a
// page that polls: what comes after servers were restarted needs another one.
func (v *visitors) signIn(ctx context.Context) error {
	v.session = nil
	c, err := v.client()
	if err != nil {
		return err
	}
	if err := c.SignIn(ctx, true); err != nil {
		return fmt.Errorf("signing in: %w", err)
	}
	v.session = map[string]string{"sessionid": c.Cookie("sessionid"), "csrftoken": c.Cookie("csrftoken")}
	return nil
}

// leave ends the visitors' connections.
func (v *visitors) leave() { v.transport.CloseIdleConnections() }

// client is one visitor.
func (v *visitors) client() (*client.Client, error) {
	c, err := client.New(client.Config{URL: v.door.URL, User: account, Password: account, Transport: v.transport})
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	for name, value := range v.session {
		c.SetCookie(name, value)
	}
	return c, nil
}

// post makes one request as a new visitor and wants OMFLOW to be content with it.
// When the session is over nothing was done, and it signs in and asks again.
func (v *visitors) post(ctx context.Context, path string, params any) (client.Answer, error) {
	ask := func() (client.Answer, error) {
		c, err := v.client()
		if err != nil {
			return client.Answer{}, err
		}
		return c.Post(ctx, path, params)
	}
	a, err := ask()
	if err == nil && a.LoggedOut() {
		if err := v.signIn(ctx); err != nil {
			return a, err
		}
		a, err = ask()
	}
	if err == nil && !a.OK() {
		err = fmt.Errorf("%s answered HTTP %d, status %d: %s", path, a.Code, a.Status, a.Message)
	}
	return a, err
}

// crowd is how many visitors come at once to meet each server.
func (d Door) crowd() int { return 4 * d.Servers }

// together lets n visitors act at once and returns their answers.
func (v *visitors) together(n int, act func(i int, c *client.Client) (client.Answer, error)) ([]client.Answer, error) {
	answers, failures := make([]client.Answer, n), make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			c, err := v.client()
			if err == nil {
				answers[i], err = act(i, c)
			}
			failures[i] = err
		})
	}
	wg.Wait()
	return answers, errors.Join(failures...)
}

// open lets n visitors open a ticket of that title at once.
func (v *visitors) open(ctx context.Context, n int, flow, title string) ([]client.Answer, error) {
	return v.together(n, func(_ int, c *client.Client) (client.Answer, error) { return c.Open(ctx, flow, title) })
}
