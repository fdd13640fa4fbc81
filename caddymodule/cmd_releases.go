package caddymodule

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/omflow/booster/internal/release/sequence"
)

func releasesCommand() *cobra.Command {
	list := &cobra.Command{
		Use:   "list",
		Short: "Lists the releases, newest first",
		Args:  exactly(0, "no arguments"),
		RunE:  run(listReleases),
	}
	show := &cobra.Command{
		Use:   "show <number>",
		Short: "Shows what a release changed, and which servers have it",
		Args:  exactly(1, "a release's number, as `booster omflow releases` shows it"),
		RunE:  run(showRelease),
	}
	approve := releaseAct("approve", "release %d is approved\n", "Lets a release that waits be rolled out", `
Approves a release that waits because its server's configuration says "approve
manual", and all before it. The newest release, if it is in quarantine, is tried again.`)
	rollback := releaseAct("rollback", "release %d has that content\n", "Brings an older release's content back", `
Makes a new release with the content of an older one. It is rolled out like any other:
one server at a time, and not to the others if the first does not do well with it.`)
	publish := &cobra.Command{
		Use:   "publish",
		Short: "Makes a release of what has changed on the servers, at once",
		Long: `
Has all agents publish the changes in their patch folders that are in no release yet,
without waiting until they have settled. Ends with 1 when one of them can't: a folder
that has lost most of its files is published after "confirm" only.`,
		Args: exactly(0, "no arguments"),
		RunE: run(publishReleases),
	}
	confirm := &cobra.Command{
		Use:   "confirm <server> [patch|replicate] <finding>",
		Short: "Says that files which are gone from a server were removed by intent",
		Long: `
A folder that is empty, is another one, or has lost most of its files is left alone, and
"status" says so, and names what it has found to be gone. This has the removal of that
published: the files go on all servers. When something else is gone by now, it is refused,
and "status" has the new name. Without patch or replicate it is the folder of which files
are gone.`,
		Args: confirms,
		RunE: run(func(cmd *cobra.Command, args []string, out io.Writer) error {
			last := len(args) - 1
			return decideOnLost(cmd, args[:last], "confirm", "?finding="+url.QueryEscape(args[last]), "%s: what is gone from its %s folder is removed from all servers\n", out)
		}),
	}
	restore := &cobra.Command{
		Use:   "restore <server> [patch|replicate]",
		Short: "Brings files back that are gone from a server",
		Long: `
A folder that is empty, is another one, or has lost most of its files is left alone, and
"status" says so. This brings the files back that the other servers have: those of a
patch folder at once, from the release that the server has, after which it should be
restarted; those of a replicated folder one after the other. Without patch or replicate
it is the folder of which files are gone.`,
		Args: decides,
		RunE: run(func(cmd *cobra.Command, args []string, out io.Writer) error {
			return decideOnLost(cmd, args, "restore", "", "%s: what is gone from its %s folder is brought back\n", out)
		}),
	}
	cmd := &cobra.Command{
		Use:   "releases",
		Short: "Lists, shows, approves and rolls back releases",
		Long: `
A release is one numbered state of the servers' patch folders. A change on one server
becomes a release, and is brought to the others one at a time.

Without another word it lists the releases, newest first: what changed (+ added,
~ modified, − deleted), when, on which server, and which servers have it.`,
		Args: exactly(0, "no arguments, or list, show, approve, rollback, publish, confirm or restore"),
		RunE: list.RunE,
	}
	for _, c := range []*cobra.Command{cmd, list, show, approve, rollback, publish, confirm, restore} {
		addressFlag(c)
		c.Flags().Bool("json", false, "Print JSON, for programs")
		c.SilenceUsage = true
		if c != cmd {
			cmd.AddCommand(c)
		}
	}
	return cmd
}

// askReleases calls the admin API, and prints its answer if that is wanted as JSON.
func askReleases[T any](cmd *cobra.Command, method, path string, v *T, out io.Writer) (printed bool, err error) {
	if err := adminCall(cmd, method, adminBase+"releases"+path, v); err != nil {
		return false, err
	}
	if asJSON, _ := cmd.Flags().GetBool("json"); asJSON {
		return true, json.NewEncoder(out).Encode(v)
	}
	return false, nil
}

func listReleases(cmd *cobra.Command, _ []string, out io.Writer) error {
	var list ReleaseList
	if printed, err := askReleases(cmd, http.MethodGet, "", &list, out); printed || err != nil {
		return err
	}
	return list.print(out)
}

// print writes the list for people.
func (l ReleaseList) print(out io.Writer) error {
	if len(l.Releases) == 0 {
		_, err := fmt.Fprintln(out, "There is no release yet.")
		return err
	}
	var page strings.Builder
	t := tabwriter.NewWriter(&page, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "RELEASE\tWHEN\tFROM\tKIND\tFILES\tSTATE\tON\tNOTE")
	for _, r := range l.Releases {
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Number, r.when(), r.Origin, r.Kind, r.changes(), r.State,
			cmp.Or(strings.Join(r.Servers, ", "), "-"), cmp.Or(r.Note, "-"))
	}
	t.Flush()
	for _, r := range l.Releases {
		if r.State == sequence.Quarantined {
			fmt.Fprintf(&page, "\nRelease %d is in quarantine: %s\n", r.Number, r.Reason)
		}
	}
	for _, r := range l.Releases {
		if r.State == sequence.Waiting {
			fmt.Fprintf(&page, "\nRelease %d waits: booster omflow releases approve %d\n", r.Number, r.Number)
		}
	}
	_, err := io.WriteString(out, page.String())
	return err
}

func (r ReleaseStatus) when() string { return r.Time.Local().Format(time.DateTime) }

