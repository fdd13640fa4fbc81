package database

import "time"

// Caller makes one call of the database; [Pool] and [Conn] are Callers.
type Caller interface {
	Call(method string, args, reply any) error
}

// Queries are the database's calls with their types. They may be used by
// several goroutines at once. An error that wraps [ErrUnavailable] means that
// the database is not reachable; any other comes from the statement itself.
// A single row that does not exist is returned as the zero value.
type Queries struct{ Caller }

func get[R any](c Caller, method string, args any) (R, error) {
	var reply R
	err := c.Call(method, args, &reply)
	return reply, err
}

// Ping makes one empty round trip.
func (q Queries) Ping() error { return q.Call("Ping", None{}, &None{}) }

// User returns the account of that name.
func (q Queries) User(name string) (User, error) { return get[User](q, "User", name) }

// SaveUser inserts or replaces an account by its name.
func (q Queries) SaveUser(u User) error { return q.Call("SaveUser", u, &None{}) }

// Session returns the session with that key, expired or not.
func (q Queries) Session(key string) (Session, error) { return get[Session](q, "Session", key) }

// Sessions returns all sessions in no particular order.
func (q Queries) Sessions() ([]Session, error) { return get[[]Session](q, "Sessions", None{}) }

// InsertSession adds a session or replaces the one with its key.
func (q Queries) InsertSession(s Session) error { return q.Call("InsertSession", s, &None{}) }

// UpdateSession replaces a session and tells whether it still existed.
func (q Queries) UpdateSession(s Session) (bool, error) { return get[bool](q, "UpdateSession", s) }

// DeleteSession removes a session; one that does not exist is no error.
func (q Queries) DeleteSession(key string) error { return q.Call("DeleteSession", key, &None{}) }

// Setting returns a system setting.
func (q Queries) Setting(name string) (Setting, error) { return get[Setting](q, "Setting", name) }

// SaveSetting inserts or replaces a system setting.
func (q Queries) SaveSetting(name, value string) error {
	return q.Call("SaveSetting", Setting{Name: name, Value: value}, &None{})
}

// Workspace returns a designed application.
func (q Queries) Workspace(id int) (Workspace, error) { return get[Workspace](q, "Workspace", id) }

// Workspaces returns all designed applications by ID.
func (q Queries) Workspaces() ([]Workspace, error) { return get[[]Workspace](q, "Workspaces", None{}) }

// SaveWorkspace inserts a designed application, or replaces it when it has an
// ID, and returns its ID.
func (q Queries) SaveWorkspace(w Workspace) (int, error) { return get[int](q, "SaveWorkspace", w) }

// Flows returns the deployed flows by ID.
func (q Queries) Flows() ([]Flow, error) { return get[[]Flow](q, "Flows", None{}) }

// SaveFlow inserts or replaces a deployed flow by its UUID and returns it with
// its ID.
func (q Queries) SaveFlow(f Flow) (Flow, error) { return get[Flow](q, "SaveFlow", f) }

// CreateTable makes the table of a flow when there is none.
func (q Queries) CreateTable(flow string) error { return q.Call("CreateTable", flow, &None{}) }

// InsertTicket adds a row and returns it with its ID and number.
func (q Queries) InsertTicket(flow string, t Ticket) (Ticket, error) {
	return get[Ticket](q, "InsertTicket", TicketRow{Flow: flow, Ticket: t})
}

// SlowInserts has each later InsertTicket answered only after d, though its row is
// there at once: a process that is killed meanwhile has made it and does nothing more.
// Zero ends that.
func (q Queries) SlowInserts(d time.Duration) error { return q.Call("SlowInserts", d, &None{}) }

// SlowDequeues has each later Dequeue answered only after d, though the row is gone at
// once: a server that is killed meanwhile leaves a ticket between two steps.
func (q Queries) SlowDequeues(d time.Duration) error { return q.Call("SlowDequeues", d, &None{}) }

// Ticket returns one row.
func (q Queries) Ticket(flow string, id int) (Ticket, error) {
	return get[Ticket](q, "Ticket", TicketKey{Flow: flow, ID: id})
}

// UpdateTicket replaces a row and tells whether it still existed.
func (q Queries) UpdateTicket(flow string, t Ticket) (bool, error) {
	return get[bool](q, "UpdateTicket", TicketRow{Flow: flow, Ticket: t})
}

// DeleteTicket removes all rows of a ticket and returns how many there were.
func (q Queries) DeleteTicket(flow string, dataNo int) (int, error) {
	return get[int](q, "DeleteTickets", TicketQuery{Flow: flow, DataNo: dataNo})
}

