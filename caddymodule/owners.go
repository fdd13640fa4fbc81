package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/control"
	"github.com/omflow/booster/internal/front"
	"github.com/omflow/booster/internal/omflow/flows"
	"github.com/omflow/booster/internal/rollout"
	"github.com/omflow/booster/internal/rollout/owners"
)

// Which server got which ticket is noted by each booster for the requests that come
// through it, in a book that lives as long as OMFLOW's pool. Each fetches what the other
// has noted, over the cluster's control API: now and then, so that little is lost when
// the other dies; when orders hold work back, because the flow queue's journal is about to
// be judged; and when the other asks for it, because it is about to hand over.

const (
	ownersPath = "/owners/v1/pages"
	// ownersFetchPath asks a booster to fetch what is new now.
	ownersFetchPath = "/owners/v1/fetch"
	// fetchEvery is how often what the other booster has noted is fetched, and fetchTime
	// bounds that.
	fetchEvery = 500 * time.Millisecond
	fetchTime  = 2 * time.Second
	// maxQuestion bounds a question for a page, in bytes.
	maxQuestion = 1024
	// ownersForBoosters is what others than boosters are told.
	ownersForBoosters = "boosters tell each other which server got which ticket"
)

// ownersQuestion asks for what is new in a book, see owners.Book.Page.
type ownersQuestion struct {
	Book uint64 `json:"book"`
	Next uint64 `json:"next"`
}

// omflowOwners returns the book of OMFLOW's pool, or nil without one.
func omflowOwners() *owners.Book {
	if p := omflowPoolNow(); p != nil {
		return p.owners
	}
	return nil
}

// followOwners fetches what the other boosters note until ctx ends.
func (c *conductor) followOwners(ctx context.Context) {
	c.each(ctx, fetchEvery, "which server got which ticket could not be fetched; it is tried again", c.fetchOwners)
}

// fetchOwners fetches what is new from the other boosters.
func (c *conductor) fetchOwners(ctx context.Context) error {
	var errs []error
	for _, name := range c.others(gossip.KindBooster) {
		if err := c.fetchOwnersOf(ctx, name); err != nil {
			errs = append(errs, fmt.Errorf("fetch from booster %s which server got which ticket: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

func (c *conductor) fetchOwnersOf(ctx context.Context, name string) error {
	select {
	case c.fetching <- struct{}{}:
		defer func() { <-c.fetching }()
	case <-ctx.Done():
		return ctx.Err()
	}
	book := omflowOwners()
	if book == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	for more := true; more; {
		var q ownersQuestion
		q.Book, q.Next = book.Wanted(name)
		var page owners.Page
		err := control.Do(c.node.Do).Call(ctx, name, ownersPath, q, &page, owners.MaxMessage)
		if control.Refused(err, http.StatusNotFound) {
			return nil // it has no OMFLOW Servers, or knows nothing of books
		}
		if err == nil {
			err = page.Validate()
		}
		if err != nil {
			return err
		}
		book.Take(time.Now(), name, page)
		more = page.More
	}
	return nil
}

// offerOwners has the other boosters fetch what is new here.
func (c *conductor) offerOwners(ctx context.Context) error {
	var errs []error
	for _, name := range c.others(gossip.KindBooster) {
		err := control.Do(c.node.Do).Call(ctx, name, ownersFetchPath, struct{}{}, nil, 0)
		if err != nil && !control.Refused(err, http.StatusNotFound) {
			errs = append(errs, fmt.Errorf("have booster %s fetch which server got which ticket: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// serveOwners tells another booster what is new in the book.
func (c *conductor) serveOwners(w http.ResponseWriter, r *http.Request) {
	if _, ok := c.fromBooster(w, r, ownersForBoosters); !ok {
		return
	}
	var q ownersQuestion
	if err := control.Decode(r.Body, maxQuestion, &q); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	book := omflowOwners()
	if book == nil {
		http.Error(w, "this booster has no OMFLOW Servers", http.StatusNotFound)
		return
	}
	control.Answer(w, book.Page(time.Now(), q.Book, q.Next))
}

// serveOwnersFetch fetches what is new for another booster that asks for it.
func (c *conductor) serveOwnersFetch(w http.ResponseWriter, r *http.Request) {
	if _, ok := c.fromBooster(w, r, ownersForBoosters); !ok {
		return
	}
	if err := c.fetchOwners(r.Context()); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// claims is who may be working on rows of the flow queue's journal.
func (c *conductor) claims(rows []rollout.Row) [][]owners.Claim {
	book := omflowOwners()
	if book == nil {
		return nil
	}
	return claimsOf(book, omflowFlows(), time.Now(), rows)
}

// claimsOf looks rows up in a book. Another server than the one that got the request may
// have gone on with a ticket, where its flow calls others or pauses: then, and where it is
// not known whether the flow does, a claim is a perhaps. A ticket of which nothing is known
// has whoever may have the one that has opened it.
func claimsOf(book *owners.Book, directory *flows.Directory, now time.Time, rows []rollout.Row) [][]owners.Claim {
	tickets := make([]owners.Ticket, 0, 2*len(rows))
	for _, r := range rows {
		tickets = append(tickets, r.Ticket, r.Opener)
	}
	found := book.Claims(now, tickets, func(flow string) string { return resolveFlow(directory, flow) })
	claims := make([][]owners.Claim, len(rows))
	for i, r := range rows {
		own, opener := found[2*i], found[2*i+1]
		f, known := directory.ByUUID(r.Ticket.Flow)
		sure := known && !f.Calls && !f.PauseOnPush && !r.Unsure && len(own) > 0
		if len(own) == 0 {
			own = opener
		}
		for k := range own {
			own[k].Perhaps = own[k].Perhaps || !sure
		}
		claims[i] = own
	}
	return claims
}

// resolveFlow finds the UUID of a flow that was named otherwise, "" if it can't.
func resolveFlow(directory *flows.Directory, flow string) string {
	path, ok := strings.CutPrefix(flow, front.OwnerPath)
	if !ok {
		return ""
	}
	f, _ := directory.ByAPIPath(path)
	return f.UUID
}
