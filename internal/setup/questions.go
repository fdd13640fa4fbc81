package setup

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/omflow/booster/internal/omflow/settings"
	"github.com/omflow/booster/internal/trust"
)

// Question is one thing that has to be known of a node.
type Question struct {
	// Name is what the answer is called: the flag is --<name>.
	Name string
	// Title asks, in a few words.
	Title string
	// Help says what a good answer is.
	Help string
	// Choices are the only answers there are, with what each means; nil for any
	// text.
	Choices []Choice
	// Optional says that no answer is one too.
	Optional bool
	// Secret says that the answer is not to be seen.
	Secret bool

	// asked tells whether the question has to be put, after the answers before it.
	asked func(Plan) bool
	// suggest finds the likeliest answer; nil for none.
	suggest func(context.Context, Machine, Plan) string
	// set checks the answer and puts it into the plan.
	set func(*Plan, string) error
}

// Answers to the question whether there is an OMFLOW Server.
const (
	installedYes = "yes"
	installedNo  = "no"
)

// newUser is who a new OMFLOW Server is suggested to run as: the one whom the packaged
// unit names.
const newUser = "omflow"

// Choice is one of a few answers.
type Choice struct{ Value, Meaning string }

func isBooster(p Plan) bool { return p.Kind == Booster }
func isAgent(p Plan) bool   { return p.Kind == Agent }
func isNew(p Plan) bool     { return p.Kind == Agent && p.New }
func isThere(p Plan) bool   { return p.Kind == Agent && !p.New }
func hasUnit(p Plan) bool   { return p.Kind == Agent && p.Paths.Units != "" }
func isOneOfTwo(p Plan) bool {
	return p.Kind == Booster && len(p.Boosters) > 0
}