// changes counts the files that the release changed.
func (r ReleaseStatus) changes() string {
	if r.Changes == nil {
		return "?"
	}
	return r.Changes.String()
}

// releaseNumber reads a release's number.
func releaseNumber(cmd *cobra.Command, arg string) uint64 {
	n, err := strconv.ParseUint(arg, 10, 64)
	if err != nil || n == 0 {
		_ = usageError(fmt.Errorf("%q is no release's number", arg), cmd) // ends the process
	}
	return n
}

func showRelease(cmd *cobra.Command, args []string, out io.Writer) error {
	n := releaseNumber(cmd, args[0])
	var d ReleaseDetail
	if printed, err := askReleases(cmd, http.MethodGet, "/"+strconv.FormatUint(n, 10), &d, out); printed || err != nil {
		return err
	}
	return d.print(out)
}

// print writes the release for people.
func (d ReleaseDetail) print(out io.Writer) error {
	var page strings.Builder
	fmt.Fprintf(&page, "Release %d, %s, %s from %s: %s\n", d.Number, d.when(), d.Kind, d.Origin, d.State)
	if d.Reason != "" {
		fmt.Fprintf(&page, "In quarantine: %s\n", d.Reason)
	}
	if d.Note != "" {
		fmt.Fprintf(&page, "%s\n", d.Note)
	}
	fmt.Fprintf(&page, "%s; %d files, %d bytes in all; sha256 %s\n", d.changes(), d.Files, d.Bytes, d.Hash)
	if len(d.On) > 0 {
		page.WriteString("\n")
		t := tabwriter.NewWriter(&page, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "SERVER\tSTATE\tRELEASE\tREASON")
		for _, s := range d.On {
			fmt.Fprintf(t, "%s\t%s\t%d\t%s\n", s.Name, s.State, s.Release, cmp.Or(s.Trouble, "-"))
		}
		t.Flush()
	}
	if page.WriteString("\n"); d.Diff != "" {
		page.WriteString(d.Diff)
	}
	for _, p := range d.Paths[min(len(d.Paths), d.shown()):] {
		fmt.Fprintf(&page, "%s %s (%d bytes)\n", map[string]string{"added": "+", "modified": "~", "deleted": "\u2212"}[p.Change], plain(p.Path), p.Bytes)
	}
	if d.More > 0 {
		fmt.Fprintf(&page, "and %d more\n", d.More)
	}
	_, err := io.WriteString(out, page.String())
	return err
}

// shown is how many of the changed paths the diff tells of.
func (d ReleaseDetail) shown() int {
	if d.Parent == 0 {
		return 0
	}
	return diffFiles
}

// releaseAct is a command that does something with a release; said is printed then.
func releaseAct(act, said, short, long string) *cobra.Command {
	return &cobra.Command{
		Use:   act + " <number>",
		Short: short,
		Long:  long,
		Args:  exactly(1, "a release's number, as `booster omflow releases` shows it"),
		RunE: run(func(cmd *cobra.Command, args []string, out io.Writer) error {
			return actOnRelease(cmd, args[0], act, said, out)
		}),
	}
}

func actOnRelease(cmd *cobra.Command, arg, act, said string, out io.Writer) error {
	n := releaseNumber(cmd, arg)
	var done ReleaseDone
	path := "/" + strconv.FormatUint(n, 10) + "/" + act
	if printed, err := askReleases(cmd, http.MethodPost, path, &done, out); printed || err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, said, done.Release)
	return err
}

func publishReleases(cmd *cobra.Command, _ []string, out io.Writer) error {
	var p ReleasePublished
	printed, err := askReleases(cmd, http.MethodPost, "/publish", &p, out)
	if err != nil {
		return err
	}
	var failed []error
	for _, s := range p.Servers {
		switch {
		case s.Error != "":
			failed = append(failed, fmt.Errorf("server %s: %s", s.Name, s.Error))
		case printed:
		case s.Release == 0:
			fmt.Fprintf(out, "%s: nothing has changed\n", s.Name)
		default:
			fmt.Fprintf(out, "%s: release %d\n", s.Name, s.Release)
		}
	}
	if len(p.Servers) == 0 {
		failed = append(failed, errors.New("no agent with a patch folder is reached"))
	}
	return errors.Join(failed...)
}

// decides takes a server, and perhaps one of its folders.
func decides(cmd *cobra.Command, args []string) error {
	if len(args) == 2 && args[1] != patchFolder && args[1] != replicateFolder {
		return usageError(fmt.Errorf("%q is no folder of a server: write patch or replicate", args[1]), cmd)
	}
	if len(args) < 1 || len(args) > 2 {
		return exactly(1, "a server, as `booster omflow status` shows it, and perhaps patch or replicate")(cmd, args)
	}
	return nil
}

// confirms takes what decides does, and what "status" calls that which is gone.
func confirms(cmd *cobra.Command, args []string) error {
	if len(args) < 2 || len(args) > 3 || len(args) == 2 && (args[1] == patchFolder || args[1] == replicateFolder) {
		return exactly(2, "a server, perhaps patch or replicate, and what is gone, as `booster omflow status` names it")(cmd, nil)
	}
	return decides(cmd, args[:len(args)-1])
}

// decideOnLost says what to make of files that are gone.
func decideOnLost(cmd *cobra.Command, args []string, act, query, said string, out io.Writer) error {
	path := "/" + act
	for _, word := range args {
		path += "/" + url.PathEscape(word)
	}
	var done LostDone
	if printed, err := askReleases(cmd, http.MethodPost, path+query, &done, out); printed || err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, said, done.Server, done.Folder)
	return err
}
