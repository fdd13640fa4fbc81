package profile

// Profile is one version of OMFLOW Server. Paths are decoded: a character is written as
// itself, not as its percent escape.
type Profile struct {
	// Base names the profile that a file is laid over: omflow-1.1. It is in files
	// only: Parse resolves it.
	Base string `json:"base,omitempty"`

	// Repairs are the repairs that are made.
	Repairs Repairs `json:"repairs"`

	// REST is the prefix under which every URL exists once more, for programs that
	// sign in with a token in each call. It ends with a slash. Default: there is none.
	REST string `json:"rest,omitempty"`

	// API is the piece of a path that sets a call of a program or script apart from a
	// page; the words after it are looked up in Verbs. It begins and ends with a slash.
	// Default: no path is a call.
	API string `json:"api,omitempty"`

	// URLs have the URLs whose lane or class does not follow from their words.
	URLs []URL `json:"urls,omitempty"`

	// Unlisted say what holds for URLs that are not in URLs.
	Unlisted []Family `json:"unlisted,omitempty"`

	// Verbs are the words in a call's path that tell what it does. Of several the one
	// that allows least counts.
	Verbs Verbs `json:"verbs"`

	// Static tells files that are the same on every server and have no view.
	Static Static `json:"static"`

	// Action tells, for URLs with Action, what a body asks for.
	Action Action `json:"action"`

	// Tokens is about REST tokens.
	Tokens Tokens `json:"tokens"`

	// Tickets is about how tickets are opened.
	Tickets Tickets `json:"tickets"`

	// AgreeGet is about the URL that answers any setting to anyone.
	AgreeGet AgreeGet `json:"agree_get"`

	// HistoryFiles is about the URL that gives out any file.
	HistoryFiles HistoryFiles `json:"history_files"`

	// Health is how a server is asked for its health.
	Health Health `json:"health"`

	// Answers are the front door's own answers. Default for a text that is missing:
	// the one of the profile omflow-1.1.
	Answers Answers `json:"answers"`
}

// Repairs switches each repair on or off. Default in a profile without a base: off.
type Repairs struct {
	// Tokens makes a REST token that one server issued good on all.
	Tokens bool `json:"tokens"`
	// LostCreates answers with an error where a server said that it had opened a
	// ticket and had not, and looks for the ticket where a server died.
	LostCreates bool `json:"lost_creates"`
	// AgreeGet refuses questions for settings that are nobody's business.
	AgreeGet bool `json:"agree_get"`
	// HistoryFiles refuses paths that lead out of the folder of uploads.
	HistoryFiles bool `json:"history_files"`
	// RESTCookies takes the Cookie field from calls under REST, which would end the
	// browser's session.
	RESTCookies bool `json:"rest_cookies"`
	// Lead sends control and file requests to the lead server.
	Lead bool `json:"lead"`
	// MultipartGate lets multipart creates of one flow pass one at a time, a second
	// apart. It needs Lead and Tickets.
	MultipartGate bool `json:"multipart_gate"`
	// Pauses sends requests that open or push a ticket of a flow with a pause to the lead
	// server, which alone ends pauses. It needs Lead and Tickets.
	Pauses bool `json:"pauses"`
}

// How the Path of a URL is compared with a request's.
const (
	// MatchExact: the whole path, which is also the default.
	MatchExact = "exact"
	// MatchChild: the path and exactly one more segment.
	MatchChild = "child"
	// MatchBelow: the path and whatever follows.
	MatchBelow = "below"
)

// The classes of requests, from the one that allows most.
const (
	// ClassRead changes nothing.
	ClassRead = "read"
	// ClassGuarded changes something, and a repeat changes nothing more.
	ClassGuarded = "guarded"
	// ClassCreate must never be sent twice.
	ClassCreate = "create"
)

// URL is what is known of one URL, or of those that go on with a name. It holds under
// REST too, where the lane session becomes flow.
type URL struct {
	// Path ends with a slash. OMFLOW's calls take a path with and without one.
	Path string `json:"path"`
	// Match is exact, child or below. Default exact. Exact URLs come first, then the
	// longest path.
	Match string `json:"match,omitempty"`
	// Lane is session, flow, control, file or static. Default session.
	Lane string `json:"lane,omitempty"`
	// Class is read, guarded or create. Default create.
	Class string `json:"class,omitempty"`
	// Action: a create, unless the body says that it may be repeated, see Action of
	// Profile.
	Action bool `json:"action,omitempty"`
	// Files: a multipart body may bring files, and the request then is in the lane
	// file.
	Files bool `json:"files,omitempty"`
	// Work: the request may put an item into OMFLOW's flow queue.
	Work bool `json:"work,omitempty"`
	// Note is for people.
	Note string `json:"note,omitempty"`
}

// Family says what holds for the URLs with a prefix that are not in URLs and are no
// reads, so that what a newer version adds there is met with care. A call is a read if
// its words say so and none says more; anything else if its method is GET, HEAD or
// OPTIONS. Of several families all hold.
type Family struct {
	// Prefix is where their paths begin; it may end within a segment.
	Prefix string `json:"prefix"`
	// Lane they are in. Default: none of its own.
	Lane string `json:"lane,omitempty"`
	// Work: they may put an item into the flow queue.
	Work bool `json:"work,omitempty"`
	// Note is for people.
	Note string `json:"note,omitempty"`
}