// Questions are all questions, in the order in which they are put: what a later
// one suggests may follow from the answers before it.
func Questions() []Question {
	return []Question{
		{
			Name: "kind", Title: "What is this machine?", Choices: []Choice{
				{string(Booster), "a Booster: the front door that users reach"},
				{string(Agent), "an OMFLOW Server's machine: the agent starts the server and reports to the Boosters"},
			},
			suggest: func(_ context.Context, m Machine, _ Plan) string {
				if m.home() != "" {
					return string(Agent)
				}
				return string(Booster)
			},
			set: func(p *Plan, s string) error { p.Kind = Kind(s); return nil },
		},
		{
			Name: "name", Title: "The node's name", Help: "unique among all nodes; an agent's name is its server's",
			suggest: func(_ context.Context, m Machine, _ Plan) string { return m.Hostname },
			set: func(p *Plan, s string) error {
				p.Name = strings.TrimSpace(s)
				return trust.Peer{Name: p.Name, Kind: string(p.Kind)}.Validate()
			},
		},
		{
			Name: "address", Title: "This machine's own IP address or name, and port", Help: "the other nodes reach it there, TCP and UDP",
			suggest: func(_ context.Context, m Machine, _ Plan) string {
				if m.Address == "" {
					return ""
				}
				return net.JoinHostPort(m.Address, ClusterPort)
			},
			set: func(p *Plan, s string) (err error) { p.Address, err = hostPort(s, ClusterPort); return err },
		},
		{
			Name: "other", Title: "The other Booster's IP address or name, and port", Help: "leave it empty if there is only this one", Optional: true, asked: isBooster,
			set: setOther,
		},
		{
			Name: "role", Title: "Which of the two Boosters is this?", asked: isOneOfTwo, Choices: []Choice{
				{Primary, "the primary, which works as long as it is well"},
				{Secondary, "the secondary, which takes over"},
			},
			// No suggestion: taken on both, it would make two primaries.
			set: setRole,
		},
		{
			Name: "site", Title: "The address that users type", Help: "omflow.example.com, http://omflow.example.com to serve without TLS, or :80 for any name", asked: isBooster,
			suggest: func(context.Context, Machine, Plan) string { return ":80" },
			set:     func(p *Plan, s string) (err error) { p.Site, err = checkSite(s); return err },
		},
		{
			Name: "tls", Title: "The site's certificate", asked: func(p Plan) bool { return p.Kind == Booster && siteNeedsTLS(p.Site) }, Choices: []Choice{
				{"internal", "made here: browsers trust it once they were given this Booster's root certificate"},
				{"public", "from Let's Encrypt: the name must lead here from the internet"},
			},
			suggest: func(context.Context, Machine, Plan) string { return "internal" },
			set:     func(p *Plan, s string) error { p.InternalTLS = s == "internal"; return nil },
		},
		{
			Name: "installed", Title: "Is OMFLOW Server installed here?", asked: isAgent, Choices: []Choice{
				{installedYes, "in the folder that is asked for next; the agent starts it from now on"},
				{installedNo, "this is to be a Slave: its agent fetches code, settings and attachments from the others"},
			},
			suggest: suggestInstalled,
			set:     func(p *Plan, s string) error { p.New = s == installedNo; return nil },
		},
		{
			Name: "home", Title: "The OMFLOW Server's folder", Help: "the one with manage.py; a new server's is empty or not there yet", asked: isAgent,
			suggest: func(_ context.Context, m Machine, p Plan) string {
				if p.New {
					return m.newHome()
				}
				return m.home()
			},
			set: setHome,
		},
		{
			Name: "python", Title: "The Python that runs the OMFLOW Server", Help: "3.7.7 or newer, with Django", asked: isThere,
			suggest: func(_ context.Context, m Machine, p Plan) string { return m.python(p.Home) },
			set:     func(p *Plan, s string) error { p.Python = strings.TrimSpace(s); return checkText(p.Python) },
		},
		{
			Name: "boosters", Title: "The Boosters' addresses, the primary first; BOOSTER_IP in settings.py suggests them", Help: "10.0.0.11:5169 10.0.0.12:5169", asked: isAgent,
			suggest: suggestBoosters,
			set:     func(p *Plan, s string) (err error) { p.Boosters, err = hostPorts(s); return err },
		},
		{
			Name: "server", Title: "Where the OMFLOW Server listens", Help: "the Boosters send requests there: an address of this machine, and a port of its own", asked: isThere,
			suggest: func(_ context.Context, _ Machine, p Plan) string {
				host, _, _ := net.SplitHostPort(p.Address)
				return net.JoinHostPort(host, ServerPort)
			},
			set: setServer,
		},
		{
			Name: "port", Title: "The port where the new OMFLOW Server listens", Help: "leave it empty for the one that the other servers have; one below 1024 has to be written", Optional: true, asked: isNew,
			set: setPort,
		},
		{
			Name: "run", Title: "The command that starts the OMFLOW Server", Help: "in the foreground, one process with threads; not manage.py runserver", asked: isThere,
			suggest: func(_ context.Context, m Machine, p Plan) string {
				line, _ := JoinWords(m.command(p.Home, p.Server)) // "" if a path cannot be written
				return line
			},
			set: setRun,
		},
		{
			Name: "patches", Title: "Changes in the OMFLOW Server's folder", asked: isThere, Choices: []Choice{
				{PatchesAuto, "reach all other servers by themselves; the same answer on all"},
				{PatchesManual, "reach them when a person has approved them"},
				{PatchesNone, "stay on this server"},
			},
			suggest: func(context.Context, Machine, Plan) string { return PatchesAuto },
			set:     func(p *Plan, s string) error { p.Patches = s; return nil },
		},
		{
			Name: "uploads", Title: "Attachments", asked: isThere, Choices: []Choice{
				{"copy", "are copied to the other servers"},
				{"shared", "are on storage that all servers share, or this is the only server"},
			},
			suggest: func(context.Context, Machine, Plan) string { return "copy" },
			set:     func(p *Plan, s string) error { p.CopyUploads = s == "copy"; return nil },
		},
		{
			Name: "user", Title: "The user who runs agent and OMFLOW Server", Help: "owner of the OMFLOW Server's folder", asked: hasUnit,
			suggest: suggestUser,
			set:     func(p *Plan, s string) error { p.User = strings.TrimSpace(s); return checkText(p.User) },
		},
	}
}

