package database

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// pendingSQL is the SQL of one engine. may tells with 1 that the account sees what others
// do, and is empty where read tells that itself, or fails. own is true where an account sees
// its own sessions without that. read counts the statements that may have yet to be
// committed, and the sessions whose statements the account may not see; {table} stands for
// the flow's table. grant gives the right.
type pendingSQL struct {
	may   string
	own   bool
	read  string
	grant func(user string) string
}

// What began within the last second is of a server that lives: the rows prove nothing before
// more time has passed since the other's end. A session that PostgreSQL hides has no
// state (pg_stat_activity: only members of its role, and of pg_read_all_stats, see it), and
// "disabled" where track_activities is off. A superuser's hidden session is an
// administrator's when the table is the account's own: OMFLOW makes its tables itself.
//
// MySQL shows an account without the right PROCESS its own sessions alone, and does not say
// so: an account that is not known to be OMFLOW's needs the right, and not by a role, since
// what roles give is not among an account's own rights.
//
// Oracle shows no statement of a session that commits; it counts when it is the account's.
var pendingStatements = map[Engine]pendingSQL{
	Postgres: {
		read: `SELECT count(CASE WHEN a.state <> 'idle' AND a.state NOT LIKE 'idle in transaction%'` +
			` AND (strpos(a.query, '{table}') > 0 OR a.query ILIKE 'commit%') AND a.query_start < clock_timestamp() - interval '1 second' THEN 1` +
			` WHEN a.state LIKE 'idle in transaction%' AND strpos(a.query, '{table}') > 0 AND a.state_change < clock_timestamp() - interval '1 second' THEN 1 END),` +
			` count(CASE WHEN (a.state = 'disabled' OR a.state IS NULL AND NOT (u.rolsuper AND pg_has_role(c.relowner, 'USAGE')))` +
			` AND has_table_privilege(a.usesysid, c.oid, 'INSERT') THEN 1 END)` +
			` FROM pg_class c LEFT JOIN pg_stat_activity a ON a.datname = current_database() AND a.pid <> pg_backend_pid()` +
			` LEFT JOIN pg_roles u ON u.oid = a.usesysid WHERE c.oid = '{table}'::regclass`,
		grant: func(user string) string {
			return "GRANT pg_read_all_stats TO " + quote(user, `"`, `"`) + ", and track_activities has to be on"
		},
	},
	MySQL: {
		may: `SELECT COUNT(*) FROM information_schema.USER_PRIVILEGES WHERE PRIVILEGE_TYPE = 'PROCESS' AND CAST(GRANTEE AS BINARY) = CAST(CONCAT('''', ` +
			`LEFT(CURRENT_USER(), CHAR_LENGTH(CURRENT_USER()) - CHAR_LENGTH(SUBSTRING_INDEX(CURRENT_USER(), '@', -1)) - 1), ` +
			`'''@''', SUBSTRING_INDEX(CURRENT_USER(), '@', -1), '''') AS BINARY)`,
		own: true,
		read: `SELECT COUNT(*), 0 FROM information_schema.processlist WHERE ID <> CONNECTION_ID() AND COMMAND <> 'Sleep'` +
			` AND TIME >= 1 AND (LOCATE('{table}', INFO) > 0 OR INFO LIKE 'COMMIT%')`,
		grant: func(user string) string { return "GRANT PROCESS ON *.* TO " + mysqlAccount(user) },
	},
	SQLServer: {
		may: `SELECT HAS_PERMS_BY_NAME(NULL, NULL, 'VIEW SERVER STATE')`,
		read: `SELECT COUNT(*), 0 FROM sys.dm_exec_requests r CROSS APPLY sys.dm_exec_sql_text(r.sql_handle) q` +
			` WHERE r.session_id <> @@SPID AND r.database_id = DB_ID() AND r.total_elapsed_time >= 1000` +
			` AND (CHARINDEX('{table}', q.text) > 0 OR q.text LIKE 'COMMIT%')`,
		grant: func(user string) string { return "GRANT VIEW SERVER STATE TO " + quote(user, "[", "]") },
	},
	Oracle: {
		read: `SELECT COUNT(*), 0 FROM gv$session s LEFT JOIN gv$sql q ON q.inst_id = s.inst_id AND q.sql_id = s.sql_id AND q.child_number = s.sql_child_number` +
			` WHERE s.type = 'USER' AND s.audsid <> USERENV('SESSIONID') AND s.status = 'ACTIVE' AND s.last_call_et >= 1` +
			` AND (INSTR(q.sql_text, '{table}') > 0 OR q.sql_text IS NULL AND s.username = USER)`,
		grant: func(user string) string {
			return "GRANT SELECT_CATALOG_ROLE TO " + quote(strings.ToUpper(user), `"`, `"`)
		},
	},
}

// Pending returns why it isn't proved that nothing more is committed to the table of a flow
// by a statement that has run for a second or more, as one does that waits for a lock. The
// reason is empty when it is proved: rows that are read afterwards are then all that a client
// has made that was gone a second before. flow is its UUID as 32 hexadecimal digits. Nothing
// is written, and no lock waited for. It takes at most 10 s.
//
// What it can't see: a statement that the database has received and not begun yet.
func (db *DB) Pending(ctx context.Context, flow string) (why string, err error) {
	if !flowForm.MatchString(flow) {
		return "", errors.New("look for running statements: no flow")
	}
	err = db.call(ctx, "look for running statements in", func(ctx context.Context) (err error) {
		why, err = db.pending(ctx, flow)
		return err
	})
	return why, err
}

func (db *DB) pending(ctx context.Context, flow string) (why string, err error) {
	s := pendingStatements[db.target.Engine]
	hidden := "the account may not see what others run in " + db.dialect.title + "; " + s.grant(db.target.User)
	if s.may != "" && !(s.own && db.target.OwnAccount) {
		var may int
		if err := db.pool.QueryRowContext(ctx, s.may).Scan(&may); err != nil {
			return "", err
		}
		if may != 1 {
			return hidden, nil
		}
	}
	var running, unseen int
	err = db.pool.QueryRowContext(ctx, s.statement(db.target.Engine, flow)).Scan(&running, &unseen)
	kind := Classify(err)
	switch {
	case db.target.Engine == Oracle && (kind == NoTable || kind == NoRight):
		return hidden, nil // ORA-00942: the views are there, and not for this account
	case err != nil:
		return "", err
	case running > 0:
		return fmt.Sprintf("statements on the flow's table that have run for more than 1s: %d", running), nil
	case unseen > 0:
		return hidden, nil
	}
	return "", nil
}

// statement is the one that counts.
func (s pendingSQL) statement(e Engine, flow string) string {
	return strings.ReplaceAll(s.read, "{table}", ticketTable(e, flow))
}
