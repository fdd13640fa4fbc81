// Package supervise starts one server process and keeps it running.
//
// A [Supervisor] owns one command. It restarts the process when it exits, with a
// growing, jittered pause; gives up ([Fatal]) when it exits again and again
// right after its start, because then a person has to look; and stops it by
// asking (TERM), waiting, and killing. The process has its own process group,
// and signals go to the whole group: whatever the server started must not hold
// its port or go on writing when the server is gone. All of a group that was
// asked to end have until the end of the grace, also when its first process, a
// shell that runs the server, ends before the others; what one leaves behind
// that ended by itself is killed at once. Its standard input is the null device,
// since a server that asks a question on it would wait for ever.
//
// # An agent's crash leaves the server alone
//
// The supervising process may crash, be killed or be replaced without the server
// noticing. For that the server's output does not go through a pipe (whose other
// end would vanish) but is appended to StateDir/server.log, which the Supervisor
// follows line by line into its logger; and the process is written down in
// StateDir/server.pid with its start time, the machine's boot id and a hash of
// its command. The next Supervisor on that StateDir adopts a process that still
// lives and is the very same one: same pid, same start time, same boot. If its
// command is another now, it is stopped before the new one is started. A pid
// that meanwhile belongs to a stranger is left alone. Where the process is gone
// and others of its group live, they would hold the server's port: they are
// ended, with a grace of 2 s, before anything is started. They are its own if
// its exit status is still there, or if all are of its session and have started
// after it; others are left alone, and the log names them. Exit codes of adopted
// processes are not known, only their parent learns them. A lock on
// StateDir/server.lock keeps two Supervisors from one server. One whose name,
// and so StateDir, has changed finds by [Config.Left] what was started under the
// former.
//
// A service manager may undo this: systemd ends all processes of a unit unless
// it says KillMode=process.
//
// # What can be lost
//
// Lines over 8 kB are cut, more than 500 lines a second, and 4 MB that were not
// read yet, are dropped, and all of it is said in the log. What would do something
// to a terminal is replaced in lines. Lines written while nobody supervises stay in the file and are not logged afterwards. The file is
// emptied when it has passed 16 MB and was read to its end, also when somebody
// has removed or renamed it meanwhile; what is written in that very moment is
// lost. While nobody supervises, the file grows without bound. A crash in the
// instant between the start of the process and the writing of server.pid leaves
// a process that is not adopted. On a disk that is full, the writing is tried
// again until it succeeds.
//
// # Systems
//
// On Linux all of the above holds; an adopted process is watched through a
// pidfd (Linux 5.3; a look into /proc five times a second before that). On other
// Unix systems nothing is adopted. On Windows a job object takes the group's
// place, CTRL_BREAK that of TERM and TerminateJobObject that of KILL; a process
// there cannot be adopted, so the job, and the server, ends with the agent.
//
// # How it works
//
// All state belongs to one goroutine; methods hand it a function and wait for
// the answer, so they may be called from any goroutine in any order. Another
// goroutine waits for the process, a third follows the output. All of them have
// ended when Close returns.
package supervise
