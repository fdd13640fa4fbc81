package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// module is this one's path.
const module = "github.com/omflow/booster"

// output is the program's name; a Builder does not hold it, and xcaddy's default is
// caddy.
const output = "booster"

// builder is the part of xcaddy's Builder that its command has arguments for, with
// the JSON names that xcaddy gives them.
type builder struct {
	CaddyVersion string        `json:"caddy_version"`
	Plugins      []dependency  `json:"plugins"`
	Replacements []replacement `json:"replacements"`
}

type dependency struct {
	ModulePath string `json:"module_path"`
	Version    string `json:"version"`
}

// replacement is a replace directive of go.mod. A path may be followed by a space
// and a version.
type replacement struct {
	Old string `json:"old"`
	New string `json:"new"`
}

func parse(text []byte) (builder, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	var b builder
	if err := dec.Decode(&b); err != nil {
		return b, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return b, errors.New("something follows the JSON object")
	}
	for _, p := range b.Plugins {
		if p.ModulePath == "" {
			return b, errors.New("a plugin has no module_path")
		}
	}
	for _, r := range b.Replacements {
		if r.Old == "" || r.New == "" {
			return b, errors.New("a replacement needs old and new")
		}
	}
	return b, nil
}

// line returns the command. With checkout, the plugin that is this module is built
// from that folder.
func (b builder) line(checkout string) (string, error) {
	args := []string{"xcaddy", "build"}
	if b.CaddyVersion != "" {
		args = append(args, b.CaddyVersion)
	}
	if checkout != "" && !slices.ContainsFunc(b.Plugins, func(p dependency) bool { return p.ModulePath == module }) {
		return "", fmt.Errorf("a checkout is given, and %s is none of the plugins", module)
	}
	for _, p := range b.Plugins {
		with := p.ModulePath
		switch {
		case checkout != "" && p.ModulePath == module:
			// Any version will do: without one xcaddy asks the module proxy for the
			// latest, which need not be there.
			with += "@v0.0.0=" + checkout
		case p.Version != "":
			with += "@" + p.Version
		}
		args = append(args, "--with", with)
	}
	for _, r := range b.Replacements {
		// xcaddy's command joins path and version with an @, its JSON with a space.
		args = append(args, "--replace", strings.Replace(r.Old, " ", "@", 1)+"="+strings.Replace(r.New, " ", "@", 1))
	}
	args = append(args, "--output", output)
	for i, arg := range args {
		args[i] = quote(arg)
	}
	return strings.Join(args, " "), nil
}

var harmless = regexp.MustCompile(`^[A-Za-z0-9@%+=:,./_-]+$`)

// quote makes a word that a POSIX shell takes as it is.
func quote(arg string) string {
	if harmless.MatchString(arg) {
		return arg
	}
	return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
}
