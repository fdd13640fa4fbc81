// Package settings reads an OMFLOW Server's settings.py, a Python program that
// Django imports, by having Python import it: so whatever is legal in it works,
// values from the environment, from other modules of the home folder or worked
// out at start alike.
//
// [Read] runs Python once, as "python manage.py" would find things: home is
// the working folder and comes first on the module path; the settings are
// imported as omflow.settings, so relative imports work. Unlike there, the
// package's own __init__.py may fail, since it needs Django, and db checks must
// work on a machine where only the database's side is at hand. No byte code is
// written, and none of settings.py is read.
//
// # What Python gets
//
// Standard input is the null device. The environment is small: where programs,
// libraries, temporary files and the user's own files are, language, time zone,
// and what Windows programs cannot do without; then [Config.Env]. An OMFLOW
// Server that is configured by variables of its own, such as
// os.environ["DB_PASSWORD"], needs them there. They are not taken from this
// process by themselves, because they may not be those that the server gets.
//
// # What fails, and what then happens
//
// Python runs 10 s at most ([Config.Timeout]) and is then killed, with what it
// started (on Windows: it alone). More than 1 MB of answer is refused. What
// settings.py prints is thrown away. Each failure has its own words: no
// settings.py, no such Python, a Python older than 3.7.7, a syntax error, a
// module or a variable that is missing, an exception, with file and line, an
// exit, and no answer at all. An exception's text is in the error; it is
// settings.py's own and may hold what its author put there.
//
// A value of a wrong kind is an error of Read; a value that OMFLOW would start
// with, but that does not do beside other servers, is one of
// [Settings.Validate]. Both say what to write, and name all that is wrong at
// once.
//
// Python may also be too new: [Settings.Schedules] says when the OMFLOW that
// lies beside settings.py would fire no schedules with it.
//
// The names and their meaning are those of OMFLOW 1.1.0.0 and of its manual's
// chapter on the Booster.
package settings
