package database

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5/pgproto3"
)

// result is what a statement gives. Without a tag the statement was empty.
type result struct {
	tag     string
	columns []pgproto3.FieldDescription
	rows    [][][]byte
}

// statement is one of the few that are understood.
type statement struct {
	form *regexp.Regexp
	do   func(s *Server, args []string) (result, error)
}

// statements are tried in this order on a text with single blanks and without a
// semicolon at its end. Names are as the client chose them; what stands between
// quotes has no quotes.
var statements = []statement{
	{form(`SELECT 1`), func(*Server, []string) (result, error) {
		return oneRow(intColumn("?column?"), "1"), nil
	}},
	// What a transaction changes is there at once, and stays: nothing that is understood
	// changes in several.
	{form(`(BEGIN|COMMIT|ROLLBACK)`), func(_ *Server, args []string) (result, error) {
		return result{tag: strings.ToUpper(args[0])}, nil
	}},
	{form(`SELECT version\(\)`), func(*Server, []string) (result, error) {
		return oneRow(textColumn("version"), "PostgreSQL "+postgresVersion+" (a stand-in with a few statements)"), nil
	}},
	{form(`SELECT id, left\(queue_id, (\d{1,4})\) FROM omflow_queuedata ORDER BY id LIMIT (\d{1,6})`), (*Server).journalRows},
	{form(`SELECT count\(\*\) FROM omflow_queuedata`), (*Server).journalCount},
	{form(endedRead), (*Server).journalSteps},
	{form(stepsRead), (*Server).journalStepsFrom},
	{form(endedProof), (*Server).provesEnded},
	{form(endedRemove), (*Server).removeEnded},
	{form(schedulesRead), (*Server).readSchedules},
	{form(scheduleMissed), (*Server).runMissed},
	{form(schedulesForget), (*Server).forgetMissed},
	{form(scheduleLast), (*Server).lastSchedule},
	{form(pausesOverdue), (*Server).overduePauses},
	{form(pausesActive), (*Server).activePauses},
	{form(pauseFired), (*Server).firedPause},
	{form(pausePassed), (*Server).passedPause},
	{form(flowsRead), (*Server).readFlows},
	{form(designsRead), (*Server).readDesigns},
	{form(strandedFlows), (*Server).strandedFlows},
	{form(strandedDesign), (*Server).strandedDesign},
	{form(strandedRunning), (*Server).strandedRunning},
	{form(strandedJournal), (*Server).strandedJournal},
	{form(strandedPauses), (*Server).strandedPauses},
	{form(strandedTicket), (*Server).strandedTicket},
	{form(strandedEnded), (*Server).strandedEnded},
	{form(strandedPast), (*Server).strandedPast},
	{form(misreadRead), (*Server).misread},
	{form(strandedRestore), (*Server).strandedRestore},
	{form(pendingRead), (*Server).pending},
	{form(createdRead), (*Server).readCreated},
	{form(`CREATE TABLE (\w+) \(id integer NOT NULL PRIMARY KEY, note varchar\(40\) NOT NULL\)`), scratchStatement((*scratch).create)},
	{form(`INSERT INTO (\w+) \(id, note\) VALUES \((\d{1,9}), '([^']{0,40})'\)`), scratchStatement((*scratch).insert)},
	{form(`SELECT note FROM (\w+) WHERE id = (\d{1,9})`), scratchStatement((*scratch).read)},
	{form(`UPDATE (\w+) SET note = '([^']{0,40})' WHERE id = (\d{1,9})`), scratchStatement((*scratch).update)},
	{form(`DELETE FROM (\w+) WHERE id = (\d{1,9})`), scratchStatement((*scratch).remove)},
	{form(`ALTER TABLE (\w+) ADD COLUMN (\w+) integer`), scratchStatement((*scratch).alter)},
	{form(`CREATE INDEX (\w+) ON (\w+) \((\w+)\)`), scratchStatement((*scratch).index)},
	{form(`DROP TABLE (\w+)`), scratchStatement((*scratch).drop)},
}

func form(pattern string) *regexp.Regexp { return regexp.MustCompile(`^(?i:` + pattern + `)$`) }

var (
	comment = regexp.MustCompile(`(?m)^\s*--.*$`)
	blanks  = regexp.MustCompile(`\s+`)
)

// execute carries out one statement.
func (s *Server) execute(text string) (result, error) {
	text = strings.TrimSpace(blanks.ReplaceAllString(comment.ReplaceAllString(text, ""), " "))
	text = strings.TrimSpace(strings.TrimSuffix(text, ";"))
	if text == "" {
		return result{}, nil
	}
	for _, st := range statements {
		if m := st.form.FindStringSubmatch(text); m != nil {
			return st.do(s, m[1:])
		}
	}
	return result{}, refuse(stateUnsupported, "the stand-in for PostgreSQL does not know this statement: %.100s", text)
}

// Object identifiers of types, as PostgreSQL's catalogue has them.
const (
	oidInt8 = 20
	oidInt4 = 23
	oidText = 25
)

func column(name string, oid uint32, size int16) pgproto3.FieldDescription {
	return pgproto3.FieldDescription{Name: []byte(name), DataTypeOID: oid, DataTypeSize: size, TypeModifier: -1}
}

func intColumn(name string) pgproto3.FieldDescription  { return column(name, oidInt4, 4) }
func textColumn(name string) pgproto3.FieldDescription { return column(name, oidText, -1) }

func oneRow(c pgproto3.FieldDescription, value string) result {
	return result{tag: "SELECT 1", columns: []pgproto3.FieldDescription{c}, rows: [][][]byte{{[]byte(value)}}}
}

