package setup

import (
	"fmt"
	"net"
	"strings"
)

// Next says what is left for a person to do after the files were written.
// notGiven are files that could not be given to the user who is to read them.
func (p Plan) Next(notGiven []File) string {
	var b strings.Builder
	if p.NewKey {
		fmt.Fprintf(&b, "The new cluster key. The other nodes need it too; who has it can run code on every\nserver. It is in %s and is not shown again:\n\n  %s\n\n", p.KeyFile(), p.Key)
	}
	b.WriteString("Next:\n\n")
	for _, f := range notGiven {
		if p.Kind == Booster {
			fmt.Fprintf(&b, "  useradd --system --user-group --home-dir /var/lib/omflow-booster --shell /usr/sbin/nologin %s\n", f.Owner)
		}
		fmt.Fprintf(&b, "  chown %s %s\n", f.Owner, f.Path)
	}
	if p.Paths.Units != "" {
		// What may be read and written is the service's, not root's.
		fmt.Fprintf(&b, "  runuser -u %s -- booster omflow doctor --config %s\n", p.ServiceUser(), p.Caddyfile())
		fmt.Fprintf(&b, "  systemctl daemon-reload\n  systemctl enable --now %s\n\n", p.Unit())
	} else {
		fmt.Fprintf(&b, "  booster omflow doctor --config %s\n  booster run --config %[1]s\n\n", p.Caddyfile())
	}
	_, port, _ := net.SplitHostPort(p.Address)
	fmt.Fprintf(&b, "Port %s must be open, TCP and UDP, from and to all other nodes", port)
	if p.Kind == Agent {
		_, server, _ := net.SplitHostPort(p.Server)
		fmt.Fprintf(&b, ",\nand port %s, TCP, from the Boosters alone.\n", server)
		return b.String()
	}
	b.WriteString(".\n")
	boosters := p.Boosters
	if len(boosters) == 0 {
		boosters = []string{p.Address}
	}
	if len(boosters) == 2 {
		role, name := Secondary, "second"
		if p.Role == Secondary {
			role, name = Primary, "first"
		}
		fmt.Fprintf(&b, "\nOn the %s Booster's machine:\n\n  booster omflow init --kind booster --other %s --role %s --key -\n", name, p.Address, role)
	}
	fmt.Fprintf(&b, "\nOn each OMFLOW Server's machine:\n\n  booster omflow init --kind agent --boosters %q --key -\n", strings.Join(boosters, " "))
	return b.String()
}