// Tickets returns the rows that match.
func (q Queries) Tickets(query TicketQuery) (TicketPage, error) {
	return get[TicketPage](q, "Tickets", query)
}

// OpenByLevel counts the open rows of all flows by their level.
func (q Queries) OpenByLevel() (map[string]int, error) {
	return get[map[string]int](q, "OpenByLevel", None{})
}

// TicketsByTitle counts the tickets that exist, in all flows, by title: a test
// that gives each of its creates its own title sees here whether one ran twice,
// whatever became of the servers.
func (q Queries) TicketsByTitle(prefix string) (map[string]int, error) {
	return get[map[string]int](q, "TicketsByTitle", prefix)
}

// Enqueue adds a row to the flow queue's journal and returns it with its ID.
func (q Queries) Enqueue(i QueueItem) (QueueItem, error) { return get[QueueItem](q, "Enqueue", i) }

// Dequeue removes a row of the journal by its queue_id. None or several rows with
// it are no error, and nothing is removed.
func (q Queries) Dequeue(queueID string) error { return q.Call("Dequeue", queueID, &None{}) }

// Queue returns the journal, the oldest row first.
func (q Queries) Queue() ([]QueueItem, error) { return get[[]QueueItem](q, "Queue", None{}) }

// Schedule returns one schedule.
func (q Queries) Schedule(id int) (Schedule, error) { return get[Schedule](q, "Schedule", id) }

// Schedules returns all schedules by ID.
func (q Queries) Schedules() ([]Schedule, error) { return get[[]Schedule](q, "Schedules", None{}) }

// SaveSchedule inserts or updates a schedule. One that was deleted meanwhile
// is inserted again.
func (q Queries) SaveSchedule(s Schedule) (Schedule, error) {
	return get[Schedule](q, "SaveSchedule", s)
}

// DeleteSchedule removes a schedule; one that does not exist is no error.
func (q Queries) DeleteSchedule(id int) error { return q.Call("DeleteSchedule", id, &None{}) }

// AddFile records an attachment and returns it with its ID.
func (q Queries) AddFile(f File) (File, error) { return get[File](q, "AddFile", f) }

// TicketFiles returns the attachments of a ticket, the newest first.
func (q Queries) TicketFiles(flow string, dataNo int) ([]File, error) {
	return get[[]File](q, "TicketFiles", FileQuery{Flow: flow, DataNo: dataNo})
}

// MarkFilesDeleted marks attachments as gone.
func (q Queries) MarkFilesDeleted(ids []int) error {
	return q.Call("MarkFilesDeleted", ids, &None{})
}

// DeleteFile forgets an attachment.
func (q Queries) DeleteFile(id int) error { return q.Call("DeleteFile", id, &None{}) }

// AddTempFile records a file of a ticket that is not there yet.
func (q Queries) AddTempFile(f TempFile) error { return q.Call("AddTempFile", f, &None{}) }

// TempFiles returns the files of a mapping, the oldest first.
func (q Queries) TempFiles(mapping string) ([]TempFile, error) {
	return get[[]TempFile](q, "TempFilesOf", mapping)
}

// DeleteTempFiles forgets the files of a mapping and returns those it forgot.
func (q Queries) DeleteTempFiles(mapping string) ([]TempFile, error) {
	return get[[]TempFile](q, "DeleteTempFiles", mapping)
}

// Parameters returns the system parameters by ID.
func (q Queries) Parameters() ([]Parameter, error) {
	return get[[]Parameter](q, "Parameters", None{})
}

// SaveParameter inserts a parameter that has no ID, or replaces the one of its name;
// one with an ID is updated where it exists.
func (q Queries) SaveParameter(p Parameter) error { return q.Call("SaveParameter", p, &None{}) }

// DeleteParameters removes parameters; one that does not exist is no error.
func (q Queries) DeleteParameters(ids []int) error { return q.Call("DeleteParameters", ids, &None{}) }

// Service returns an entry of the service catalogue.
func (q Queries) Service(id string) (Service, error) { return get[Service](q, "Service", id) }

// SaveService inserts or replaces an entry of the service catalogue.
func (q Queries) SaveService(s Service) error { return q.Call("SaveService", s, &None{}) }

// Apps returns the deployed applications by ID, those that were undeployed too.
func (q Queries) Apps() ([]App, error) { return get[[]App](q, "Apps", None{}) }

// SaveApp inserts or replaces a deployed application by its name and returns it
// with its ID.
func (q Queries) SaveApp(a App) (App, error) { return get[App](q, "SaveApp", a) }
