package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/history"
	"github.com/omflow/booster/internal/rollout"
)

func refs(c []*release.Manifest) (out []release.Ref) {
	for _, m := range c {
		out = append(out, m.Ref())
	}
	return out
}

func TestCalls(t *testing.T) {
	ctx := t.Context()
	n := newNodes(t)
	three := makeChain(t, 3, "s1")
	b := &booster{chain: three}
	a := &agent{chain: three[:2], number: 9, standing: Standing{
		Applied: three[1].Ref(), Pending: 2, Waiting: "no booster is reached", Conflicts: []Conflict{
			{Path: "a.py", Release: 2, From: "s2", File: "/x/conflicts/2-s2/a.py", Time: time.Unix(7, 0).UTC()},
		},
	}}
	n.add("b", BoosterHandler(b, n.peer))
	n.add("s2", AgentHandler(a, n.peer))

	number, err := n.as("s1", false).Propose(ctx, "b", Proposal{Manifest: three[2], Manual: true, InMemory: true, Keep: 7})
	if p := b.proposal; err != nil || number != 3 || !p.Manual || !p.InMemory || p.Keep != 7 || p.Manifest.Ref() != three[2].Ref() {
		t.Errorf("propose: %d, %v; got %+v", number, err, p)
	}
	if !strings.HasPrefix(b.from, "127.0.0.1:") {
		t.Errorf("proposed from %q", b.from)
	}
	u := Update{
		Term: 4, Approved: three[1].Ref(), InMemory: []release.Ref{three[2].Ref()}, Keep: 5,
		Quarantined: []Quarantine{{three[0].Ref(), "it fell over"}}, Chain: three,
	}
	if err := n.as("b2", true).Follow(ctx, "b", u); err != nil || b.from != "b2" {
		t.Errorf("follow: %v, from %q", err, b.from)
	}
	got, want := b.update, u
	if !slices.Equal(refs(got.Chain), refs(want.Chain)) {
		t.Errorf("follow: chain %v", refs(got.Chain))
	}
	if got.Chain, want.Chain = nil, nil; !reflect.DeepEqual(got, want) {
		t.Errorf("follow: %+v, want %+v", got, want)
	}
	if number, err := n.as("b2", true).Act(ctx, "b", Approve, 3); err != nil || number != 3 || b.acted != "approve 3" {
		t.Errorf("approve: %d, %v, %s", number, err, b.acted)
	}
	if number, err := n.as("b2", true).Act(ctx, "b", Rollback, 1); err != nil || number != 101 || b.acted != "rollback 1" {
		t.Errorf("rollback: %d, %v, %s", number, err, b.acted)
	}
	if err := n.as("s1", false).Announce(ctx, []string{"s2"}, three[1:]...); err != nil || a.from != "s1" || !slices.Equal(refs(a.told), refs(three[1:])) {
		t.Errorf("announce: %v, from %s: %v", err, a.from, refs(a.told))
	}
	if number, err := n.as("b", true).Publish(ctx, "s2"); err != nil || number != 9 {
		t.Errorf("publish: %d, %v", number, err)
	}
	for _, act := range []Lost{Confirm, Restore} {
		if err := n.as("b", true).Lost(ctx, "s2", act, "1a2b"); err != nil || a.lost != act || a.finding != "1a2b" {
			t.Errorf("%s: %v, told %q", act, err, a.lost)
		}
	}
	if err := n.as("b", true).Lost(ctx, "s2", "forget", ""); err == nil || a.lost != Restore {
		t.Errorf("another word: %v, told %q", err, a.lost)
	}
	if err := n.as("s1", false).Lost(ctx, "s2", Confirm, ""); err == nil || a.lost != Restore {
		t.Errorf("from an agent: %v, told %q", err, a.lost)
	}
	if s, err := n.as("b", true).Standing(ctx, "s2"); err != nil || !reflect.DeepEqual(s, a.standing) {
		t.Errorf("standing: %+v, %v", s, err)
	}
	if ref, err := n.as("s1", false).Head(ctx, "b"); err != nil || ref != three[2].Ref() {
		t.Errorf("head: %s, %v", ref, err)
	}
	a.chain = nil
	if ref, err := n.as("b", true).Head(ctx, "s2"); err != nil || !ref.IsZero() {
		t.Errorf("head of nothing: %s, %v", ref, err)
	}
	if _, err := n.as("s1", false).Head(ctx, "nobody"); err == nil {
		t.Error("nobody answered")
	}
}

