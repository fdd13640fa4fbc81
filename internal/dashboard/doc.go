// Package dashboard serves the status page: one page that shows in a browser what
// `booster omflow status` prints, and keeps itself up to date. Of what is only there to be
// read, like the figures of an Oracle database, it leaves out some.
//
// # How it works
//
// The page is a few files in this package, served below one path of a site. It asks for
// the status as JSON each second and draws it. There is no long-lived connection: such a
// one would keep an old configuration alive after a reload, and many a proxy cuts it.
// The status is gathered at most once in [Config.MaxAge], however many pages are open,
// and an unchanged one is answered with 304.
//
// The page only reads. What changes something is left to the commands and the admin API,
// so that no other site can make an operator's browser do it.
//
// It is in English, Traditional and Simplified Chinese and Japanese; the browser's language is the
// default, and what a person chooses is kept in the browser.
//
// # What fails and what then happens
//
// When the booster does not answer, the page keeps the last status, greyed, says since
// when it is old, and goes on asking. A status that the page does not know (of a newer
// booster, to which a browser holds an older page) is drawn as far as it is known.
//
// # What is trusted
//
// Names and texts of the status come from other nodes. The page puts them in as text,
// never as markup, and its Content-Security-Policy allows no script, style or connection
// but its own. Who may see the page is for the site to say: names and addresses of the
// servers are on it, so something like Caddy's basic_auth belongs before it.
package dashboard
