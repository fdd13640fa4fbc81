package omflow

import "testing"

func TestFlowOf(t *testing.T) {
	other := parsed(t, otherOMFLOW)
	for _, tt := range []struct {
		table *Table
		path  string
		name  string
		place FlowPlace
	}{
		{builtInTable, "/flowmanage/api/omdata/edit/mission/", "mission", FlowInPath},
		{builtInTable, "/flowmanage/api/omdata/edit/mission", "mission", FlowInPath},
		{builtInTable, "/rest/flowmanage/api/omdata/edit/%E4%BB%BB/", "任", FlowInPath},
		{builtInTable, "/flowmanage/api/omd%61ta/edit/a/b/", "a/b", FlowInPath},
		{builtInTable, "/rest/flowmanage/api/omdata/edit/None", "", FlowInBody},
		{builtInTable, "/flowmanage/api/omdata/edit/No%6Ee/", "", FlowInBody},
		{builtInTable, "/rest/service/api/request", "", FlowInService},
		{builtInTable, "/flowmanage/api/omdata/edit/", "", FlowNowhere},
		{builtInTable, "/flowmanage/api/omdata/list/mission/", "", FlowNowhere},
		{builtInTable, "/flowmanage/api/omdata/edit/a%2Fb/", "", FlowNowhere},
		{builtInTable, "/flowmanage/api/omdata/edit//mission/", "", FlowNowhere},
		{builtInTable, "", "", FlowNowhere},
		{other, "/v2/calls/tickets/do/edit/a/", "a", FlowInPath},
		{other, "/tickets/do/edit/-/", "", FlowInBody},
		{other, "/flowmanage/api/omdata/edit/mission/", "", FlowNowhere},
		{other, "/service/api/request/", "", FlowNowhere},
	} {
		if name, place := tt.table.FlowOf(tt.path); name != tt.name || place != tt.place {
			t.Errorf("FlowOf(%q) = %q, %d, want %q, %d", tt.path, name, place, tt.name, tt.place)
		}
	}
}
