package setup

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
)

// Kind is what a machine is.
type Kind string

// The kinds of nodes.
const (
	Booster Kind = "booster"
	Agent   Kind = "agent"
)

// Roles of two boosters.
const (
	Primary   = "primary"
	Secondary = "secondary"
)

// What becomes of changes in the OMFLOW Server's folder.
const (
	PatchesAuto   = "auto"
	PatchesManual = "manual"
	PatchesNone   = "none"
)

// Ports where none is written: the cluster's, as OMFLOW's manual has it, and the
// one that the manual's examples give an OMFLOW Server behind a Booster.
const (
	ClusterPort = "5169"
	ServerPort  = "8000"
)

// Plan is what a node is to be. [Interview] makes it; its fields are checked.
type Plan struct {
	// Kind is booster or agent.
	Kind Kind
	// Name is the node's, and of an agent its server's.
	Name string
	// Address is where other nodes reach this one, host:port.
	Address string
	// Boosters are the boosters' addresses, the primary first. A booster that is
	// alone has none; of two, this one is among them.
	Boosters []string
	// Role is primary or secondary on a booster that is not alone.
	Role string
	// Site is the address that users know, as a Caddyfile has it. Boosters only.
	Site string
	// InternalTLS has Caddy make the site's certificate itself.
	InternalTLS bool
	// Home is the OMFLOW Server's folder; a new one's need not be there. It and what follows: agents only.
	Home string
	// New says that no OMFLOW Server is there: the agent fetches it, and its options,
	// from the cluster.
	New bool
	// Server is where boosters send requests, host:port; of a new server :port, or
	// empty for the port that the others have.
	Server string
	// Run is the command that starts the OMFLOW Server. It and what follows, up to
	// CopyUploads, are empty for a new server.
	Run []string
	// Python is the Python that runs it.
	Python string
	// Patches says what becomes of changes in the folder: one of the answers to the
	// question of that name.
	Patches string
	// CopyUploads has attachments copied to the other servers.
	CopyUploads bool
	// User runs the agent and, with it, the OMFLOW Server. Only where there is a
	// unit.
	User string
	// Key is the cluster key to be written; empty for the one in the key file.
	Key string
	// NewKey says that Key was made just now.
	NewKey bool
	// Paths are where things go.
	Paths Paths
}

// Paths are where files go and what they name. All are absolute.
type Paths struct {
	// Dir is the folder of Caddyfile and key file.
	Dir string
	// Units is the folder of systemd units; empty for none.
	Units string
	// Installed is where a package's units are: a unit that is there as it would be
	// written is not written. May be empty.
	Installed string
	// Program is the booster's binary.
	Program string
	// Admin is the address of the node's admin API; empty for Caddy's default.
	Admin string
	// Service says that the node is to be a service of Windows, which keeps no log of
	// what a service prints: it goes to a file.
	Service bool
}

// Caddyfile is the path of the node's Caddyfile.
func (p Plan) Caddyfile() string { return filepath.Join(p.Paths.Dir, string(p.Kind)+".Caddyfile") }

// LogFile is the path of the log of a node that is a service of Windows.
func (p Plan) LogFile() string { return filepath.Join(p.Paths.Dir, string(p.Kind)+".log") }

// KeyFile is the path of the cluster key. Each kind of node has its own, since
// another user reads it.
func (p Plan) KeyFile() string { return filepath.Join(p.Paths.Dir, string(p.Kind)+".key") }

// Unit is the name of the node's systemd unit, and of its state folder.
func (p Plan) Unit() string { return "omflow-" + string(p.Kind) }

// ServiceUser is who the unit runs as.
func (p Plan) ServiceUser() string {
	if p.Kind == Booster {
		return boosterUser
	}
	return p.User
}

// stateDir is the node's state folder, which its unit makes where [Plan.MakeState] has
// not. Without a unit it is left to Caddy's data folder.
func (p Plan) stateDir() string {
	if p.Paths.Units == "" {
		return ""
	}
	return "/var/lib/" + p.Unit()
}

// Validate refuses a plan that no node could be made of: what the questions
// check one by one is not looked at again.
func (p Plan) Validate() error {
	switch {
	case p.Kind != Booster && p.Kind != Agent:
		return fmt.Errorf("kind %q: write %s or %s", p.Kind, Booster, Agent)
	case p.Name == "" || p.Address == "":
		return errors.New("the node has no name or no address")
	case !filepath.IsAbs(p.Paths.Dir) || !filepath.IsAbs(p.Paths.Program):
		return errors.New("the folder of the configuration and the program must be absolute paths")
	case p.Kind == Agent && (p.Home == "" || len(p.Boosters) == 0):
		return errors.New("an agent needs the OMFLOW Server's folder and the boosters")
	case p.Kind == Agent && !p.New && (p.Server == "" || len(p.Run) == 0):
		return errors.New("an agent needs the address and the command of an OMFLOW Server that is there")
	case p.Kind == Agent && slices.Contains(p.Boosters, p.Address):
		return fmt.Errorf("%s is both this agent's address and a booster's: give one of them another port", p.Address)
	case p.Kind == Agent && p.Paths.Units != "" && p.User == "":
		return errors.New("the unit needs a user who runs the OMFLOW Server")
	case p.Kind == Booster && p.Site == "":
		return errors.New("the booster has no site")
	case len(p.Boosters) > 2:
		return fmt.Errorf("%d boosters: there can be two", len(p.Boosters))
	}
	return nil
}

// File is one file to be written.
type File struct {
	// What is it, in words.
	What string
	// Path is absolute.
	Path string
	// Content is all of it.
	Content []byte
	// Mode is its permissions.
	Mode fs.FileMode
	// Owner is the user it is to belong to; empty for whoever writes it.
	Owner string
	// Secret says that its content is not to be shown.
	Secret bool
}

// Files renders the plan: the key file, if a key is to be written, comes first,
// then Caddyfile and unit.
func (p Plan) Files() ([]File, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("render the plan: %w", err)
	}
	caddyfile, err := p.renderCaddyfile()
	if err != nil {
		return nil, fmt.Errorf("write the Caddyfile: %w", err)
	}
	var files []File
	if p.Key != "" {
		owner := ""
		if p.Paths.Units != "" {
			owner = p.ServiceUser()
		}
		files = append(files, File{What: "key file", Path: p.KeyFile(), Content: []byte(p.Key + "\n"), Mode: 0o600, Owner: owner, Secret: true})
	}
	files = append(files, File{What: "Caddyfile", Path: p.Caddyfile(), Content: caddyfile, Mode: 0o644})
	if p.Paths.Units != "" {
		unit, err := RenderUnit(UnitConfig{Kind: p.Kind, Program: p.Paths.Program, Caddyfile: p.Caddyfile(), User: p.User, Home: p.Home, LowPort: lowPort(p.Server)})
		if err != nil {
			return nil, err
		}
		files = append(files, File{What: "systemd unit", Path: filepath.Join(p.Paths.Units, p.Unit()+".service"), Content: unit, Mode: 0o644})
	}
	return files, nil
}
