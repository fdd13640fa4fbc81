package textdiff

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/aymanbagabas/go-udiff"
	"github.com/omflow/booster/internal/release"
)

const (
	// DefaultMaxFile is how long a file may be to be compared, in bytes.
	DefaultMaxFile = 1 << 20
	// DefaultMaxOutput is how long the diffs of an answer may be together.
	DefaultMaxOutput = 4 << 20
)

// Config configures Write.
type Config struct {
	// Open opens a blob. An error that matches fs.ErrNotExist means that this
	// node doesn't have it.
	Open func(release.Hash) (io.ReadCloser, error)
	// Old and New name the two sides in the diffs. Default "a" and "b".
	Old, New string
	// MaxFile is how long a file may be to be compared, in bytes. Default 1 MiB.
	MaxFile int64
	// MaxOutput is how long the diffs may be together, in bytes. Default 4 MiB.
	// One line for each path is written in any case.
	MaxOutput int
}

// Validate tells what is wrong with c.
func (c Config) Validate() error {
	switch {
	case c.Open == nil:
		return errors.New("text diff: nothing to open blobs with")
	case c.MaxFile < 0 || c.MaxOutput < 0:
		return errors.New("text diff: a negative limit")
	}
	return nil
}

// tooLong stands where a diff would make the answer too long.
const tooLong = "  not shown: the answer would be too long\n"

// errNoText: a file is not for being shown; the message says why.
type errNoText string

func (e errNoText) Error() string { return string(e) }

// Write writes changes to w. It fails if w does, or a blob that is there can't be
// read.
func Write(w io.Writer, changes []release.Change, cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	if cfg.Old == "" {
		cfg.Old = "a"
	}
	if cfg.New == "" {
		cfg.New = "b"
	}
	if cfg.MaxFile == 0 {
		cfg.MaxFile = DefaultMaxFile
	}
	left := cfg.MaxOutput
	if left == 0 {
		left = DefaultMaxOutput
	}
	for _, c := range changes {
		text := tooLong
		if left > 0 {
			var err error
			if text, err = cfg.one(c); err != nil {
				return fmt.Errorf("show %q: %w", c.Path, err)
			}
			if left -= len(text); left < 0 {
				text = tooLong
			}
		}
		if _, err := io.WriteString(w, headline(c)+text); err != nil {
			return fmt.Errorf("show %q: %w", c.Path, err)
		}
	}
	return nil
}

// headline says what became of a path.
func headline(c release.Change) string {
	switch {
	case c.Old == nil:
		return fmt.Sprintf("+ %s (%d bytes%s)\n", c.Path, c.New.Size, executable(c.New))
	case c.New == nil:
		return fmt.Sprintf("\u2212 %s (%d bytes)\n", c.Path, c.Old.Size)
	case c.Old.Exec != c.New.Exec:
		may := "may be executed now"
		if c.Old.Exec {
			may = "may not be executed any more"
		}
		return fmt.Sprintf("~ %s (%d \u2192 %d bytes, %s)\n", c.Path, c.Old.Size, c.New.Size, may)
	default:
		return fmt.Sprintf("~ %s (%d \u2192 %d bytes)\n", c.Path, c.Old.Size, c.New.Size)
	}
}

func executable(f *release.File) string {
	if f.Exec {
		return ", may be executed"
	}
	return ""
}

// one returns the diff of one path, or a line that says why there is none.
func (c Config) one(change release.Change) (string, error) {
	if change.Old != nil && change.New != nil && change.Old.SHA256 == change.New.SHA256 {
		return "", nil
	}
	before, err := c.text(change.Old)
	if err != nil {
		return why(err)
	}
	after, err := c.text(change.New)
	if err != nil {
		return why(err)
	}
	from, to := c.Old+"/"+change.Path, c.New+"/"+change.Path
	if change.Old == nil {
		from = "/dev/null"
	}
	if change.New == nil {
		to = "/dev/null"
	}
	return udiff.ToUnified(from, to, before, udiff.Lines(before, after), udiff.DefaultContextLines)
}

func why(err error) (string, error) {
	var no errNoText
	if errors.As(err, &no) {
		return "  " + no.Error() + "\n", nil
	}
	return "", err
}

// text reads a file that may be shown. Nil has none.
func (c Config) text(f *release.File) (string, error) {
	if f == nil {
		return "", nil
	}
	if f.Size > c.MaxFile {
		return "", errNoText(fmt.Sprintf("not compared: longer than %d bytes", c.MaxFile))
	}
	r, err := c.Open(f.SHA256)
	if errors.Is(err, fs.ErrNotExist) {
		return "", errNoText("not compared: this node no longer has the content")
	}
	if err != nil {
		return "", err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, f.Size+1))
	if err != nil {
		return "", fmt.Errorf("read blob: %w", err)
	}
	if int64(len(b)) != f.Size {
		return "", fmt.Errorf("read blob: not the %d bytes that the release says", f.Size)
	}
	s := string(b)
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unprintable) {
		return "", errNoText("binary")
	}
	return s, nil
}

func unprintable(r rune) bool {
	switch r {
	case '\t', '\n', '\f', '\r':
		return false
	}
	// Cf holds the characters that make text run backwards.
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) && r != '\ufeff'
}