// Verbs are words by the class that they stand for.
type Verbs struct {
	Read    []string `json:"read,omitempty"`
	Guarded []string `json:"guarded,omitempty"`
	Create  []string `json:"create,omitempty"`
}

// Static tells files that browsers fetch beside a page, with GET or HEAD.
type Static struct {
	// Prefixes are folders of such files.
	Prefixes []string `json:"prefixes,omitempty"`
	// Extensions are the ends of their names, without the dot.
	Extensions []string `json:"extensions,omitempty"`
}

// Action tells what a JSON body asks for.
type Action struct {
	// Field is the name of the member that says it.
	Field string `json:"field,omitempty"`
	// Create are the values for a create.
	Create []string `json:"create,omitempty"`
	// Update are the values for a change that may be repeated.
	Update []string `json:"update,omitempty"`
	// Delete are the values for a removal, which may be repeated and puts nothing into
	// the flow queue. All values that are in no list are handled like a create.
	Delete []string `json:"delete,omitempty"`
}

// Messages are texts of OMFLOW, by the language they are in. Any of them is recognised,
// whatever language the client asked for; the language is for people.
type Messages map[string][]string

// Tokens is what is known of REST tokens, which are UUIDs of 36 characters.
type Tokens struct {
	// Path is where a token is issued to the login in the Authorization field.
	Path string `json:"path,omitempty"`
	// Result is the token's name in the result of that answer.
	Result string `json:"result,omitempty"`
	// Field is the token's name in a call's body, form or query.
	Field string `json:"field,omitempty"`
	// Wrong are the messages that come with JSON status 403 and result null when the
	// server does not know the token. They must prove that nothing was done: the call
	// is sent again, also a create.
	Wrong Messages `json:"wrong,omitempty"`
	// Expired are those for a token that was this server's own and is over.
	Expired Messages `json:"expired,omitempty"`
}

// Tickets is what is known of how tickets are opened, and of the answer "200, created"
// with result null.
type Tickets struct {
	// Edit is where tickets are opened; a flow's name follows.
	Edit string `json:"edit,omitempty"`
	// ByUUID stands in place of a flow's name if the body has the flow's UUID.
	ByUUID string `json:"by_uuid,omitempty"`
	// Service is where a service request opens one.
	Service string `json:"service,omitempty"`
	// IDs is where the data ids of a ticket can be asked for by the flow's name.
	IDs string `json:"ids,omitempty"`
	// List is where tickets can be listed by ByUUID.
	List string `json:"list,omitempty"`
	// Created are the messages that a ticket was opened.
	Created Messages `json:"created,omitempty"`
	// Failed are the beginnings of the messages that the flow engine had begun with a
	// ticket, and ended in an error: steps of it may be in the flow queue all the same.
	Failed Messages `json:"failed,omitempty"`
	// NoModel are the messages of IDs and List on a server that lacks the flow's
	// model, and so can't have opened a ticket.
	NoModel []string `json:"no_model,omitempty"`
}

// AgreeGet is a URL that answers a setting.
type AgreeGet struct {
	// Path is the URL.
	Path string `json:"path,omitempty"`
	// Field is the member or form field that names the setting.
	Field string `json:"field,omitempty"`
	// Public are the settings that anyone may ask for.
	Public []string `json:"public,omitempty"`
}

// HistoryFiles is a URL that gives out files.
type HistoryFiles struct {
	// Path is followed by the file's.
	Path string `json:"path,omitempty"`
	// Word is a piece of Path: a doubtful spelling of a path with it is refused.
	Word string `json:"word,omitempty"`
}

// Health has the two questions to a server.
type Health struct {
	// Live tells whether the process answers.
	Live Check `json:"live"`
	// Ready tells whether it can work, its database included.
	Ready Check `json:"ready"`
}

// What a Check expects of the body.
const (
	// AnswerOK: OMFLOW's JSON with status 200, which is also the default.
	AnswerOK = "ok"
	// AnswerAny: OMFLOW's JSON with any status.
	AnswerAny = "any"
	// AnswerNone: the body is not looked at, except for Contains.
	AnswerNone = "none"
)

// Check is one question and what is expected.
type Check struct {
	// URI is path and query. Required.
	URI string `json:"uri"`
	// Method is the request's method. Default GET.
	Method string `json:"method,omitempty"`
	// Body is sent along. Default none.
	Body string `json:"body,omitempty"`
	// ContentType is Body's. Default none.
	ContentType string `json:"content_type,omitempty"`
	// HTTPStatus is the status to expect. Default 200.
	HTTPStatus int `json:"http_status,omitempty"`
	// Answer is ok, any or none. Default ok.
	Answer string `json:"answer,omitempty"`
	// Contains is a text that the body must have. Default: none.
	Contains string `json:"contains,omitempty"`
}
