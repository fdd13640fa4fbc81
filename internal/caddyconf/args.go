package caddyconf

import (
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// Word takes exactly one word that is not empty.
func Word(d *caddyfile.Dispenser, to *string) error {
	option := d.Val()
	if !d.NextArg() || d.Val() == "" {
		return d.Errf("%s needs a value", option)
	}
	*to = d.Val()
	return NoMore(d, option)
}

// NoMore refuses a word too many after an option.
func NoMore(d *caddyfile.Dispenser, option string) error {
	if d.NextArg() {
		return d.Errf("%s takes no more than that: remove %q, or quote a value with spaces", option, d.Val())
	}
	return nil
}

// Duration takes a duration of more than nothing; 0 would stand for the default.
func Duration(d *caddyfile.Dispenser, to *caddy.Duration) error {
	option := d.Val()
	var word string
	if err := Word(d, &word); err != nil {
		return err
	}
	return ParseDuration(d, option, word, to)
}

// ParseDuration reads a word that is a duration of more than nothing.
func ParseDuration(d *caddyfile.Dispenser, option, word string, to *caddy.Duration) error {
	value, err := caddy.ParseDuration(word)
	if err != nil || value <= 0 {
		return d.Errf("%s %q: write a duration such as 500ms, 2s or 1m", option, word)
	}
	*to = caddy.Duration(value)
	return nil
}

// Number takes a whole number from 1 to most.
func Number(d *caddyfile.Dispenser, to *int, most int) error {
	option := d.Val()
	var word string
	if err := Word(d, &word); err != nil {
		return err
	}
	return ParseNumber(d, option, word, to, most)
}

// ParseNumber reads a word that is a whole number from 1 to most.
func ParseNumber(d *caddyfile.Dispenser, option, word string, to *int, most int) error {
	value, err := strconv.Atoi(word)
	if err != nil || value < 1 || value > most {
		return d.Errf("%s %q: write a number from 1 to %d", option, word, most)
	}
	*to = value
	return nil
}

// Address takes a host and a port that can be connected to.
func Address(d *caddyfile.Dispenser, to *string) error {
	option := d.Val()
	if err := Word(d, to); err != nil {
		return err
	}
	if err := CheckAddress(*to); err != nil {
		return d.Errf("%s %q: %v", option, *to, err)
	}
	return nil
}

// CheckAddress refuses what is not host:port of one place to connect to.
func CheckAddress(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return errors.New("write it as host:port, as in 10.0.0.21:8000")
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return errors.New("the port must be a number from 1 to 65535")
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return errors.New("nobody can connect to an address that means all of them: write one machine's own")
	}
	if strings.ContainsAny(host, "{}") {
		return errors.New("placeholders are not filled in here: write {$NAME} for a variable of the environment, which is read with the Caddyfile")
	}
	if strings.ContainsAny(host, " /@?#\\") {
		return errors.New("write a name or an IP address and a port, nothing else")
	}
	return nil
}

// Options calls parse for each option of the block that d is at; d is at the option
// then. Each may be given once unless it is in repeatable. One that is not in known
// is refused with the list of those.
func Options(d *caddyfile.Dispenser, block string, known, repeatable []string, parse func(option string) error) error {
	given := map[string]bool{}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		option := d.Val()
		if !slices.Contains(known, option) {
			return d.Errf("unknown option %q in %s: write one of %s", option, block, strings.Join(known, ", "))
		}
		if given[option] && !slices.Contains(repeatable, option) {
			return d.Errf("%s is given twice", option)
		}
		given[option] = true
		if err := parse(option); err != nil {
			return err
		}
	}
	return nil
}
