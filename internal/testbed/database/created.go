package database

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgproto3"
)

// createdRead is the statement of one who looks for tickets that were opened lately, by
// their first rows.
const createdRead = `SELECT t.data_no, t.create_user_id, CASE WHEN length\(t.formitm_\d{1,5}\) > \d{1,9}(?: OR length\(t.formitm_\d{1,5}\) > \d{1,9})* THEN 1 ELSE 0 END` +
	`((?:, CASE WHEN length\(t.formitm_\d{1,5}\) <= \d{1,9} THEN t.formitm_\d{1,5} END)+) ` +
	`FROM omformmodel_omdata_(\w{32}) t WHERE t.id > \(SELECT MAX\(m.id\) FROM omformmodel_omdata_\w{32} m\) - (\d{1,9}) AND t.data_no > (\d{1,9}) ` +
	`AND t.createtime >= '(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6})\+00' AND \(t.init_data_id = t.id OR t.init_data_id IS NULL\) ORDER BY t.id LIMIT (\d{1,6})`

// pendingRead is the statement of one who asks what still runs that may change a flow's table.
const pendingRead = `SELECT count\(CASE WHEN a\.state <> 'idle' AND a\.state NOT LIKE 'idle in transaction%'` +
	` AND \(strpos\(a\.query, 'omformmodel_omdata_(\w{32})'\) > 0 OR a\.query ILIKE 'commit%'\) AND a\.query_start < clock_timestamp\(\) - interval '1 second' THEN 1` +
	` WHEN a\.state LIKE 'idle in transaction%' AND strpos\(a\.query, 'omformmodel_omdata_(\w{32})'\) > 0 AND a\.state_change < clock_timestamp\(\) - interval '1 second' THEN 1 END\),` +
	` count\(CASE WHEN \(a\.state = 'disabled' OR a\.state IS NULL AND NOT \(u\.rolsuper AND pg_has_role\(c\.relowner, 'USAGE'\)\)\)` +
	` AND has_table_privilege\(a\.usesysid, c\.oid, 'INSERT'\) THEN 1 END\)` +
	` FROM pg_class c LEFT JOIN pg_stat_activity a ON a\.datname = current_database\(\) AND a\.pid <> pg_backend_pid\(\)` +
	` LEFT JOIN pg_roles u ON u\.oid = a\.usesysid WHERE c\.oid = 'omformmodel_omdata_(\w{32})'::regclass`

// pending finds nothing: what a statement changes here is there before it is answered, and
// before the next one begins, slow or not.
func (s *Server) pending(args []string) (result, error) {
	defer service{s.store}.lock()()
	if s.store.state.Tables[args[0]] == nil {
		return result{}, refuse(stateNoTable, `relation "omformmodel_omdata_%s" does not exist`, args[0])
	}
	count := column("count", oidInt8, 8)
	return result{tag: "SELECT 1", columns: []pgproto3.FieldDescription{count, count}, rows: [][][]byte{{[]byte("0"), []byte("0")}}}, nil
}

var createdField = regexp.MustCompile(`<= (\d{1,9}) THEN t.(formitm_\d{1,5}) END`)

func (s *Server) readCreated(args []string) (result, error) {
	flow, window, after, limit := args[1], number(args[2]), number(args[3]), number(args[5])
	since, err := time.Parse("2006-01-02 15:04:05.000000", args[4])
	if err != nil {
		return result{}, refuse(stateUnsupported, "%q is no time", args[4])
	}
	r := result{columns: []pgproto3.FieldDescription{intColumn("data_no"), textColumn("create_user_id"), intColumn("case")}}
	var fields []string
	most := 0
	for _, m := range createdField.FindAllStringSubmatch(args[0], -1) {
		most, fields = number(m[1]), append(fields, m[2])
		r.columns = append(r.columns, textColumn("case"))
	}
	defer service{s.store}.lock()()
	t := s.store.state.Tables[flow]
	if t == nil {
		return result{}, refuse(stateNoTable, `relation "omformmodel_omdata_%s" does not exist`, flow)
	}
	known := map[int]bool{}
	for _, v := range t.Rows {
		first := !known[v.DataNo]
		known[v.DataNo] = true
		if !first || v.ID <= t.NextID-1-window || v.DataNo <= after || v.CreateTime.Before(since) || len(r.rows) == limit {
			continue
		}
		row := [][]byte{strconv.AppendInt(nil, int64(v.DataNo), 10), []byte(v.CreateUser), []byte("0")}
		texts := columnTexts(v.Form)
		for _, field := range fields {
			text := []byte(texts[field])
			if utf8.RuneCount(text) > most {
				row[2], text = []byte("1"), nil
			}
			row = append(row, text)
		}
		r.rows = append(r.rows, row)
	}
	r.tag = fmt.Sprintf("SELECT %d", len(r.rows))
	return r, nil
}

// columnTexts are what OMFLOW writes into the columns of a form's fields: texts as they
// are, anything else as Python's JSON.
func columnTexts(form json.RawMessage) map[string]string {
	var items []struct {
		ID    string          `json:"id"`
		Value json.RawMessage `json:"value"`
	}
	texts := map[string]string{}
	if json.Unmarshal(form, &items) != nil {
		return texts
	}
	for _, item := range items {
		var text string
		if json.Unmarshal(item.Value, &text) != nil {
			var flat bytes.Buffer
			if json.Compact(&flat, item.Value) == nil {
				text = string(pythonJSON(flat.Bytes()))
			}
		}
		texts[strings.ToLower(item.ID)] = text
	}
	return texts
}
