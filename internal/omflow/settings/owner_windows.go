package settings

// AsOwner is the program itself: an administrator's prompt has no other user at hand.
func AsOwner(program string, _ ...string) []string { return []string{program} }
