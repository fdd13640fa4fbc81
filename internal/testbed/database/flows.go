package database

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
)

// The statements of one who wants to know which flows are deployed, and which of their
// steps pause or call other flows.
const (
	flowsRead = `SELECT f.id, f.flow_uuid::text, f.parent_uuid::text, a.app_name, f.flow_name, f.api_path ` +
		`FROM omformflow_flowactive f JOIN omformflow_activeapplication a ON a.id = f.flow_app_id ` +
		`WHERE f.undeploy_flag = false ORDER BY f.id DESC LIMIT (\d{1,6})`

	designsRead = `SELECT f.id, CASE WHEN f.flowobject LIKE '%"sleep"%' THEN 1 ELSE 0 END, CASE WHEN f.flowobject LIKE '%"outflow"%' THEN 1 ELSE 0 END, ` +
		`CASE WHEN f.flowobject LIKE '%"inflow"%' THEN 1 ELSE 0 END, CASE WHEN \(f.flowobject LIKE '%"sleep"%' OR f.flowobject LIKE '%"outflow"%' ` +
		`OR f.flowobject LIKE '%"inflow"%'\) AND length\(f.flowobject\) <= \d{1,9} THEN f.flowobject END ` +
		`FROM omformflow_flowactive f WHERE f.id IN \(([\d, ]{1,1000})\)`
)

// flowObject is the column flowobject: a flow's design, of which a stand-in's has the
// kinds of steps and no more. A step that works is a script.
func (f Flow) flowObject() string {
	type item struct {
		ID   string `json:"id"`
		Type string `json:"type"`
		Text string `json:"text"`
	}
	items := []item{{"FITEM_1", "start", ""}}
	for i, s := range f.Steps {
		kind := "form"
		switch {
		case s.Pause > 0:
			kind = "sleep"
		case s.Work > 0:
			kind = "python"
		}
		items = append(items, item{fmt.Sprintf("FITEM_%d", i+2), kind, s.Name})
	}
	text, err := json.Marshal(struct {
		Items []item `json:"items"`
	}{items})
	if err != nil {
		return "" // can't be: these are texts
	}
	return string(text)
}

func (s *Server) readFlows(args []string) (result, error) {
	var all []Flow
	if err := (service{s.store}).Flows(None{}, &all); err != nil {
		return result{}, err
	}
	slices.Reverse(all)
	all = slices.DeleteFunc(all, func(f Flow) bool { return f.Undeployed })
	all = all[:min(number(args[0]), len(all))]
	r := result{tag: fmt.Sprintf("SELECT %d", len(all)), columns: []pgproto3.FieldDescription{intColumn("id")}}
	for _, name := range []string{"flow_uuid", "parent_uuid", "app_name", "flow_name", "api_path"} {
		r.columns = append(r.columns, textColumn(name))
	}
	for _, f := range all {
		r.rows = append(r.rows, [][]byte{
			strconv.AppendInt(nil, int64(f.ID), 10), []byte(dashed(f.UUID)), nil, []byte(f.App), []byte(f.Name), []byte(f.APIPath),
		})
	}
	return r, nil
}

// dashed is a UUID as PostgreSQL writes it.
func dashed(uuid string) string {
	if len(uuid) != 32 {
		return uuid
	}
	return strings.Join([]string{uuid[:8], uuid[8:12], uuid[12:16], uuid[16:20], uuid[20:]}, "-")
}

func (s *Server) readDesigns(args []string) (result, error) {
	var all []Flow
	if err := (service{s.store}).Flows(None{}, &all); err != nil {
		return result{}, err
	}
	ids := strings.Split(args[0], ", ")
	r := result{columns: []pgproto3.FieldDescription{intColumn("id"), intColumn("case"), intColumn("case"), intColumn("case"), textColumn("flowobject")}}
	for _, f := range all {
		if !slices.Contains(ids, strconv.Itoa(f.ID)) {
			continue
		}
		text := f.flowObject()
		row := [][]byte{strconv.AppendInt(nil, int64(f.ID), 10)}
		any := false
		for _, word := range []string{`"sleep"`, `"outflow"`, `"inflow"`} {
			has := strings.Contains(text, word)
			any = any || has
			row = append(row, map[bool][]byte{true: []byte("1"), false: []byte("0")}[has])
		}
		if any {
			row = append(row, []byte(text))
		} else {
			row = append(row, nil)
		}
		r.rows = append(r.rows, row)
	}
	r.tag = fmt.Sprintf("SELECT %d", len(r.rows))
	return r, nil
}
