package profile

// Text is what is said of one failure: a title for the page, and sentences that say
// what happened and what to do, which are also the API's message.
type Text struct {
	Title   string `json:"title"`
	Message string `json:"message"`
}

// Texts is a Text in each of OMFLOW's languages, named by their BCP 47 tags.
type Texts struct {
	TraditionalChinese Text `json:"zh-Hant"`
	English            Text `json:"en"`
	Japanese           Text `json:"ja"`
	SimplifiedChinese  Text `json:"zh-Hans"`
}

// Answers has the texts of each reason for which the front door answers in a server's
// place. Those of the profile omflow-1.1 promise nothing that is not so: only where
// nothing was sent to a server do they say that a repeat is safe.
type Answers struct {
	QueueFull      Texts `json:"queue_full"`
	WaitedTooLong  Texts `json:"waited_too_long"`
	NoServer       Texts `json:"no_server"`
	Maintenance    Texts `json:"maintenance"`
	Unreachable    Texts `json:"unreachable"`
	OutcomeUnknown Texts `json:"outcome_unknown"`
	ServerTimeout  Texts `json:"server_timeout"`
	BadAnswer      Texts `json:"bad_answer"`
	BodyTooLarge   Texts `json:"body_too_large"`
	BadRequest     Texts `json:"bad_request"`
	Forbidden      Texts `json:"forbidden"`
	NotCreated     Texts `json:"not_created"`
}
