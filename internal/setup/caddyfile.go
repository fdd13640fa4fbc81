package setup

import (
	"fmt"
	"net"
	"strings"
)

// lines puts a Caddyfile together. The first word that cannot be written is
// kept as its error.
type lines struct {
	text  strings.Builder
	depth int
	err   error
}

func (l *lines) raw(line string) {
	if line != "" {
		l.text.WriteString(strings.Repeat("\t", l.depth) + line)
	}
	l.text.WriteString("\n")
}

// option writes an option and its values.
func (l *lines) option(name string, values ...string) {
	text, err := JoinWords(values)
	if err != nil && l.err == nil {
		l.err = fmt.Errorf("%s: %w", name, err)
	}
	l.raw(strings.TrimSpace(name + " " + text))
}

func (l *lines) open(name string) {
	l.raw(strings.TrimSpace(name + " {"))
	l.depth++
}

func (l *lines) close() {
	l.depth--
	l.raw("}")
}

// renderCaddyfile writes the node's Caddyfile, formatted as `booster fmt` does.
func (p Plan) renderCaddyfile() ([]byte, error) {
	var l lines
	l.raw("# Written by `booster omflow init`. After a change:")
	l.raw("#\tbooster validate --config " + p.Caddyfile())
	l.raw("#\tbooster reload --config " + p.Caddyfile())
	l.open("")
	if p.Paths.Admin != "" {
		l.option("admin", p.Paths.Admin)
	}
	switch {
	case p.Paths.Service:
		l.open("log")
		l.option("output", "file", p.LogFile())
		l.close()
	case p.Paths.Units != "":
		// For people, who read it with journalctl; the journal has the time, and shows no
		// colours.
		l.open("log")
		l.open("format console")
		l.option("time_key", "")
		l.option("level_format", "upper")
		l.close()
		l.close()
	}
	if p.InternalTLS {
		l.raw("skip_install_trust") // the service has no right to, and no browser runs here
	}
	l.open("omflow")
	l.option("name", p.Name)
	if _, port, _ := net.SplitHostPort(p.Address); port != ClusterPort {
		l.option("listen", ":"+port)
	}
	l.option("advertise", p.Address)
	l.key(p.KeyFile())
	if len(p.Boosters) > 0 {
		l.option("join", p.Boosters...)
	}
	if dir := p.stateDir(); dir != "" {
		l.option("state_dir", dir)
	}
	if p.Role != "" {
		l.open("booster")
		l.option("role", p.Role)
		l.close()
	}
	if p.Kind == Agent {
		l.open("agent")
		l.option("home", p.Home)
		if p.Server != "" {
			l.option("server", p.Server)
		}
		if len(p.Run) > 0 {
			l.option("run", p.Run...)
		}
		if p.Python != "" {
			l.option("python", p.Python)
		}
		switch p.Patches {
		case PatchesAuto:
			l.raw("patch")
		case PatchesManual:
			l.open("patch")
			l.option("approve", "manual")
			l.close()
		}
		if p.CopyUploads {
			l.raw("replicate")
		}
		l.close()
	}
	l.close()
	l.close()
	if p.Kind == Booster {
		l.raw("")
		l.open(p.Site)
		if p.InternalTLS {
			l.option("tls", "internal")
		}
		l.raw("log")
		l.raw("omflow_booster")
		l.close()
	}
	return []byte(l.text.String()), l.err
}

// key writes the placeholder of the key file.
func (l *lines) key(path string) {
	if strings.Contains(path, "}") {
		l.err = fmt.Errorf("key: a placeholder ends at the } in %s: choose another folder", path)
		return
	}
	if plain.MatchString(path) {
		l.raw("key {file." + path + "}")
		return
	}
	l.option("key", "{file."+path+"}")
}
