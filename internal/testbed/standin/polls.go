package standin

import (
	"errors"
	"net/http"

	"github.com/omflow/booster/internal/testbed/database"
)

// errInterrupted is Django's SessionInterrupted: the session was deleted while
// the request ran.
var errInterrupted = errors.New("the request's session was deleted before the request completed")

// leftSideAjax is the page's poll that keeps the session alive.
func leftSideAjax(s *Server, r *request) (response, error) {
	if r.session.key != "" { // not for a REST call
		found, err := s.renew(r)
		if err != nil {
			return serverError(err), nil
		}
		if !found {
			return page(http.StatusBadRequest, []byte(htmlEscape(errInterrupted.Error()))), nil
		}
	}
	if !r.params.Truthy("draw_$") {
		return jsonAnswer(statusNotFound, r.lang.Text("缺少必要參數，請確認後重新發送請求。"), nil), nil
	}
	open, err := s.db.OpenByLevel()
	if err != nil {
		return response{}, err
	}
	// A ticket without a level counts as green.
	mission := []int{open["red"], open["yellow"], open["green"] + open[""]}
	sidebar := s.engine.Sidebar()
	for i := range sidebar {
		sidebar[i].Name = r.lang.Text(sidebar[i].Name)
	}
	return jsonAnswer(statusOK, r.lang.Text("讀取成功。"), map[string]any{"sidebar": sidebar, "mission": mission}), nil
}

// workInfoAjax is the page's other poll.
func workInfoAjax(s *Server, r *request) (response, error) {
	open, err := s.db.Tickets(database.TicketQuery{Open: true, Limit: 1})
	if err != nil {
		return response{}, err
	}
	result := map[string]int{"messages": 0, "missions": open.Total, "node": 0}
	return jsonAnswer(statusOK, r.lang.Text("更新成功。"), result), nil
}
