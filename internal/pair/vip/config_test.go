package vip

import "testing"

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		cidr, iface string
		ok          bool
	}{
		{"10.0.0.10/24", "eth0", true},
		{"2001:db8::10/64", "bond0.7", true},
		{"10.0.0.10/32", "eth0", true},
		{"10.0.0.10", "eth0", false},
		{"10.0.0.10/33", "eth0", false},
		{"::ffff:10.0.0.10/120", "eth0", false},
		{"0.0.0.0/0", "eth0", false},
		{"127.0.0.5/8", "eth0", false},
		{"224.0.0.18/24", "eth0", false},
		{"255.255.255.255/32", "eth0", false},
		{"fe80::10/64", "eth0", false},
		{"169.254.0.1/16", "eth0", false},
		{"10.0.0.10/24", "", false},
		{"10.0.0.10/24", "a/b", false},
		{"10.0.0.10/24", "longer-than-linux", false},
		{"booster/24", "eth0", false},
	} {
		c, err := Parse(tt.cidr, tt.iface)
		if (err == nil) != tt.ok {
			t.Errorf("%s %s: %v", tt.cidr, tt.iface, err)
		}
		if tt.ok && c.String() != tt.cidr+" "+tt.iface {
			t.Errorf("%s %s is written as %s", tt.cidr, tt.iface, c)
		}
	}
}
