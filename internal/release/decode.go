package release

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
)

// ReadManifest reads and decodes a manifest of at most MaxManifest bytes.
func ReadManifest(r io.Reader) (*Manifest, error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxManifest+1))
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	return Decode(b)
}

// Decode reads what Encode wrote and refuses everything else: what Validate
// refuses, and every other spelling of the same manifest, so that a hash stands
// for one content and one content has one hash.
func Decode(b []byte) (*Manifest, error) {
	if len(b) > MaxManifest {
		return nil, fmt.Errorf("decode manifest: more than %d bytes", MaxManifest)
	}
	p := parser{rest: b}
	m := p.manifest()
	if p.err == nil && len(p.rest) > 0 {
		p.fail(errors.New("something follows it"))
	}
	if p.err != nil {
		return nil, fmt.Errorf("decode manifest: at byte %d: %w", len(b)-len(p.rest), p.err)
	}
	if err := m.Validate(); err != nil {
		return nil, fmt.Errorf("decode manifest: %w", err)
	}
	// The parser knows one order of keys and no white space, but strings,
	// numbers and times have several spellings.
	if !bytes.Equal(b, m.append(make([]byte, 0, len(b)))) {
		return nil, errors.New("decode manifest: not spelled as it is encoded")
	}
	m.sum = sha256.Sum256(b)
	return m, nil
}

// parser reads what append writes, and nothing else. A general JSON decoder
// takes several spellings for one, makes room for whatever a peer wants it to,
// and is 20 times slower. After the first error it does nothing any more.
type parser struct {
	rest []byte
	err  error
}

func (p *parser) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

func (p *parser) manifest() *Manifest {
	m := &Manifest{}
	p.literal(`{"format":`)
	if f := p.number(); f != format {
		p.fail(fmt.Errorf("format %d is unknown", f))
	}
	p.literal(`,"number":`)
	m.Number = p.number()
	p.literal(`,"parent":{"number":`)
	m.Parent.Number = p.number()
	p.literal(`,"hash":`)
	m.Parent.Hash = p.hash()
	p.literal(`},"kind":`)
	m.Kind = Kind(p.string())
	p.literal(`,"origin":`)
	m.Origin = p.string()
	p.literal(`,"time":`)
	m.Time = p.time()
	p.literal(`,"note":`)
	m.Note = p.string()
	p.literal(`,"files":[`)
	for p.element(len(m.Files)) {
		f := File{Path: p.string()}
		p.literal(`,"size":`)
		f.Size = int64(p.number()) // Validate refuses what becomes negative
		p.literal(`,"sha256":`)
		f.SHA256 = p.hash()
		f.Exec = p.has(`,"exec":true`)
		p.literal(`}`)
		m.Files = append(m.Files, f)
	}
	p.literal("\n],\"deleted\":[")
	for p.element(len(m.Deleted)) {
		d := Deletion{Path: p.string()}
		p.literal(`,"sha256":`)
		d.SHA256 = p.hash()
		p.literal(`}`)
		m.Deleted = append(m.Deleted, d)
	}
	p.literal("\n]}\n")
	return m
}

// element reads the start of the element after n others, if there is one.
func (p *parser) element(n int) bool {
	start := ",\n{\"path\":"
	if n == 0 {
		start = start[1:]
	}
	if p.err != nil || !p.has(start) {
		return false
	}
	if n == MaxFiles {
		p.fail(fmt.Errorf("more than %d elements", MaxFiles))
		return false
	}
	return true
}

// has reads s if it comes next.
func (p *parser) has(s string) bool {
	rest, ok := bytes.CutPrefix(p.rest, []byte(s))
	if ok {
		p.rest = rest
	}
	return ok
}

func (p *parser) literal(s string) {
	if p.err == nil && !p.has(s) {
		p.fail(fmt.Errorf("no %q", s))
	}
}

func (p *parser) number() uint64 {
	n := 0
	for n < len(p.rest) && '0' <= p.rest[n] && p.rest[n] <= '9' {
		n++
	}
	if p.err != nil {
		return 0
	}
	v, err := strconv.ParseUint(string(p.rest[:n]), 10, 64)
	if err != nil {
		p.fail(errors.New("no number from 0 to 18446744073709551615"))
		return 0
	}
	p.rest = p.rest[n:]
	return v
}

func (p *parser) string() string {
	if p.err != nil {
		return ""
	}
	p.literal(`"`)
	for n := 0; n < len(p.rest); n++ {
		switch p.rest[n] {
		case '"':
			s := string(p.rest[:n])
			p.rest = p.rest[n+1:]
			return s
		case '\\':
			return p.escaped()
		}
	}
	p.fail(errors.New("a string has no end"))
	return ""
}

// escaped reads the rest of a string that has a backslash in it.
func (p *parser) escaped() string {
	n := 0
	for n < len(p.rest) && p.rest[n] != '"' {
		if p.rest[n] == '\\' {
			n++
		}
		n++
	}
	if n >= len(p.rest) {
		p.fail(errors.New("a string has no end"))
		return ""
	}
	var s string
	if err := json.Unmarshal([]byte(`"`+string(p.rest[:n])+`"`), &s); err != nil {
		p.fail(fmt.Errorf("a string: %w", err))
		return ""
	}
	p.rest = p.rest[n+1:]
	return s
}

func (p *parser) hash() Hash {
	s := p.string()
	if p.err != nil {
		return Hash{}
	}
	h, err := ParseHash(s)
	if err != nil {
		p.fail(err)
	}
	return h
}

func (p *parser) time() time.Time {
	s := p.string()
	if p.err != nil {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		p.fail(err)
	}
	return t.UTC()
}
