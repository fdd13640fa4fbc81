package profile

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// MaxSize bounds a profile file, in bytes.
const MaxSize = 1 << 20

// OMFLOW11 is the name that a file calls the profile of OMFLOW Server 1.1.0.0 by.
const OMFLOW11 = "omflow-1.1"

//go:embed omflow-1.1.json
var omflow11 []byte

// Default returns the profile of OMFLOW Server 1.1.0.0, a new copy each time.
func Default() *Profile {
	p, err := Parse(omflow11)
	if err != nil {
		panic(fmt.Sprintf("the built-in profile %s: %v", OMFLOW11, err)) // its test has passed
	}
	return p
}

// Parse reads a profile file: one JSON object in UTF-8, at most MaxSize bytes. The base
// that it names is resolved, and the result is valid.
func Parse(text []byte) (*Profile, error) {
	p, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("read profile: %w", err)
	}
	return p, nil
}

func parse(text []byte) (*Profile, error) {
	if len(text) > MaxSize {
		return nil, fmt.Errorf("it has %d bytes: at most %d are allowed", len(text), MaxSize)
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // editors on Windows write one
	if !utf8.Valid(text) {
		return nil, fmt.Errorf("it is not UTF-8: save it in that encoding")
	}
	if err := checkForm(text); err != nil {
		return nil, err
	}
	var head struct {
		Base string `json:"base"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, err
	}
	base := new(Profile)
	switch head.Base {
	case "":
	case OMFLOW11:
		base = Default()
	default:
		return nil, fmt.Errorf("base %q: write %q, or leave it out for a profile that is complete", head.Base, OMFLOW11)
	}
	p := *base
	p.URLs, p.Unlisted = nil, nil // their elements must not be decoded over the base's
	if err := json.Unmarshal(text, &p); err != nil {
		return nil, err
	}
	if err := uniqueURLs(p.URLs); err != nil {
		return nil, err
	}
	p.Base = ""
	p.URLs = mergeURLs(base.URLs, p.URLs)
	if p.Unlisted == nil {
		p.Unlisted = base.Unlisted
	}
	p.tidy()
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return &p, nil
}

// urlKey is what two rules for one URL have in common.
type urlKey struct{ path, match string }

func (u *URL) key() urlKey {
	if u.Match == "" {
		return urlKey{u.Path, MatchExact}
	}
	return urlKey{u.Path, u.Match}
}

// mergeURLs lays URLs over the base's: in the place of one of the same path and match,
// else behind all.
func mergeURLs(base, over []URL) []URL {
	at := make(map[urlKey]int, len(base))
	for i := range base {
		at[base[i].key()] = i
	}
	for _, u := range over {
		if i, ok := at[u.key()]; ok {
			base[i] = u
		} else {
			base = append(base, u)
		}
	}
	return base
}

// tidy makes empty lists the same as none, so that what is written and read again is
// equal.
func (p *Profile) tidy() {
	if len(p.URLs) == 0 {
		p.URLs = nil
	}
	if len(p.Unlisted) == 0 {
		p.Unlisted = nil
	}
	for _, list := range p.lists() {
		if len(*list.words) == 0 {
			*list.words = nil
		}
	}
	for _, m := range []*Messages{&p.Tokens.Wrong, &p.Tokens.Expired, &p.Tickets.Created, &p.Tickets.Failed} {
		for language, texts := range *m {
			if len(texts) == 0 {
				delete(*m, language)
			}
		}
		if len(*m) == 0 {
			*m = nil
		}
	}
}

// wordList is one of the profile's lists of texts.
type wordList struct {
	field string
	words *[]string
	// group has lists of words no word of which may be in two of them; "" is none.
	group string
	// free: its texts are no words, and are checked elsewhere.
	free bool
}

func (p *Profile) lists() []wordList {
	return []wordList{
		{field: "verbs.read", words: &p.Verbs.Read, group: "verbs"},
		{field: "verbs.guarded", words: &p.Verbs.Guarded, group: "verbs"},
		{field: "verbs.create", words: &p.Verbs.Create, group: "verbs"},
		{field: "static.prefixes", words: &p.Static.Prefixes, free: true},
		{field: "static.extensions", words: &p.Static.Extensions},
		{field: "action.create", words: &p.Action.Create, group: "action"},
		{field: "action.update", words: &p.Action.Update, group: "action"},
		{field: "action.delete", words: &p.Action.Delete, group: "action"},
		{field: "tickets.no_model", words: &p.Tickets.NoModel, free: true},
		{field: "agree_get.public", words: &p.AgreeGet.Public},
	}
}
