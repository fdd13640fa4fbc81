package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Damaged ends the names of files that were kept aside because they can't be read.
const Damaged = ".damaged"

// maxDamaged bounds what is copied of a damaged file, in bytes.
const maxDamaged = 64 << 20

// KeepDamaged keeps a file that can't be read beside itself, under its name and Damaged,
// for a person to look at; one that was kept there before goes. The file itself stays
// until its owner writes another in its place: a crash between both finds it damaged
// again. It returns where it is kept.
func KeepDamaged(path string) (aside string, err error) {
	aside = path + Damaged
	if err := os.Remove(aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("keep damaged file: %w", err)
	}
	// A second name needs neither room nor that the file can be read.
	if err := os.Link(path, aside); err == nil {
		return aside, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("keep damaged file: %w", err)
	}
	defer f.Close()
	b, _ := io.ReadAll(io.LimitReader(f, maxDamaged)) // what the disk still gives
	if err := WriteFile(aside, b); err != nil {
		return "", fmt.Errorf("keep damaged file: %w", err)
	}
	return aside, nil
}
