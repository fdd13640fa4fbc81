package setup

import (
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// Machine is what is known of the machine that becomes a node.
type Machine struct {
	// System is its operating system, as GOOS has it.
	System string
	// Hostname is the first part of its name.
	Hostname string
	// Address is its first address that others may reach; empty if there is none.
	Address string
	// Homes are folders that OMFLOW Server may be in, the likeliest first.
	Homes []string
	// Path finds a program as the shell does, and returns its absolute path.
	Path func(name string) (string, error)

	// named is the folder that was given beforehand; then none other is looked at.
	named string
}

// ThisMachine looks at the machine that it runs on. What it can't find stays
// empty: it only makes suggestions.
func ThisMachine() Machine {
	m := Machine{System: runtime.GOOS, Path: lookPath}
	if name, err := os.Hostname(); err == nil {
		m.Hostname, _, _ = strings.Cut(name, ".")
	}
	m.Address = firstAddress()
	if dir, err := os.Getwd(); err == nil {
		m.Homes = append(m.Homes, dir)
	}
	if m.System == "windows" {
		m.Homes = append(m.Homes, `C:\omflow`, `C:\Program Files\omflow`, `C:\Program Files\OMFLOW`)
	} else {
		m.Homes = append(m.Homes, "/opt/omflow", "/opt/OMFLOW", "/srv/omflow", "/usr/local/omflow", "/home/omflow/omflow")
	}
	return m
}

func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

// inner are interfaces between a machine and what runs inside it: containers,
// virtual machines. Their addresses mean nothing elsewhere.
var inner = regexp.MustCompile(`^(docker|br-|veth|virbr|vnet|cni|flannel|podman|lxc|lxd|vEthernet)`)

// firstAddress is the first address of the machine's own interfaces, IPv4 before
// IPv6, in the system's order.
func firstAddress() string {
	interfaces, err := net.Interfaces()
	if err != nil {
		return ""
	}
	var found []netip.Addr
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback != 0 || inner.MatchString(i.Name) {
			continue
		}
		addresses, err := i.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addresses {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				found = append(found, p.Addr())
			}
		}
	}
	return choose(found)
}

func choose(found []netip.Addr) string {
	found = slices.DeleteFunc(slices.Clone(found), func(a netip.Addr) bool { return !a.IsGlobalUnicast() })
	if i := slices.IndexFunc(found, netip.Addr.Is4); i >= 0 {
		return found[i].String()
	}
	if len(found) > 0 {
		return found[0].String()
	}
	return ""
}

// home is the first of the machine's folders that an OMFLOW Server is in.
func (m Machine) home() string {
	homes := m.Homes
	if m.named != "" {
		homes = []string{m.named}
	}
	for _, dir := range homes {
		if checkHome(dir) == nil {
			return dir
		}
	}
	return ""
}

// newHome is where a new OMFLOW Server is suggested to come to.
func (m Machine) newHome() string {
	if m.System == "windows" {
		return `C:\omflow`
	}
	return "/opt/omflow"
}

// program looks for a program in the virtual environments in and beside home,
// then as the shell does. It is empty if there is none.
func (m Machine) program(home, name string) string {
	bin, suffix := "bin", ""
	if m.System == "windows" {
		bin, suffix = "Scripts", ".exe"
	}
	for _, dir := range []string{"venv", ".venv", "env", filepath.Join("..", "venv"), filepath.Join("..", ".venv")} {
		path := filepath.Join(home, dir, bin, name+suffix)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && filepath.IsAbs(path) {
			return path
		}
	}
	if m.Path != nil {
		if path, err := m.Path(name); err == nil {
			return path
		}
	}
	return ""
}

// python is the Python that probably runs the OMFLOW Server in home: the one of
// its virtual environment, or the one that gunicorn was installed for, which
// need not be the first on the path.
func (m Machine) python(home string) string {
	if m.System == "windows" {
		return m.program(home, "python") // python3 there is often but a link to a shop
	}
	if interpreter := shebang(m.program(home, "gunicorn")); interpreter != "" {
		return interpreter
	}
	return m.program(home, "python3")
}

// shebang is the absolute path in a script's first line, if that names a Python
// that is there.
func shebang(script string) string {
	f, err := os.Open(script)
	if err != nil {
		return ""
	}
	defer f.Close()
	head := make([]byte, 256)
	n, _ := io.ReadFull(f, head) // most scripts are shorter
	line, _, _ := strings.Cut(string(head[:n]), "\n")
	path, ok := strings.CutPrefix(strings.TrimSpace(line), "#!")
	if !ok || !strings.HasPrefix(filepath.Base(path), "python") || !filepath.IsAbs(path) {
		return ""
	}
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	return path
}

// command is how an OMFLOW Server is started for many users: one process with
// threads, since tokens, flows and the flow queue live in a process's memory.
func (m Machine) command(home, server string) []string {
	if m.System == "windows" {
		if waitress := m.program(home, "waitress-serve"); waitress != "" {
			return []string{waitress, "--threads=8", "--listen=" + server, "omflow.wsgi:application"}
		}
		return nil
	}
	if gunicorn := m.program(home, "gunicorn"); gunicorn != "" {
		return []string{gunicorn, "omflow.wsgi", "--workers", "1", "--threads", "8", "--bind", server}
	}
	return nil
}