// TestChain: a chain of more releases than one answer holds comes whole, in order,
// from where it is asked for.
func TestChain(t *testing.T) {
	n := newNodes(t)
	all := makeChain(t, chainCount*2+5, "s1")
	n.add("b", BoosterHandler(&booster{chain: all[3:]}, n.peer)) // the oldest are gone
	c := n.as("s1", false)
	for _, after := range []uint64{0, 3, 70, uint64(len(all)), 1 << 40} {
		var got []*release.Manifest
		err := c.Chain(t.Context(), "b", after, func(m *release.Manifest) error { got = append(got, m); return nil })
		want := all[min(len(all), max(3, int(after))):]
		if err != nil || !slices.Equal(refs(got), refs(want)) {
			t.Errorf("after %d: %d releases, want %d, %v", after, len(got), len(want), err)
		}
	}
	resp, err := c.do(t.Context(), "b", http.MethodGet, chainPath+"?after=0", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if one, err := readChain(resp.Body, len(all), nil); err != nil || len(one) != chainCount {
		t.Errorf("one answer holds %d releases: %v", len(one), err)
	}
	enough := errors.New("enough")
	if err := c.Chain(t.Context(), "b", 0, func(*release.Manifest) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("take's error: %v", err)
	}
}

// TestRelease: one release is had by its name, and no other in its place.
func TestRelease(t *testing.T) {
	n := newNodes(t)
	all := makeChain(t, chainCount+9, "s1")
	n.add("s2", AgentHandler(&agent{chain: all[3:]}, n.peer)) // the oldest are gone
	c := n.as("b", true)
	for _, i := range []int{3, 20, len(all) - 1} {
		if m, err := c.Release(t.Context(), "s2", all[i].Ref()); err != nil || m.Ref() != all[i].Ref() {
			t.Errorf("release %d: %v", i+1, err)
		}
	}
	other := all[20].Ref()
	other.Hash[0] ^= 1
	for what, ref := range map[string]release.Ref{
		"one that is gone": all[1].Ref(), "one of another hash": other, "one that is yet to come": {Number: 500, Hash: other.Hash},
	} {
		if m, err := c.Release(t.Context(), "s2", ref); m != nil || !errors.Is(err, history.ErrUnknown) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := c.Release(t.Context(), "nobody", all[3].Ref()); err == nil || errors.Is(err, history.ErrUnknown) {
		t.Errorf("from nobody: %v", err)
	}
}

// TestRefusals: who may ask what, and how it is told.
func TestRefusals(t *testing.T) {
	three := makeChain(t, 3, "s1")
	b := &booster{chain: three}
	a := &agent{chain: three}
	n := newNodes(t)
	n.add("b", BoosterHandler(b, n.peer))
	n.add("s2", AgentHandler(a, n.peer))
	c := Client{Do: n.do}
	ctx := t.Context()
	propose := func() error { _, err := c.Propose(ctx, "b", Proposal{Manifest: three[2]}); return err }
	keepAll := func() error {
		_, err := c.Propose(ctx, "b", Proposal{Manifest: three[2], Keep: MaxKeep + 1})
		return err
	}
	follow := func() error { return c.Follow(ctx, "b", Update{Chain: three}) }
	approve := func() error { _, err := c.Act(ctx, "b", Approve, 1); return err }
	rollback := func() error { _, err := c.Act(ctx, "b", Rollback, 1); return err }
	explode := func() error { _, err := c.Act(ctx, "b", "explode", 1); return err }
	none := func() error { _, err := c.Act(ctx, "b", Approve, 0); return err }
	announce := func() error { return c.Announce(ctx, []string{"s2"}, three...) }
	tooMany := func() error { return c.Announce(ctx, []string{"s2"}, makeChain(t, MaxAnnounced+1, "s1")...) }
	publish := func() error { _, err := c.Publish(ctx, "s2"); return err }
	head := func() error { _, err := c.Head(ctx, "s2"); return err }
	chain := func() error { return c.Chain(ctx, "b", 0, func(*release.Manifest) error { return nil }) }
	standing := func() error { _, err := c.Standing(ctx, "s2"); return err }
	blobs := func() error {
		return c.Blobs(ctx, "s2", three[0].Files, func(io.Reader, release.Hash, int64) error { return nil })
	}
	stale := &history.StaleError{Head: three[1].Ref()}
	for _, tt := range []struct {
		name    string
		who     string
		booster bool
		err     error
		call    func() error
		want    string
		is      error
	}{
		{"another agent's release", "s2", false, nil, propose, "its own releases only", nil},
		{"a booster proposes", "s1", true, nil, propose, "agents propose", nil},
		{"keeps everything", "s1", false, nil, keepAll, "keep 1001", ErrRefused},
		{"an agent copies", "s1", false, nil, follow, "boosters ask", nil},
		{"an agent approves", "s1", false, nil, approve, "boosters ask", nil},
		{"no act", "b2", true, nil, explode, "nothing to do with a release", ErrRefused},
		{"no number", "b2", true, nil, none, "no release is named", ErrRefused},
		{"a booster announces", "b2", true, nil, announce, "agents announce", nil},
		{"announces too many", "s1", false, nil, tooMany, "more than 8", ErrRefused},
		{"an agent has published", "s1", false, nil, publish, "boosters ask", nil},
		{"nobody asks", "", false, nil, head, "names no node", nil},
		{"nobody fetches releases", "", false, nil, chain, "names no node", nil},
		{"nobody asks for the standing", "", false, nil, standing, "names no node", nil},
		{"nobody fetches", "", false, nil, blobs, "names no node", nil},
		{"not active", "s1", false, rollout.ErrNotActive, propose, "", rollout.ErrNotActive},
		{"stale", "s1", false, stale, propose, stale.Error(), nil},
		{"refused", "s1", false, errors.Join(ErrRefused, errors.New("two leaves")), propose, "two leaves", ErrRefused},
		{"half of it", "s1", false, errors.Join(ErrChanging, errors.New("it works on a deploy")), propose, "it works on a deploy", ErrChanging},
		{"not now", "s1", false, errors.New("the disk is full"), propose, "HTTP 503: the disk is full", nil},
		{"begin earlier", "b2", true, stale, follow, stale.Error(), nil},
		{"unknown", "b2", true, history.ErrUnknown, approve, "", history.ErrUnknown},
		{"unknown to roll back", "b2", true, history.ErrUnknown, rollback, "", history.ErrUnknown},
		{"can't publish", "b", true, errors.New("no booster is reached"), publish, "no booster is reached", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n.who, n.booster, b.err, a.err = tt.who, tt.booster, tt.err, tt.err
			b.proposal, b.update, b.acted, a.told = Proposal{}, Update{}, "", nil
			err := tt.call()
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("%v, want %q", err, tt.want)
			}
			for _, is := range []error{rollout.ErrNotActive, ErrRefused, history.ErrUnknown, ErrBusy, ErrChanging} {
				if errors.Is(err, is) != (is == tt.is) {
					t.Errorf("%v is %v: %t", err, is, !(is == tt.is))
				}
			}
			var got *history.StaleError
			if errors.As(err, &got) != (tt.err == stale) || got != nil && got.Head != stale.Head {
				t.Errorf("%v: stale is %v", err, got)
			}
			if tt.err == nil && (b.proposal.Manifest != nil || b.update.Chain != nil || b.acted != "" || a.told != nil) {
				t.Error("it got through")
			}
		})
	}
}

