// Package programs finds the programs that tests run and that a machine may lack.
//
// A test that needs one asks for it here, and is skipped where it is not installed: the
// rest of the tests are worth running there, too. Where all of them are to run, as in CI,
// the environment says so, and the test fails instead: a test that is skipped for ever is
// seen by nobody.
package programs
