package setup

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func compare(t *testing.T, f File, installed string) Change {
	t.Helper()
	c, err := Compare(f, installed)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestWrite(t *testing.T) {
	f := File{What: "key file", Path: filepath.Join(t.TempDir(), "deep", "booster.key"), Content: []byte(testKey + "\n"), Mode: 0o600, Secret: true}
	c := compare(t, f, "")
	if c.Exists || c.Same {
		t.Errorf("before: %+v", c)
	}
	checked := ""
	given, err := c.Write(func(path string) error {
		checked = path
		if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode() != 0o600 {
			t.Errorf("before it has its name the file is %v, %v", info.Mode(), err)
		}
		return nil
	})
	if err != nil || !given {
		t.Fatal(given, err)
	}
	if filepath.Dir(checked) != filepath.Dir(f.Path) || filepath.Ext(checked) != ".key" || checked == f.Path {
		t.Errorf("the check was given %s", checked)
	}
	if text, err := os.ReadFile(f.Path); err != nil || string(text) != testKey+"\n" {
		t.Errorf("the file holds %q, %v", text, err)
	}
	if info, err := os.Stat(f.Path); err != nil || runtime.GOOS != "windows" && info.Mode() != 0o600 {
		t.Errorf("the file is %v, %v", info.Mode(), err)
	}
	if c = compare(t, f, ""); !c.Exists || !c.Same || c.At != f.Path {
		t.Errorf("after: exists %t, same %t, at %s", c.Exists, c.Same, c.At)
	}
}

// TestFailedWriteLeavesTheFile: a check that fails leaves the old file, and no other.
func TestFailedWriteLeavesTheFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "agent.Caddyfile")
	write(t, path, "old\n", 0o644)
	errNo := errors.New("no")
	_, err := compare(t, File{What: "Caddyfile", Path: path, Content: []byte("new\n"), Mode: 0o644}, "").Write(func(string) error { return errNo })
	if !errors.Is(err, errNo) {
		t.Errorf("the error is %v", err)
	}
	if text, _ := os.ReadFile(path); string(text) != "old\n" {
		t.Errorf("the file holds %q", text)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestUnknownOwner(t *testing.T) {
	f := File{What: "key file", Path: filepath.Join(t.TempDir(), "key"), Content: []byte("x"), Mode: 0o600, Owner: "nobody-has-this-name"}
	given, err := compare(t, f, "").Write(nil)
	if err != nil || given {
		t.Errorf("given %t, %v", given, err)
	}
	if runtime.GOOS == "windows" {
		return
	}
	f.Owner = ownerOf(f.Path) // oneself
	if given, err = compare(t, f, "").Write(nil); err != nil || !given {
		t.Errorf("to oneself: given %t, %v", given, err)
	}
}

func TestDiffHidesKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "booster.Caddyfile")
	write(t, path, "{\n\tomflow {\n\t\tkey "+testKey+" {env.OLD}\n\t}\n}\n", 0o644)
	diff := compare(t, File{What: "Caddyfile", Path: path, Content: []byte("{\n\tomflow {\n\t\tkey {file./etc/key}\n\t}\n}\n")}, "").Diff()
	if strings.Contains(diff, testKey[:8]) {
		t.Errorf("a key is shown:\n%s", diff)
	}
	for _, want := range []string{"-\t\tkey *** {env.OLD}\n", "+\t\tkey {file./etc/key}\n"} {
		if !strings.Contains(diff, want) {
			t.Errorf("%q is not in\n%s", want, diff)
		}
	}
	if diff := compare(t, File{What: "key file", Path: path, Content: []byte(testKey), Secret: true}, "").Diff(); strings.Contains(diff, testKey[:8]) {
		t.Errorf("a key file is shown:\n%s", diff)
	}
}

func TestInstalledUnit(t *testing.T) {
	installed, own := t.TempDir(), t.TempDir()
	write(t, filepath.Join(installed, "omflow-booster.service"), "[Unit]\n", 0o644)
	f := File{What: "systemd unit", Path: filepath.Join(own, "omflow-booster.service"), Content: []byte("[Unit]\n")}
	if c := compare(t, f, installed); !c.Same || c.At != filepath.Join(installed, "omflow-booster.service") {
		t.Errorf("the installed unit is written again: %t, %s", c.Same, c.At)
	}
	f.Content = []byte("[Unit]\nDescription=another\n")
	if c := compare(t, f, installed); c.Same || c.Exists {
		t.Error("another unit than the installed one is not written")
	}
	// One's own wins over the installed one, so it is what counts.
	write(t, f.Path, "[Service]\n", 0o644)
	f.Content = []byte("[Unit]\n")
	if c := compare(t, f, installed); c.Same || !c.Exists {
		t.Error("one's own unit is overlooked")
	}
}

func TestCompareRefuses(t *testing.T) {
	if _, err := Compare(File{What: "key file", Path: t.TempDir()}, ""); err == nil || !strings.Contains(err.Error(), "is no file") {
		t.Errorf("a folder: %v", err)
	}
	long := filepath.Join(t.TempDir(), "long")
	write(t, long, strings.Repeat("x", maxFile+1), 0o644)
	if _, err := Compare(File{What: "key file", Path: long}, ""); err == nil || !strings.Contains(err.Error(), "longer") {
		t.Errorf("a long file: %v", err)
	}
}

func TestChooseAddress(t *testing.T) {
	for in, want := range map[string]string{
		"":                                    "",
		"127.0.0.1 ::1":                       "",
		"fe80::1 10.0.0.1":                    "10.0.0.1",
		"fd00::1 10.0.0.2 10.0.0.1":           "10.0.0.2",
		"fe80::1 169.254.1.1 2001:db8::1 ::1": "2001:db8::1",
	} {
		var found []netip.Addr
		for _, a := range strings.Fields(in) {
			found = append(found, netip.MustParseAddr(a))
		}
		if got := choose(found); got != want {
			t.Errorf("%s: %q, not %q", in, got, want)
		}
	}
}

func TestPythonOfGunicorn(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("scripts have no first line that counts")
	}
	home := newHome(t, "")
	python := filepath.Join(home, "bin", "python3.12")
	write(t, python, "", 0o755)
	gunicorn := filepath.Join(home, "gunicorn")
	m := bare()
	m.Path = func(name string) (string, error) { return filepath.Join(home, name), nil }
	for first, want := range map[string]string{
		"#!" + python:              python,
		"#!/usr/bin/env python3":   filepath.Join(home, "python3"),
		"#!/nowhere/python3":       filepath.Join(home, "python3"),
		"#!/bin/sh":                filepath.Join(home, "python3"),
		"":                         filepath.Join(home, "python3"),
		"no script\n#!/bin/python": filepath.Join(home, "python3"),
	} {
		write(t, gunicorn, first+"\n", 0o755)
		if got := m.python(home); got != want {
			t.Errorf("%s: %s, not %s", first, got, want)
		}
	}
}
