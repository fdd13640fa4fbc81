package trust

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestGenerateParses(t *testing.T) {
	a, b := Generate(), Generate()
	if a == b {
		t.Fatal("two generated keys are the same")
	}
	k, err := Parse([]string{a, " " + strings.TrimRight(b, "=") + "\n"})
	if err != nil {
		t.Fatal(err)
	}
	if k.Len() != 2 || k.IsLoopback() {
		t.Fatalf("Len = %d, IsLoopback = %v", k.Len(), k.IsLoopback())
	}
}

func TestParseRefuses(t *testing.T) {
	good := Generate()
	short := base64.StdEncoding.EncodeToString(make([]byte, 16))
	many := make([]string, maxKeys+1)
	for i := range many {
		many[i] = Generate()
	}
	for name, c := range map[string]struct {
		in   []string
		want string
	}{
		"none":       {nil, "no key given"},
		"empty":      {[]string{""}, "key 1 of 1: the key is empty"},
		"padding":    {[]string{"="}, "the key is empty"},
		"words":      {[]string{good, "correct horse battery staple"}, "key 2 of 2: not base64"},
		"short":      {[]string{short}, "16 bytes long instead of 32"},
		"zero":       {[]string{base64.StdEncoding.EncodeToString(make([]byte, 32))}, "all zero"},
		"twice":      {[]string{good, strings.TrimRight(good, "=")}, "given twice"},
		"too many":   {many, "at most 8"},
		"loose bits": {[]string{strings.Repeat("A", 42) + "B"}, "not base64"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(c.in)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want one with %q", err, c.want)
			}
			for _, s := range c.in {
				if len(s) > 8 && strings.Contains(err.Error(), s) {
					t.Fatalf("the error shows the secret: %v", err)
				}
			}
		})
	}
}

// The derivations are a contract between nodes of different versions. The
// values were computed with an independent implementation of RFC 5869.
func TestDerivationIsStable(t *testing.T) {
	secret := bytes.Repeat([]byte{7}, keySize)
	k, err := Parse([]string{base64.StdEncoding.EncodeToString(secret)})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		got  []byte
		want string
	}{
		{"gossip", k.Gossip()[0], "68c321b68573899321529c6ecc75d95dbfcfac9f17cb74f02fc6debd2b468ce8"},
		{"cookie", k.Cookie()[0], "b09ad5d818ba9d4026b8ef469482854a65520ca4fef8265f94d4031fa3d6d10a"},
		{"ca", k.set[0].ca.key.Seed(), "c8e0e883aa0a44471053810474454c1d3af9746916ea4e850f0551ae0e8f87ef"},
	} {
		if got := fmt.Sprintf("%x", c.got); got != c.want {
			t.Errorf("%s key = %s, want %s", c.name, got, c.want)
		}
	}
}

func TestNothingSecretIsPrinted(t *testing.T) {
	secret := Generate()
	k, err := Parse([]string{secret})
	if err != nil {
		t.Fatal(err)
	}
	holder := struct {
		Keys Keys
		Ptr  *Keys
	}{k, &k}

	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%p", "%U"} {
		fmt.Fprintf(&out, verb+"\n"+verb+"\n", k, holder)
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("m", "k", k, "h", holder)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "k", k, "h", holder)
	b, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(b)

	d := k.set[0]
	for name, s := range map[string][]byte{"secret": d.secret, "gossip": d.gossip, "cookie": d.cookie, "ca": d.ca.key} {
		for form, text := range map[string]string{
			"raw":     string(s),
			"base64":  base64.StdEncoding.EncodeToString(s),
			"hex":     fmt.Sprintf("%x", s),
			"HEX":     fmt.Sprintf("%X", s),
			"decimal": strings.Trim(fmt.Sprint(s), "[]"),
		} {
			if strings.Contains(out.String(), text) {
				t.Errorf("the %s key is printed in %s", name, form)
			}
		}
	}
	if !strings.Contains(out.String(), "redacted") {
		t.Error("nothing was printed at all")
	}
}

func TestEqual(t *testing.T) {
	a, b := Generate(), Generate()
	parse := func(s ...string) Keys {
		k, err := Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	if !parse(a, b).Equal(parse(a, b)) {
		t.Error("the same keys differ")
	}
	for name, o := range map[string]Keys{"order": parse(b, a), "fewer": parse(a), "none": {}, "loopback": Loopback()} {
		if parse(a, b).Equal(o) {
			t.Errorf("%s: other keys are equal", name)
		}
	}
}

func TestAllLoopback(t *testing.T) {
	for _, c := range []struct {
		addrs string
		want  bool
	}{
		{"127.0.0.1:5169", true},
		{"127.8.9.10:1 [::1]:5169 localhost:80 LOCALHOST. ::1 127.0.0.1", true},
		{"[::ffff:127.0.0.1]:5169", true},
		{"", false},
		{":5169", false},
		{"0.0.0.0:5169", false},
		{"[::]:5169", false},
		{"127.0.0.1:5169 10.0.0.1:5169", false},
		{"localhost.example.com:5169", false},
		{"127.0.0.1.nip.io:5169", false},
	} {
		if got := AllLoopback(strings.Fields(c.addrs)...); got != c.want {
			t.Errorf("AllLoopback(%q) = %v, want %v", c.addrs, got, c.want)
		}
	}
	if AllLoopback("") {
		t.Error("an empty address is taken for a loopback address")
	}
}
