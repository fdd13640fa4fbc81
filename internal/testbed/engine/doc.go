// Package engine is a stand-in's flow engine: what one OMFLOW process keeps in
// its memory, on its disk and in the database to move tickets along flows. The
// three places are kept apart as OMFLOW 1.1.0.0 keeps them, so that several
// engines on one [database.Server] show by themselves what several OMFLOW Servers
// show.
//
// # Where things are
//
//   - Memory: which flows are deployed and how their switches stand, the classes of
//     their tables, the code of their steps, the sidebar, the system parameters and
//     the log level, all read when the engine starts and changed only by what this
//     very engine is asked to do. A flow deployed on one engine is unknown to the
//     others until they start again; one disabled or undeployed on one goes on
//     accepting tickets on the others; flows there see the old value of a parameter.
//   - Disk, in [Config.Home]: omformmodel/models.py has a class for each flow's
//     table, omformmodel/migrations how they came about,
//     omformflow/production/<uuid>/<version>/main.py the steps, uploads the
//     attachments, omflow/settings.py the log level. An engine that starts without
//     the class of a flow answers a create with success and no number, and the
//     ticket is lost.
//   - Database: everything else, among it the flow queue's journal.
//
// Two changes are made in memory and then written whole: a flow's switches and the
// sidebar. Made on an engine that is stale, such a change undoes another's.
//
// # The flow queue
//
// A flow is a row of charts: FITEM_1 is its start, FITEM_2 its first step. A ticket
// that has left a chart is a row in the journal, named by flow, row and chart, and an
// item in this engine's memory. One of [Workers] workers does the chart's work and
// brings the ticket to the next one: a form, where it waits for a person, or another
// background step, for which the old row is deleted and a new one with a new ID is
// written. Between the two the journal has nothing of the ticket, and one whose process dies
// there is lost; so is one whose process dies before its first row is written. From the
// row in its flow's table somebody else can make out what it lacks, and write that. A row is deleted by its name, and only if there is exactly one of
// that name: rows that became two, such as those of two checks of new tickets of one
// flow, stay for ever.
//
// A ticket that comes to a form gets a new row in its flow's table first, and the
// journal's row goes last: a process that dies between the two leaves a step that has
// ended, and whoever replays it gives the ticket a second open row.
//
// When the process dies, row and ticket (running) stay. Only an engine that starts
// with [Config.RunMain] reads the journal, and it takes all rows, those of living
// engines too: there the steps run twice and the ticket gets two open rows.
//
// Each worker keeps the database connection it started with. After a restart of
// the database it fails every item: tickets are accepted and stay running, rows
// pile up in the journal, until an engine with RunMain starts again.
//
// A flow with a validation checks the data of a new ticket first, in the queue: the
// create is answered without a number and the ticket comes later, or not at all.
//
// # Attachments
//
// Files that come with a create are stored under the flow and the second, and listed
// so in the database, before there is a ticket to give them to. The ticket then takes
// all that are listed: two creates of one flow that overlap within a second mix up
// their files, and on two servers both tickets fail, because neither has all of them
// on its disk.
//
// # Schedules
//
// An engine with RunMain fires every active schedule, without a look at the
// others. After firing it writes the schedule's row, which brings back a row that
// another engine deleted. What was due while no engine ran is fired when one starts if
// it is due once or each day; otherwise it is skipped.
//
// A step that pauses is a schedule that fires once. It is written to the database and
// kept in the memory of the engine that runs the ticket, and the journal has nothing of
// the ticket meanwhile: on an engine without RunMain the ticket rests until another is
// started with it.
//
// # Life
//
// [New], [Engine.Start], [Engine.Kill]. Start fails when the database is down or
// the home folder cannot be read. Kill is what SIGKILL does: steps end where they
// are and nothing is written any more. There is no gentler end, because OMFLOW
// has none: its threads run until the process is killed.
package engine