// journalRows are the first rows of the flow queue's journal.
func (s *Server) journalRows(args []string) (result, error) {
	length, limit := number(args[0]), number(args[1])
	var queue []QueueItem
	if err := (service{s.store}).Queue(None{}, &queue); err != nil {
		return result{}, err
	}
	queue = queue[:min(limit, len(queue))]
	r := result{
		tag:     fmt.Sprintf("SELECT %d", len(queue)),
		columns: []pgproto3.FieldDescription{intColumn("id"), textColumn("left")},
	}
	for _, q := range queue {
		id := left(q.QueueID(), length)
		r.rows = append(r.rows, [][]byte{strconv.AppendInt(nil, int64(q.ID), 10), id})
	}
	return r, nil
}

func (s *Server) journalCount([]string) (result, error) {
	defer service{s.store}.lock()()
	return oneRow(column("count", oidInt8, 8), strconv.Itoa(len(s.store.state.Queue))), nil
}

// number parses digits that a statement's form has bounded.
func number(digits string) int {
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0 // can't be: the form takes digits only, and few
	}
	return n
}

// maxScratch bounds how many tables clients may make, and rows in each.
const maxScratch = 100

// scratch are the tables that clients of PostgreSQL make to see whether they may.
// They are gone when the process ends.
type scratch struct {
	mu     sync.Mutex
	tables map[string]*scratchTable
}

type scratchTable struct {
	notes   map[int]string // by id
	columns []string
	indexes []string
}

func newScratch() *scratch { return &scratch{tables: map[string]*scratchTable{}} }

// scratchStatement makes a statement of a method that holds the lock.
func scratchStatement(do func(*scratch, []string) (result, error)) func(*Server, []string) (result, error) {
	return func(s *Server, args []string) (result, error) {
		s.scratch.mu.Lock()
		defer s.scratch.mu.Unlock()
		return do(s.scratch, args)
	}
}

func (s *scratch) table(name string) (*scratchTable, error) {
	t := s.tables[strings.ToLower(name)]
	if t == nil {
		return nil, refuse(stateNoTable, "relation %q does not exist", name)
	}
	return t, nil
}

func (s *scratch) create(args []string) (result, error) {
	name := strings.ToLower(args[0])
	if s.tables[name] != nil || name == "omflow_queuedata" {
		return result{}, refuse(stateTableExists, "relation %q already exists", name)
	}
	if len(s.tables) == maxScratch {
		return result{}, refuse(stateTooMany, "there are %d tables already", maxScratch)
	}
	s.tables[name] = &scratchTable{notes: map[int]string{}, columns: []string{"id", "note"}}
	return result{tag: "CREATE TABLE"}, nil
}

func (s *scratch) insert(args []string) (result, error) {
	t, err := s.table(args[0])
	if err != nil {
		return result{}, err
	}
	id := number(args[1])
	if _, ok := t.notes[id]; ok {
		return result{}, refuse(stateUnique, "duplicate key value violates unique constraint %q", args[0]+"_pkey")
	}
	if len(t.notes) == maxScratch {
		return result{}, refuse(stateTooMany, "there are %d rows already", maxScratch)
	}
	t.notes[id] = args[2]
	return result{tag: "INSERT 0 1"}, nil
}

func (s *scratch) read(args []string) (result, error) {
	t, err := s.table(args[0])
	if err != nil {
		return result{}, err
	}
	if note, ok := t.notes[number(args[1])]; ok {
		return oneRow(textColumn("note"), note), nil
	}
	return result{tag: "SELECT 0", columns: []pgproto3.FieldDescription{textColumn("note")}}, nil
}

func (s *scratch) update(args []string) (result, error) {
	t, err := s.table(args[0])
	if err != nil {
		return result{}, err
	}
	id := number(args[2])
	if _, ok := t.notes[id]; !ok {
		return result{tag: "UPDATE 0"}, nil
	}
	t.notes[id] = args[1]
	return result{tag: "UPDATE 1"}, nil
}

func (s *scratch) remove(args []string) (result, error) {
	t, err := s.table(args[0])
	if err != nil {
		return result{}, err
	}
	before := len(t.notes)
	delete(t.notes, number(args[1]))
	return result{tag: fmt.Sprintf("DELETE %d", before-len(t.notes))}, nil
}

func (s *scratch) alter(args []string) (result, error) {
	t, err := s.table(args[0])
	if err != nil {
		return result{}, err
	}
	name := strings.ToLower(args[1])
	if slices.Contains(t.columns, name) {
		return result{}, refuse(stateColumnExists, "column %q of relation %q already exists", name, args[0])
	}
	if len(t.columns) == maxScratch {
		return result{}, refuse(stateTooMany, "there are %d columns already", maxScratch)
	}
	t.columns = append(t.columns, name)
	return result{tag: "ALTER TABLE"}, nil
}

func (s *scratch) index(args []string) (result, error) {
	t, err := s.table(args[1])
	if err != nil {
		return result{}, err
	}
	name, on := strings.ToLower(args[0]), strings.ToLower(args[2])
	if !slices.Contains(t.columns, on) {
		return result{}, refuse(stateNoColumn, "column %q does not exist", on)
	}
	if slices.Contains(t.indexes, name) {
		return result{}, refuse(stateTableExists, "relation %q already exists", name)
	}
	if len(t.indexes) == maxScratch {
		return result{}, refuse(stateTooMany, "there are %d indexes already", maxScratch)
	}
	t.indexes = append(t.indexes, name)
	return result{tag: "CREATE INDEX"}, nil
}

func (s *scratch) drop(args []string) (result, error) {
	if _, err := s.table(args[0]); err != nil {
		return result{}, err
	}
	delete(s.tables, strings.ToLower(args[0]))
	return result{tag: "DROP TABLE"}, nil
}
