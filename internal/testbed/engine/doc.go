// Package engine is a stand-in's flow engine: what one OMFLOW process keeps in
// its memory, on its disk and in the database to move tickets along flows. The
// three places are kept apart as OMFLOW 1.1.0.0 keeps them, so that several
// engines on one [database.Server] show by themselves what several OMFLOW Servers
// show.
//
// # Where things are
//
//   - Memory: which flows are deployed and enabled, the classes of their tables
//     and the code of their steps, all read when the engine starts and changed
//     only by what this very engine is asked to do. A flow deployed on one engine
//     is unknown to the others until they start again; one disabled on one goes on
//     accepting tickets on the others.
//   - Disk, in [Config.Home]: omformmodel/models.py has a class for each flow's
//     table, omformmodel/migrations how they came about,
//     omformflow/production/<uuid>/<version>/main.py the steps, uploads the
//     attachments. An engine that starts without the class of a flow answers a
//     create with success and no number, and the ticket is lost.
//   - Database: everything else, among it the flow queue's journal.
//
// # The flow queue
//
// A new or pushed ticket is a row in the journal and an item in this engine's
// memory. One of [Workers] workers runs the ticket's steps up to the next form
// and removes the row. When the process dies, row and ticket (running) stay. Only
// an engine that starts with [Config.RunMain] reads the journal, and it takes all
// rows, those of living engines too: there the steps run twice and the ticket
// gets two open rows.
//
// Each worker keeps the database connection it started with. After a restart of
// the database it fails every item: tickets are accepted and stay running, rows
// pile up in the journal, until an engine with RunMain starts again.
//
// # Schedules
//
// An engine with RunMain fires every active schedule, without a look at the
// others. After firing it writes the schedule's row, which brings back a row that
// another engine deleted.
//
// # Life
//
// [New], [Engine.Start], [Engine.Kill]. Start fails when the database is down or
// the home folder cannot be read. Kill is what SIGKILL does: steps end where they
// are and nothing is written any more. There is no gentler end, because OMFLOW
// has none: its threads run until the process is killed.
package engine
