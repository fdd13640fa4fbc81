package standin

import (
	"strings"

	"github.com/omflow/booster/internal/testbed/interpreter"
)

// view carries a request out. An engine.Refusal is answered with OMFLOW's status
// 404; what becomes of another error is the route's matter.
type view func(*Server, *request) (response, error)

// route is one of OMFLOW's URLs.
type route struct {
	view view
	cost interpreter.Cost
	// login sends anonymous users to the login page.
	login bool
	// exempt needs no CSRF token.
	exempt bool
	// caught is a view whose exceptions OMFLOW catches: they are answered with
	// status 500 in the body. The others make an HTTP 500 page.
	caught bool
}

// routes are the URLs without a variable part. They are only read.
var routes = map[string]route{
	"/":                                          {view: homePage, cost: costHome, login: true},
	"/my-mission/page/mission/":                  {view: missionPage, cost: costHome, login: true},
	"/accounts/login/":                           {view: loginPage, cost: costLoginPage},
	"/accounts/logout/":                          {view: logoutPage, cost: costLoginPage},
	"/accounts/api/login/":                       {view: loginAjax, cost: costLogin, exempt: true},
	"/accounts/api/multiple-login/check/":        {view: checkLoginAjax, cost: costLogin, exempt: true},
	"/accounts/api/security/get/":                {view: securityAjax, cost: costSecurity, exempt: true, caught: true},
	"/accounts/api/agree/get/":                   {view: agreeAjax, cost: costReady, caught: true},
	"/api/l-side/load/":                          {view: leftSideAjax, cost: costPoll, login: true, caught: true},
	"/api/workinfo/load/":                        {view: workInfoAjax, cost: costPoll, login: true, caught: true},
	"/my-mission/api/my-mission/list/":           {view: missionListAjax, cost: costList, login: true, caught: true},
	"/flowmanage/api/omdata/load/":               {view: ticketLoadAjax, cost: costRead, login: true, caught: true},
	"/flowmanage/api/omdata-file/upload/":        {view: fileUploadAjax, cost: costFile, login: true, caught: true},
	"/flowmanage/api/omdata-file/list/":          {view: fileListAjax, cost: costRead, login: true, caught: true},
	"/flowmanage/api/flow-active/list/":          {view: flowListAjax, cost: costRead, login: true, caught: true},
	"/flowmanage/api/flow-active/active/":        {view: flowActiveAjax, cost: costWrite, login: true, caught: true},
	"/flowmanage/api/flow-active/schedule/":      {view: scheduleAjax, cost: costWrite, login: true, caught: true},
	"/flowmanage/api/schedule/active/":           {view: scheduleActiveAjax, cost: costWrite, login: true, caught: true},
	"/flowmanage/api/flow-workspace-app/list/":   {view: workspaceListAjax, cost: costRead, login: true, caught: true},
	"/flowmanage/api/flow-workspace-app/import/": {view: workspaceImportAjax, cost: costWrite, login: true, caught: true},
	"/flowmanage/api/flow-workspace-app/deploy/": {view: deployAjax, cost: costDeploy, login: true, caught: true},
	"/flowmanage/api/flow-active/schedule/list/": {view: scheduleListAjax, cost: costRead, login: true, caught: true},
	"/flowmanage/api/flow-active/update/":        {view: flowUpdateAjax, cost: costWrite, login: true, caught: true},
	"/flowmanage/api/flow-active-app/list/":      {view: appListAjax, cost: costRead, login: true, caught: true},
	"/flowmanage/api/flow-active-app/undeploy/":  {view: undeployAjax, cost: costWrite, login: true, caught: true},
	"/flowmanage/api/flow-active-app/redeploy/":  {view: redeployAjax, cost: costWrite, login: true, caught: true},
	"/flowmanage/api/omparameter/list/":          {view: parameterListAjax, cost: costRead, login: true, caught: true},
	"/flowmanage/api/omparameter/create/":        {view: parameterCreateAjax, cost: costWrite, login: true, caught: true},
	"/flowmanage/api/omparameter/update/":        {view: parameterUpdateAjax, cost: costWrite, login: true, caught: true},
	"/flowmanage/api/omparameter/delete/":        {view: parameterDeleteAjax, cost: costWrite, login: true, caught: true},
	"/api/sidebar-design/load/":                  {view: sidebarLoadAjax, cost: costRead, login: true, caught: true},
	"/api/sidebar-design/update/":                {view: sidebarUpdateAjax, cost: costWrite, login: true, caught: true},
	"/api/system-config/load/":                   {view: systemLoadAjax, cost: costRead, login: true, caught: true},
	"/api/system-config/update/":                 {view: systemUpdateAjax, cost: costWrite, login: true, caught: true},
	"/service/api/request/":                      {view: serviceRequestAjax, cost: costCreate, login: true, caught: true},
}

// prefixRoute is a URL that ends in a variable part.
type prefixRoute struct {
	prefix string
	rest   bool // the variable part may have slashes, and needs none at the end
	route  route
}

var prefixRoutes = []prefixRoute{
	{"/flowmanage/api/omdata/edit/", false, route{view: ticketEditAjax, cost: costCreate, login: true, caught: true}},
	{"/flowmanage/api/omdata/list/", false, route{view: ticketListAjax, cost: costList, login: true, caught: true}},
	{"/flowmanage/api/omdata-data-id/get/", false, route{view: dataIDAjax, cost: costRead, login: true, caught: true}},
	{"/api/history-files/download/", true, route{view: downloadAjax, cost: costFile, login: true}},
}

// find returns the route of a path and its variable part.
func find(path string) (route, string, bool) {
	if r, ok := routes[path]; ok {
		return r, "", true
	}
	for _, p := range prefixRoutes {
		arg, ok := strings.CutPrefix(path, p.prefix)
		if !ok || arg == "" {
			continue
		}
		if p.rest {
			return p.route, arg, true
		}
		if arg, ok = strings.CutSuffix(arg, "/"); ok && arg != "" && !strings.Contains(arg, "/") {
			return p.route, arg, true
		}
	}
	return route{}, "", false
}
