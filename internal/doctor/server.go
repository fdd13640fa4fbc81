package doctor

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/omflow/booster/internal/bootstrap"
	"github.com/omflow/booster/internal/omflow/settings"
	"github.com/omflow/booster/internal/omflow/settings/alike"
)

// settingsTimeout is how long a check may take that needs settings.py: as long as
// Python may, and some more.
const settingsTimeout = settings.DefaultTimeout + 5*time.Second

// Server checks an OMFLOW Server that an agent is to run.
type Server struct {
	// Home is its folder, and Run the command that starts it; empty when something else
	// does.
	Home string
	Run  []string
	// Python is the command that reads settings.py.
	Python string
	// Join are the boosters that the configuration names, host:port; empty where those
	// of settings.py are joined.
	Join []string
	// Settings reads settings.py; it should do so once. Required.
	Settings func(context.Context) (settings.Settings, error)
	// Label is what nodes tell of the secret key, see alike.Label. Without it the key is
	// not held against the other servers'.
	Label func(settings.Settings) string
	// Others are the facts of the other servers' settings, by server; ok is false when
	// no booster could tell. Required.
	Others func(context.Context) (facts map[string]alike.Facts, ok bool)
	// Import tries to import Python modules, and returns why it can't, by module. Default:
	// bootstrap.Import.
	Import func(ctx context.Context, python []string, modules []string) (failures map[string]string, err error)
	// Lookup finds the addresses of a name. Default: the machine's resolver.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
}

// Checks returns the checks.
func (s Server) Checks() []Check {
	checks := []Check{{Name: "home", Run: func(context.Context) Result { return s.home() }}}
	if len(s.Run) > 0 {
		checks = append(checks, Check{Name: "start command", Run: func(context.Context) Result { return s.command() }})
	}
	for _, c := range []struct {
		name    string
		timeout time.Duration
		judge   func(context.Context, settings.Settings, error) Result
	}{
		{"python", settingsTimeout, s.python}, {"Python packages", settingsTimeout + bootstrap.ImportTime, s.packages}, {"schedules", settingsTimeout, s.schedules},
		{"settings.py", settingsTimeout, judgeSettings}, {"SECRET_KEY", settingsTimeout, s.secretKey}, {"time zone", settingsTimeout, s.timeZone}, {"BOOSTER_IP", settingsTimeout, s.boosters},
	} {
		checks = append(checks, Check{Name: c.name, Timeout: c.timeout, Run: func(ctx context.Context) Result {
			read, err := s.Settings(ctx)
			return c.judge(ctx, read, err)
		}})
	}
	return checks
}

func (s Server) home() Result {
	const advice = "write as `home` the folder that holds OMFLOW's manage.py"
	info, err := os.Stat(s.Home)
	switch {
	case err != nil:
		return failed("%v", err).advise(advice)
	case !info.IsDir():
		return failed("%s is a file", s.Home).advise(advice)
	}
	if _, err := os.Stat(filepath.Join(s.Home, "manage.py")); err != nil {
		return failed("there is no OMFLOW Server in it: %v", err).advise(advice)
	}
	return ok("%s holds an OMFLOW Server", s.Home)
}

// command checks that the start command is there, and that it starts one process which
// leaves the schedules to the lead server.
func (s Server) command() Result {
	program := s.Run[0]
	if strings.ContainsRune(program, filepath.Separator) && !filepath.IsAbs(program) {
		program = filepath.Join(s.Home, program) // it is started there
	}
	path, err := exec.LookPath(program)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return failed("%s may not be executed", program).advise("chmod +x it, or give it to the user that the service runs as")
	case err != nil:
		return failed("%v", err).advise("write the program's whole path in `run`, as it is in OMFLOW's virtual environment")
	}
	for _, word := range s.Run {
		switch {
		case word == "runserver":
			return failed("runserver starts the schedules on each server, so that they would fire several times").
				advise("write a server for production: %s", exampleRun())
		case strings.HasPrefix(word, "RUN_MAIN="):
			return failed("with RUN_MAIN in `run` each server starts the schedules, so that they would fire several times").
				advise("leave it out: the agent gives it to the lead server alone, see `lead_env`")
		}
	}
	if n := workers(s.Run); n != "" && n != "1" {
		return failed("%s worker processes each have a memory of their own, and OMFLOW keeps tokens and flows in it", n).
			advise("write --workers 1 --threads 8, and more servers for more load")
	}
	return ok("%s", path)
}

func exampleRun() string {
	if runtime.GOOS == "windows" {
		return "`run waitress-serve --threads 8 --port 8000 omflow.wsgi:application`"
	}
	return "`run gunicorn --workers 1 --threads 8 --bind 0.0.0.0:8000 omflow.wsgi`"
}

// workers returns what gunicorn is told of the number of its processes, or "".
func workers(run []string) (n string) {
	if !slices.ContainsFunc(run, func(word string) bool { return strings.HasPrefix(filepath.Base(word), "gunicorn") }) {
		return ""
	}
	for i, word := range run {
		name, value, found := strings.Cut(word, "=")
		switch {
		case (name == "--workers" || name == "-w") && found:
			n = value
		case (word == "--workers" || word == "-w") && i+1 < len(run):
			n = run[i+1]
		case strings.HasPrefix(word, "-w") && strings.Trim(word[2:], "0123456789") == "" && len(word) > 2:
			n = word[2:]
		}
	}
	return n
}