func setOther(p *Plan, s string) error {
	p.Boosters = nil
	if strings.TrimSpace(s) == "" {
		return nil
	}
	other, err := hostPort(s, ClusterPort)
	if err == nil && other == p.Address {
		err = fmt.Errorf("%s is this Booster's own address", other)
	}
	if err == nil {
		p.Boosters = []string{p.Address, other}
	}
	return err
}

func setRole(p *Plan, s string) error {
	p.Role = s
	if s == Secondary {
		p.Boosters = slices.Clone(p.Boosters) // the plan may be put back
		slices.Reverse(p.Boosters)
	}
	return nil
}

func setServer(p *Plan, s string) (err error) {
	if p.Server, err = hostPort(s, ServerPort); err == nil && p.Server == p.Address {
		err = fmt.Errorf("%s is the agent's own address: the OMFLOW Server needs another port", p.Server)
	}
	return err
}

// setPort settles a new server's address, of which the host is where its agent is
// reached.
func setPort(p *Plan, s string) error {
	p.Server = ""
	port := strings.TrimPrefix(strings.TrimSpace(s), ":")
	if port == "" {
		return nil
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("%q: the port must be a number from 1 to 65535", s)
	}
	if _, own, _ := net.SplitHostPort(p.Address); own == port {
		return fmt.Errorf("%s is the agent's own port: the OMFLOW Server needs another one", port)
	}
	p.Server = ":" + port
	return nil
}

func setHome(p *Plan, s string) (err error) {
	if p.Home, err = filepath.Abs(strings.TrimSpace(s)); err != nil {
		return err
	}
	if !p.New {
		return checkHome(p.Home)
	}
	if info, err := os.Stat(p.Home); err == nil && !info.IsDir() {
		return fmt.Errorf("%s is a file: name a folder that is empty or not there", p.Home)
	}
	return checkText(p.Home)
}

// suggestInstalled suggests nothing when a folder was named that no OMFLOW Server is in:
// it may be a slip, or the new server's folder.
func suggestInstalled(_ context.Context, m Machine, _ Plan) string {
	switch {
	case m.home() != "":
		return installedYes
	case m.named != "":
		return ""
	}
	return installedNo
}

// suggestUser suggests the owner of the server's folder. What a new one comes to, root
// need not run.
func suggestUser(_ context.Context, _ Machine, p Plan) string {
	owner := ownerOf(p.Home)
	if p.New && (owner == "" || owner == "root") {
		return newUser
	}
	return owner
}

func setRun(p *Plan, s string) (err error) {
	if p.Run, err = SplitWords(s); err != nil {
		return err
	}
	if len(p.Run) == 0 || p.Run[0] == "" {
		return errors.New("write a program and its arguments")
	}
	if slices.Contains(p.Run, "runserver") {
		return errors.New("manage.py runserver runs the schedules on each server: use gunicorn, on Windows waitress-serve")
	}
	_, err = JoinWords(p.Run)
	return err
}

func suggestBoosters(ctx context.Context, _ Machine, p Plan) string {
	if p.New {
		return ""
	}
	// Without an answer the boosters are asked for; doctor says what is wrong with
	// settings.py.
	file := settings.FileIn(p.Home)
	s, err := settings.Read(ctx, settings.Config{File: file, Python: settings.AsOwner(p.Python, file, p.Home)})
	if err != nil {
		return ""
	}
	return strings.Join(s.Boosters, " ")
}

// checkHome refuses a folder that no OMFLOW Server is in.
func checkHome(dir string) error {
	info, err := os.Stat(settings.FileIn(dir))
	if err != nil {
		return fmt.Errorf("no OMFLOW Server is in %s: %w", dir, err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("no OMFLOW Server is in %s: omflow/settings.py is no file", dir)
	}
	return nil
}

// checkText refuses what no Caddyfile or unit can hold.
func checkText(s string) error {
	if s == "" {
		return errors.New("write something")
	}
	_, err := Word(s)
	return err
}