// TestAnswers: what a node answers is not trusted.
func TestAnswers(t *testing.T) {
	two := makeChain(t, 2, "s1")
	for _, tt := range []struct {
		name, answer string
		call         func(context.Context, Client) error
	}{
		{"another number", `{"number":3}`, func(ctx context.Context, c Client) error {
			_, err := c.Propose(ctx, "x", Proposal{Manifest: two[1]})
			return err
		}},
		{"a hash without a number", `{"number":0,"hash":"` + two[0].Hash().String() + `"}`, func(ctx context.Context, c Client) error {
			_, err := c.Head(ctx, "x")
			return err
		}},
		{"an endless answer", strings.Repeat(" ", maxMessage+1) + "{}", func(ctx context.Context, c Client) error {
			_, err := c.Standing(ctx, "x")
			return err
		}},
		{"a conflict outside", `{"conflicts":[{"path":"../x"}]}`, func(ctx context.Context, c Client) error {
			_, err := c.Standing(ctx, "x")
			return err
		}},
		{"releases cut off", "\x00\x00", func(ctx context.Context, c Client) error {
			return c.Chain(ctx, "x", 0, func(*release.Manifest) error { return nil })
		}},
		{"a release of 4 GB", "\xff\xff\xff\xff", func(ctx context.Context, c Client) error {
			return c.Chain(ctx, "x", 0, func(*release.Manifest) error { return nil })
		}},
	} {
		n := newNodes(t)
		n.add("x", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, tt.answer) }))
		if err := tt.call(t.Context(), n.as("s1", false)); err == nil {
			t.Errorf("%s: taken", tt.name)
		}
	}
}

// TestChainRepeats: a node that sends the same releases for ever is left.
func TestChainRepeats(t *testing.T) {
	n := newNodes(t)
	one := makeChain(t, 1, "s1")
	n.add("x", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fail(writeChain(w, one, false)) }))
	err := n.as("s1", false).Chain(t.Context(), "x", 0, func(*release.Manifest) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "release 1 comes after release 1") {
		t.Error(err)
	}
}