// python tells which Python was found. What that Python says of settings.py, its own
// version included, is the next check.
func (s Server) python(_ context.Context, read settings.Settings, _ error) Result {
	const advice = "write the Python that runs OMFLOW, as in `python /opt/omflow/venv/bin/python3`"
	if _, err := exec.LookPath(s.Python); err != nil {
		return failed("%v", err).advise(advice)
	}
	switch {
	case read.Python == "":
		return skipped("settings.py could not be read with it")
	case read.Django == "":
		return failed("%s is Python %s without Django, so it is not the one that runs OMFLOW", s.Python, read.Python).advise(advice)
	}
	return ok("Python %s, Django %s", read.Python, read.Django)
}

// schedules checks that OMFLOW's schedules fire with this Python.
func (s Server) schedules(_ context.Context, read settings.Settings, err error) Result {
	if read.Python == "" {
		return skipped("settings.py could not be read")
	}
	if err := read.Schedules(s.Home); err != nil {
		return failed("%v", err).
			advise("make OMFLOW's virtual environment anew with Python 3.9, on all servers; or put the name back, as the line above says: in settings.py on each server, or in a sitecustomize.py of that Python")
	}
	return ok("nothing in Python %s is known to keep them from firing", read.Python)
}

func judgeSettings(_ context.Context, read settings.Settings, err error) Result {
	if err == nil {
		err = read.Validate()
	}
	if err != nil {
		return failed("%v", err).advise("put it right in settings.py, and restart this OMFLOW Server")
	}
	return ok("it is read, and fits beside other servers")
}

// secretKey holds the key against the other servers'.
func (s Server) secretKey(ctx context.Context, read settings.Settings, _ error) Result {
	if len(read.SecretKey) == 0 {
		return skipped("settings.py gives none")
	}
	if s.Label == nil {
		return skipped("without a cluster key it can't be held against the other servers'")
	}
	label := s.Label(read)
	others, asked := s.Others(ctx)
	var same, differ, unknown []string
	for _, server := range sorted(others) {
		switch equal, known := alike.Same(label, others[server].SecretKey); {
		case !known:
			unknown = append(unknown, server)
		case equal:
			same = append(same, server)
		default:
			differ = append(differ, server)
		}
	}
	switch {
	case !asked:
		return skipped("no booster tells of the other servers; the key's label is %s, and must be the same there", label)
	case len(differ) > 0:
		return failed("it is not that of %s", strings.Join(differ, ", ")).
			advise("write the same SECRET_KEY in settings.py on all servers, and restart them: with another one users are signed out when another server answers")
	case len(same) > 0:
		return ok("it is the same on %s", strings.Join(same, ", "))
	case len(unknown) > 0:
		return skipped("%s: it has no key, or the cluster key is being changed", strings.Join(unknown, ", "))
	}
	return ok("there is no other server yet")
}

// timeZone checks that there is such a zone, and that the other servers have it too.
func (s Server) timeZone(ctx context.Context, read settings.Settings, _ error) Result {
	if read.TimeZone == "" {
		return skipped("settings.py could not be read")
	}
	zone, err := time.LoadLocation(read.TimeZone)
	if err != nil {
		if _, err := time.LoadLocation("Asia/Taipei"); err != nil {
			return skipped("this machine knows no time zones")
		}
		return failed("%s is no time zone that this machine knows", read.TimeZone).advise("write the same one on all servers, as in TIME_ZONE = 'Asia/Taipei'")
	}
	now := time.Now().In(zone).Format("15:04")
	others, asked := s.Others(ctx)
	var differ []string
	for _, server := range sorted(others) {
		if theirs := others[server].TimeZone; theirs != "" && theirs != read.TimeZone {
			differ = append(differ, server+" has "+theirs)
		}
	}
	switch {
	case len(differ) > 0:
		return failed("it is %s, and %s", read.TimeZone, strings.Join(differ, ", ")).
			advise("write the same TIME_ZONE in settings.py on all servers, and restart them: schedules fire by it, and tickets show it")
	case !asked:
		return ok("%s, where it is %s: this check on the other servers must say the same", read.TimeZone, now)
	}
	return ok("%s, where it is %s", read.TimeZone, now)
}

// boosters checks that settings.py and the configuration name the same boosters.
func (s Server) boosters(ctx context.Context, read settings.Settings, err error) Result {
	switch {
	case err != nil && len(read.Boosters) == 0:
		return skipped("settings.py could not be read")
	case len(s.Join) == 0 && len(read.Boosters) == 0:
		return failed("settings.py names no boosters, and neither does `join`").advise("%v", read.NoBooster())
	case len(read.Boosters) == 0:
		return ok("settings.py names no boosters; `join` does")
	case len(s.Join) == 0:
		return ok("the boosters of settings.py are joined")
	}
	if len(read.Boosters) == len(s.Join) {
		same := true
		for i := range s.Join {
			same = same && s.sameNode(ctx, s.Join[i], read.Boosters[i])
		}
		if same {
			return ok("settings.py and `join` name the same boosters")
		}
	}
	return failed("settings.py names %s, and `join` names %s", strings.Join(read.Boosters, " "), strings.Join(s.Join, " ")).
		advise("name the same boosters in the same order, the primary first, in both")
}

// sameNode reports whether two addresses lead to one place; names may differ.
func (s Server) sameNode(ctx context.Context, a, b string) bool {
	if a == b {
		return true
	}
	visitor := Visitor{Lookup: s.Lookup}
	var found [2][]netip.AddrPort
	for i, address := range []string{a, b} {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return false
		}
		if found[i], err = visitor.resolve(ctx, host, port); err != nil {
			return false
		}
	}
	return slices.ContainsFunc(found[0], func(x netip.AddrPort) bool { return slices.Contains(found[1], x) })
}
