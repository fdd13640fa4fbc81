package setup

import (
	"cmp"
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
		if p.Kind == Booster || p.New {
			fmt.Fprintf(&b, "  useradd --system --user-group --home-dir %s --shell /usr/sbin/nologin %s\n", p.userHome(), f.Owner)
		}
		fmt.Fprintf(&b, "  chown %s %s\n", f.Owner, f.Path)
	}
	if dir := p.stateDir(); dir != "" && len(notGiven) > 0 {
		fmt.Fprintf(&b, "  install -d -m 700 -o %s %s\n", p.ServiceUser(), dir)
	}
	if p.New && p.Paths.Units != "" {
		fmt.Fprintf(&b, "  mkdir -p %[1]s && chown %[2]s: %[1]s\n", shellWord(p.Home), p.User)
	}
	switch {
	case p.Paths.Units != "":
		// What may be read and written is the service's, not root's.
		fmt.Fprintf(&b, "  runuser -u %s -- booster omflow doctor --config %s\n", p.ServiceUser(), p.Caddyfile())
		fmt.Fprintf(&b, "  systemctl daemon-reload\n  systemctl enable --now %s\n\n", p.Unit())
	case p.Paths.Service:
		fmt.Fprintf(&b, "  booster omflow doctor --config %s\n", quoted(p.Caddyfile()))
		fmt.Fprintf(&b, "  booster omflow service install --config %s\n  booster omflow service start\n\n", quoted(p.Caddyfile()))
	default:
		fmt.Fprintf(&b, "  booster omflow doctor --config %s\n  booster run --config %[1]s\n\n", p.Caddyfile())
	}
	_, port, _ := net.SplitHostPort(p.Address)
	fmt.Fprintf(&b, "Port %s must be open, TCP and UDP, from and to all other nodes", port)
	if p.Kind == Agent {
		server := "the port that all OMFLOW Servers have"
		if p.Server != "" {
			_, port, _ := net.SplitHostPort(p.Server)
			server = "port " + port
		}
		fmt.Fprintf(&b, ",\nand %s, TCP, from the Boosters alone.\n", server)
		if p.New {
			b.WriteString("\nPython, its packages and gunicorn, on Windows waitress, must be here as on the other OMFLOW\nServers. `booster omflow status` on a Booster, and this agent's log, say what the new server\nwaits for.\n")
		}
		return b.String()
	}
	b.WriteString(".\n")
	if dir := p.stateDir(); dir != "" && p.InternalTLS {
		fmt.Fprintf(&b, "\nBrowsers take the site's certificate once they were given this Booster's root certificate,\nwhich is made at its first start; each Booster has its own:\n\n  %s/caddy/pki/authorities/local/root.crt\n", dir)
	}
	boosters := p.Boosters
	if len(boosters) == 0 {
		boosters = []string{p.Address}
	}
	if len(boosters) == 2 && (p.NewKey || p.Role == Primary) { // else the key, and so the other one, was there before
		role, name := Secondary, "second"
		if p.Role == Secondary {
			role, name = Primary, "first"
		}
		fmt.Fprintf(&b, "\nOn the %s Booster's machine:\n\n  booster omflow init --kind booster --other %s --role %s --key -\n", name, p.Address, role)
	}
	fmt.Fprintf(&b, "\nOn each OMFLOW Server's machine, first on the one where it is installed, then on the new ones:\n\n  booster omflow init --kind agent --boosters %q --key -\n", strings.Join(boosters, " "))
	return b.String()
}

// userHome is the home folder of the service's user, where that has to be made. A
// booster's is the folder that systemd makes for it.
func (p Plan) userHome() string { return shellWord(cmp.Or(p.stateDir(), p.Home)) }

// shellWord writes one word of a shell's command line.
func shellWord(s string) string {
	if plain.MatchString(s) && !strings.HasPrefix(s, "~") {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// quoted writes a path as a prompt of Windows takes it.
func quoted(path string) string {
	if strings.Contains(path, " ") {
		return `"` + path + `"`
	}
	return path
}
