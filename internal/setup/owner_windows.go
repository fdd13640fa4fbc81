package setup

import "os"

// ownerOf is of no use on Windows: there is no unit that needs a user.
func ownerOf(string) string { return "" }

// chown does nothing on Windows, where new files inherit who may read them.
func chown(*os.File, string) (bool, error) { return false, nil }
