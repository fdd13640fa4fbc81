package profile

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/health"
)

// Bounds of one profile. What is not looked up in a map is tried one by one for each
// request, and so there may be few of it.
const (
	maxOpenURLs = 256  // URLs whose match is child or below
	maxFamilies = 64   // Unlisted
	maxWords    = 256  // of one list of words
	maxTexts    = 64   // messages of one kind
	maxPath     = 1024 // bytes
	maxWord     = 64   // bytes
	maxText     = 1024 // bytes
)

// Validate refuses what cannot work. The error names the field, and what to write.
func (p *Profile) Validate() error {
	if p.Base != "" {
		return errors.New("base: is for files, and is resolved by Parse")
	}
	for _, check := range []func() error{
		p.validatePaths, p.validateURLs, p.validateWords, p.validateMessages, p.validateRepairs, p.validateHealth,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (p *Profile) validatePaths() error {
	for _, f := range []struct {
		field, path string
		sent        bool // in requests of the booster's own
	}{
		{"rest", p.REST, true}, {"api", p.API, false}, {"tokens.path", p.Tokens.Path, true},
		{"tickets.edit", p.Tickets.Edit, true}, {"tickets.service", p.Tickets.Service, false}, {"tickets.ids", p.Tickets.IDs, true},
		{"tickets.list", p.Tickets.List, true},
		{"agree_get.path", p.AgreeGet.Path, false}, {"history_files.path", p.HistoryFiles.Path, false},
	} {
		if f.path == "" {
			continue
		}
		if err := checkPath(f.path, true); err != nil {
			return fmt.Errorf("%s %q: %w", f.field, f.path, err)
		}
		if f.sent && strings.ContainsFunc(f.path, func(r rune) bool { return !isPlain(r) && r != '/' }) {
			return fmt.Errorf("%s %q: must have only letters, digits, slashes and . _ - in it", f.field, f.path)
		}
	}
	if w := p.HistoryFiles.Word; w != "" && !strings.Contains(p.HistoryFiles.Path, w) {
		return fmt.Errorf("history_files.word %q: must be a piece of history_files.path", w)
	}
	for i, prefix := range p.Static.Prefixes {
		if err := checkPath(prefix, true); err != nil {
			return fmt.Errorf("static.prefixes[%d] %q: %w", i, prefix, err)
		}
	}
	return nil
}

func (p *Profile) validateURLs() error {
	if len(p.URLs) > maxItems {
		return fmt.Errorf("urls: there are %d, at most %d are allowed", len(p.URLs), maxItems)
	}
	open := 0
	for i := range p.URLs {
		u := &p.URLs[i]
		field := fmt.Sprintf("urls[%d] %q", i, u.Path)
		if err := checkPath(u.Path, true); err != nil {
			return fmt.Errorf("%s: %w", field, err)
		}
		switch u.Match {
		case "", MatchExact:
		case MatchChild, MatchBelow:
			open++
		default:
			return fmt.Errorf("%s: match %q: write exact, child or below", field, u.Match)
		}
		switch u.Class {
		case "", ClassRead, ClassGuarded, ClassCreate:
		default:
			return fmt.Errorf("%s: class %q: write read, guarded or create", field, u.Class)
		}
		if u.Lane != "" {
			if _, err := balance.ParseLane(u.Lane); err != nil {
				return fmt.Errorf("%s: %w", field, err)
			}
		}
		if u.Action && p.Action.Field == "" {
			return fmt.Errorf("%s: action needs the name of the body's member in action.field", field)
		}
		if u.Action && u.Class != "" && u.Class != ClassCreate {
			return fmt.Errorf("%s: action needs the class create: it is for what is a create unless the body says otherwise", field)
		}
	}
	if open > maxOpenURLs {
		return fmt.Errorf("urls: %d have the match child or below, at most %d may", open, maxOpenURLs)
	}
	if err := uniqueURLs(p.URLs); err != nil {
		return err
	}
	if len(p.Unlisted) > maxFamilies {
		return fmt.Errorf("unlisted: there are %d, at most %d are allowed", len(p.Unlisted), maxFamilies)
	}
	for i := range p.Unlisted {
		u := &p.Unlisted[i]
		if err := checkPath(u.Prefix, false); err != nil {
			return fmt.Errorf("unlisted[%d] %q: %w", i, u.Prefix, err)
		}
		if u.Lane != "" {
			if _, err := balance.ParseLane(u.Lane); err != nil {
				return fmt.Errorf("unlisted[%d] %q: %w", i, u.Prefix, err)
			}
		}
	}
	return nil
}

func uniqueURLs(urls []URL) error {
	seen := make(map[urlKey]bool, len(urls))
	for i := range urls {
		k := urls[i].key()
		if seen[k] {
			return fmt.Errorf("urls[%d] %q: there is another one with this path and match: remove one", i, k.path)
		}
		seen[k] = true
	}
	return nil
}

func (p *Profile) validateWords() error {
	type member struct{ group, word string }
	in := make(map[member]string)
	for _, list := range p.lists() {
		if len(*list.words) > maxWords {
			return fmt.Errorf("%s: has %d texts, at most %d are allowed", list.field, len(*list.words), maxWords)
		}
		for i, w := range *list.words {
			if list.free {
				break
			}
			if w == "" || len(w) > maxWord || strings.ContainsFunc(w, func(r rune) bool { return !isPlain(r) }) {
				return fmt.Errorf("%s[%d] %q: write a word of at most %d letters, digits and . _ -", list.field, i, w, maxWord)
			}
			m := member{list.group, w}
			if other, ok := in[m]; ok && list.group != "" {
				return fmt.Errorf("%s: %q is in %s too: remove one", list.field, w, other)
			}
			in[m] = list.field
		}
	}
	for _, f := range []struct{ field, name string }{
		{"action.field", p.Action.Field}, {"tokens.field", p.Tokens.Field}, {"tokens.result", p.Tokens.Result},
		{"agree_get.field", p.AgreeGet.Field}, {"tickets.by_uuid", p.Tickets.ByUUID},
	} {
		if len(f.name) > maxWord || strings.ContainsFunc(f.name, func(r rune) bool { return !isPlain(r) }) {
			return fmt.Errorf("%s %q: write a name of at most %d letters, digits and . _ -", f.field, f.name, maxWord)
		}
	}
	return nil
}

func (p *Profile) validateMessages() error {
	for _, m := range []struct {
		field    string
		messages Messages
	}{
		{"tokens.wrong", p.Tokens.Wrong}, {"tokens.expired", p.Tokens.Expired}, {"tickets.created", p.Tickets.Created},
		{"tickets.failed", p.Tickets.Failed},
		{"tickets.no_model", Messages{"": p.Tickets.NoModel}},
	} {
		count := 0
		for language, texts := range m.messages {
			field := strings.TrimSuffix(m.field+"."+language, ".")
			if language == "" && m.field != "tickets.no_model" || len(language) > maxWord || strings.ContainsFunc(language, func(r rune) bool { return !isPlain(r) }) {
				return fmt.Errorf("%s: write a language tag such as ja or zh-Hant", field)
			}
			for i, text := range texts {
				if text == "" || len(text) > maxText || strings.ContainsRune(text, utf8.RuneError) {
					return fmt.Errorf("%s[%d]: write the message, at most %d bytes of UTF-8", field, i, maxText)
				}
			}
			count += len(texts)
		}
		if count > maxTexts {
			return fmt.Errorf("%s: there are %d messages, at most %d are allowed", m.field, count, maxTexts)
		}
	}
	return nil
}

// validateRepairs refuses a repair that is on and lacks what it needs.
func (p *Profile) validateRepairs() error {
	type needs map[string]bool // whether it is there
	for _, r := range []struct {
		name  string
		on    bool
		needs needs
	}{
		{"tokens", p.Repairs.Tokens, needs{
			"rest": p.REST != "", "tokens.path": p.Tokens.Path != "", "tokens.result": p.Tokens.Result != "",
			"tokens.field": p.Tokens.Field != "", "tokens.wrong": len(p.Tokens.Wrong) > 0,
		}},
		{"lost_creates", p.Repairs.LostCreates, needs{
			"action.field": p.Action.Field != "", "action.create": len(p.Action.Create) > 0,
			"tickets.edit": p.Tickets.Edit != "", "tickets.by_uuid": p.Tickets.ByUUID != "",
			"tickets.ids": p.Tickets.IDs != "", "tickets.list": p.Tickets.List != "",
			"tickets.created": len(p.Tickets.Created) > 0, "tickets.no_model": len(p.Tickets.NoModel) > 0,
			"tokens.field": p.REST == "" || p.Tokens.Field != "",
		}},
		{"agree_get", p.Repairs.AgreeGet, needs{"agree_get.path": p.AgreeGet.Path != "", "agree_get.field": p.AgreeGet.Field != ""}},
		{"history_files", p.Repairs.HistoryFiles, needs{"history_files.path": p.HistoryFiles.Path != "", "history_files.word": p.HistoryFiles.Word != ""}},
		{"multipart_gate", p.Repairs.MultipartGate, needs{"repairs.lead": p.Repairs.Lead, "tickets.edit": p.Tickets.Edit != ""}},
		{"pauses", p.Repairs.Pauses, needs{"repairs.lead": p.Repairs.Lead, "tickets.edit": p.Tickets.Edit != ""}},
		{"rest_cookies", p.Repairs.RESTCookies, needs{"rest": p.REST != ""}},
	} {
		for _, field := range slices.Sorted(maps.Keys(r.needs)) {
			if r.on && !r.needs[field] {
				return fmt.Errorf("repairs.%s is on and needs %s: give it, or switch the repair off", r.name, field)
			}
		}
	}
	return nil
}

func (p *Profile) validateHealth() error {
	for _, h := range []struct {
		field string
		check *Check
	}{{"health.live", &p.Health.Live}, {"health.ready", &p.Health.Ready}} {
		field, c := h.field, h.check
		if c.URI == "" {
			return fmt.Errorf("%s.uri is missing: write what to ask for, or begin with \"base\": %q", field, OMFLOW11)
		}
		question := health.Check{URI: c.URI, Method: c.Method, Body: c.Body, ContentType: c.ContentType}
		if err := question.Validate(); err != nil {
			return fmt.Errorf("%s: %w", field, err)
		}
		if c.HTTPStatus != 0 && (c.HTTPStatus < 200 || c.HTTPStatus > 599) {
			return fmt.Errorf("%s.http_status %d: write a status from 200 to 599", field, c.HTTPStatus)
		}
		switch c.Answer {
		case "", AnswerOK, AnswerAny, AnswerNone:
		default:
			return fmt.Errorf("%s.answer %q: write ok, any or none", field, c.Answer)
		}
	}
	return nil
}

// checkPath refuses a path that no decoded and clean path of a request begins with.
func checkPath(path string, slash bool) error {
	switch {
	case path == "" || path[0] != '/':
		return errors.New("must begin with a slash")
	case len(path) > maxPath:
		return fmt.Errorf("has %d bytes: at most %d are allowed", len(path), maxPath)
	case slash && path[len(path)-1] != '/':
		return errors.New("must end with a slash")
	case strings.Contains(path, "%"):
		return errors.New("is compared with the decoded path: write the character itself instead of its % escape")
	case strings.ContainsFunc(path, func(r rune) bool {
		return r < 0x20 || r == 0x7f || r == utf8.RuneError || strings.ContainsRune(`\;?#*`, r)
	}):
		return errors.New("must not have control characters or one of \\ ; ? # * in it")
	}
	segments := strings.Split(path, "/")
	for i, s := range segments[1:] {
		if s == "." || s == ".." || s == "" && i < len(segments)-2 {
			return errors.New("must not have empty or dot segments")
		}
	}
	return nil
}

// isPlain reports whether a character means itself in paths, forms and JSON.
func isPlain(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-'
}
