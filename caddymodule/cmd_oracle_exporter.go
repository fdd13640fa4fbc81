package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/omflow/booster/internal/oracleexporter"
	"github.com/omflow/booster/internal/setup"
)

// exporterSettingsTime bounds how long reading settings.py may take.
const exporterSettingsTime = time.Minute

func oracleExporterCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "oracle-exporter --settings <settings.py> | --url <url>",
		Short: "Writes the configuration of Oracle's own exporter for OMFLOW's database",
		Long: `
Oracle's exporter, oracledb_exporter of
https://github.com/oracle/oracle-db-appdev-monitoring, is a program to run beside an
agent. It reads from the database how it does and serves that as a metrics page, which
the agent reads when it has the option oracle_exporter. This command writes the
exporter's configuration file, for 2.0.4 or newer, and says how to start it.

The database is that of an OMFLOW Server's settings.py, which --python reads, or of a
URL that begins with oracle://, without a password; "-" reads the URL from standard
input. The password is neither written nor printed: the exporter takes it from the
environment variable ` + oracleexporter.PasswordVariable + `.

A file that exists is not written over, unless with --force.`,
		Args: func(cmd *cobra.Command, args []string) error {
			file, _ := cmd.Flags().GetString("settings")
			url, _ := cmd.Flags().GetString("url")
			if (url == "") == (file == "") || len(args) > 0 {
				return usageError(errors.New("oracle-exporter takes --settings and a settings.py, or --url and a URL"), cmd)
			}
			return nil
		},
		RunE: run(func(cmd *cobra.Command, _ []string, out io.Writer) error {
			f, err := exporterFile(cmd)
			if err != nil {
				return err
			}
			path, _ := cmd.Flags().GetString("file")
			force, _ := cmd.Flags().GetBool("force")
			return writeExporterFile(f, path, force, out)
		}),
	}
	cmd.Flags().String("settings", "", "An OMFLOW Server's settings.py")
	cmd.Flags().String("python", "python3", "The Python that runs the OMFLOW Server")
	cmd.Flags().String("url", "", "The database's URL, as in oracle://omflow@10.0.0.5/service")
	cmd.Flags().String("user", "", "The account that the exporter signs in as (default OMFLOW's)")
	cmd.Flags().String("listen", oracleexporter.DefaultListen, "Where the exporter serves its page")
	cmd.Flags().Bool("go-ora", false, "The exporter was built with the driver go-ora (build tag goora), not with Oracle's client")
	cmd.Flags().String("file", "oracle-exporter.yaml", "The file to write")
	cmd.Flags().Bool("force", false, "Write over a file that exists")
	return cmd
}

// exporterFile is what the flags ask for.
func exporterFile(cmd *cobra.Command) (f oracleexporter.File, err error) {
	ctx, cancel := context.WithTimeout(cmd.Context(), exporterSettingsTime)
	defer cancel()
	url, _ := cmd.Flags().GetString("url")
	if f.Target, err = dbTarget(ctx, cmd, []string{url}); err != nil {
		return f, err
	}
	f.Target.Password = "" // nothing here needs it
	f.User, _ = cmd.Flags().GetString("user")
	f.Listen, _ = cmd.Flags().GetString("listen")
	f.GoOra, _ = cmd.Flags().GetBool("go-ora")
	return f, nil
}

// writeExporterFile writes the file and says what to do with it.
func writeExporterFile(f oracleexporter.File, path string, force bool, out io.Writer) error {
	content, err := f.Render()
	if err != nil {
		return err
	}
	if path, err = filepath.Abs(path); err != nil {
		return fmt.Errorf("find %s: %w", path, err)
	}
	change, err := setup.Compare(setup.File{What: "configuration of Oracle's exporter", Path: path, Content: content, Mode: 0o644}, "")
	switch {
	case err != nil:
		return err
	case change.Exists && !change.Same && !force:
		return fmt.Errorf("%s is there and says something else:\n%s\nwith --force it is written over, with --file another one is written", path, change.Diff())
	case !change.Same:
		if _, err := change.Write(nil); err != nil {
			return err
		}
	}
	var page strings.Builder
	if change.Same {
		fmt.Fprintf(&page, "%s: is there as it should be\n", path)
	} else {
		fmt.Fprintf(&page, "%s: written\n", path)
	}
	exporterSteps(&page, f, path)
	_, err = io.WriteString(out, page.String())
	return err
}

// exporterSteps says what comes next.
func exporterSteps(page *strings.Builder, f oracleexporter.File, path string) {
	account := `"` + strings.ReplaceAll(strings.ToUpper(f.SignsIn()), `"`, `""`) + `"`
	fmt.Fprintf(page, "\n1. Have a database administrator let the account read Oracle's own views:\n\n")
	if f.User != "" {
		fmt.Fprintf(page, "    CREATE USER %s IDENTIFIED BY \"<password>\";\n    GRANT CREATE SESSION TO %s;\n", account, account)
	}
	fmt.Fprintf(page, "    GRANT SELECT_CATALOG_ROLE TO %s;\n", account)
	fmt.Fprintf(page, "\n2. Start the exporter, with the account's password in its environment:\n\n")
	if runtime.GOOS == "windows" {
		fmt.Fprintf(page, "    set %s=<password>\n    oracledb_exporter.exe --config.file \"%s\"\n", oracleexporter.PasswordVariable, path)
	} else {
		fmt.Fprintf(page, "    read -rs %[1]s && export %[1]s\n", oracleexporter.PasswordVariable)
		fmt.Fprintf(page, "    oracledb_exporter --config.file %s\n", shellWord(path))
	}
	fmt.Fprintf(page, "\n   From then on it is to be a service: docs/databases.md has a systemd unit, and a container.\n")
	fmt.Fprintf(page, "\n3. Have the agent on that machine read its page, in the Caddyfile:\n\n    database settings {\n        oracle_exporter %s\n    }\n", f.PageURL())
}

// shellWord quotes a path for a POSIX shell, where it needs that.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+:@%", r)
	}
	if !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
