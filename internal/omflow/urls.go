package omflow

// rule is what is known of one of OMFLOW's URLs.
type rule struct {
	lane  Lane
	class Class
	// action: the body's "action" tells a create from an update or a delete.
	action bool
	// files: a multipart body may bring files, which end up on the disk of the
	// server that runs the request.
	files bool
	// question: the body tells whether the request may pass, see Table.Refuses.
	question bool
}

// urls has the URLs of OMFLOW Server 1.1.0.0 whose lane or class does not
// follow from their last word (see verbClass). All of them also exist under /rest/.
// Paths are written as decodePath gives them.
var urls = map[string]rule{
	// Session: the page waits for these.
	"/accounts/logout/":                   {class: Guarded},
	"/accounts/api/login/":                {class: Guarded},
	"/accounts/api/multiple-login/check/": {class: Guarded},
	"/accounts/api/register/":             {class: Create},
	"/accounts/api/user/active/":          {class: Guarded}, // sets the state it names
	"/api/permission/denied/":             {class: Read},
	"/dashboard/api/form/":                {class: Read},
	"/dashboard/api/model/":               {class: Read},
	"/dashboard/api/update/":              {class: Read}, // computes one grid's figures
	"/dashboard/api/save/":                {class: Guarded},
	"/service/api/form/":                  {class: Read},
	"/service/api/column/":                {class: Read},
	"/service/api/subqueryH/":             {class: Read},
	"/service/api/subqueryD/":             {class: Read},
	"/service/api/request/":               {class: Create, files: true},

	"/announcement/api/message-history/load/":   {class: Guarded}, // marks as read
	"/announcement/api/message-detail/compose/": {class: Read},
	"/announcement/api/messages/create/":        {class: Create, files: true},
	"/announcement/api/message-history/create/": {class: Create, files: true},

	"/flowmanage/api/relation/edit/": {class: Create, action: true},
	"/flowmanage/api/relation/data/": {class: Read},

	// The first call of every API client, and a dear one: it derives a key from
	// the password. It must not push clicks aside.
	"/accounts/api/security/get/": {lane: Flow, class: Read},

	// Answers a setting; which one is in the body.
	agreePath: {class: Read, question: true},

	// File: read or change the serving machine's disk. The list marks
	// attachments that it does not find on disk as deleted, for good.
	"/flowmanage/api/omdata-file/list/":   {lane: File, class: Guarded},
	"/flowmanage/api/omdata-file/upload/": {lane: File, class: Guarded},
	"/api/files/delete/":                  {lane: File, class: Guarded},

	// Control: change the serving process's memory or code.
	"/flowmanage/api/flow-workspace-app/deploy/":          {lane: Control, class: Create},
	"/flowmanage/api/flow-workspace-app/import/":          {lane: Control, class: Create},
	"/flowmanage/api/flow-workspace-app/edit/":            {lane: Control, class: Create, action: true},
	"/flowmanage/api/flow-workspace-app-language/import/": {lane: Control, class: Create},
	"/flowmanage/api/flow-active/active/":                 {lane: Control, class: Guarded}, // sets the state it names
	"/flowmanage/api/flow-active/update/":                 {lane: Control, class: Create},  // a toggle: a repeat undoes it
	"/flowmanage/api/flow-active/schedule/":               {lane: Control, class: Create},
	"/flowmanage/api/flow-active-app/undeploy/":           {lane: Control, class: Create},
	"/flowmanage/api/flow-active-app/redeploy/":           {lane: Control, class: Create},
	"/flowmanage/api/schedule/active/":                    {lane: Control, class: Create}, // a toggle
	"/flowmanage/api/node-policy/receive/":                {lane: Control, class: Create},
	"/flowmanage/api/omparameter/create/":                 {lane: Control, class: Create},
	"/flowmanage/api/omparameter/update/":                 {lane: Control, class: Guarded},
	"/flowmanage/api/omparameter/delete/":                 {lane: Control, class: Guarded},
	"/flowmanage/api/omparameter/import/":                 {lane: Control, class: Create},
	"/api/sidebar-design/update/":                         {lane: Control, class: Guarded},
	"/api/system-config/update/":                          {lane: Control, class: Guarded},
	"/api/license-file/upload/":                           {lane: Control, class: Guarded},
	"/service/api/save/":                                  {lane: Control, class: Create},
	"/service/api/import/":                                {lane: Control, class: Create},
}

// urlPrefixes has the URLs that go on with a name: a flow's API path or a
// file's. They come before verbClass, because a flow may be called "list".
var urlPrefixes = []struct {
	prefix string
	single bool // exactly one more segment; OMFLOW knows no URL with more
	rule   rule
}{
	{editPath, false, rule{class: Create, action: true, files: true}},
	{"/flowmanage/api/omdata/list/", true, rule{class: Read}},
	{"/flowmanage/api/omdata-data-id/get/", true, rule{class: Read}},
	{historyPath, false, rule{lane: File, class: Read}},
}

// controlFamily begins the URLs that change deployed flows in memory; what is
// under it and is no read is control, even where a newer OMFLOW adds to it.
const controlFamily = "/flowmanage/api/flow-active"

// verbClass knows the words that OMFLOW's API URLs end with, as in
// /flowmanage/api/flow-SLA/update/.
func verbClass(word []byte) (Class, bool) {
	switch string(word) {
	case "list", "load", "get", "search", "export", "exportall":
		return Read, true
	case "update", "delete", "upload":
		return Guarded, true
	case "create", "add", "import", "copy", "edit", "deploy", "request", "save":
		return Create, true
	}
	return 0, false
}

// staticExtension knows the file types that browsers fetch beside a page.
func staticExtension(ext []byte) bool {
	switch string(ext) {
	case "css", "js", "map", "png", "jpg", "jpeg", "gif", "svg", "ico", "webp",
		"woff", "woff2", "ttf", "eot", "otf", "mp3", "mp4", "webm":
		return true
	}
	return false
}

// TokenPath is where OMFLOW issues a REST token to the login in the Authorization
// field, by GET or POST.
const TokenPath = "/accounts/api/security/get/"
