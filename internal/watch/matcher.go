package watch

// Matcher tells which paths Rules cover. It may be used by many goroutines.
type Matcher struct{ set *ruleset }

// Compile makes a Matcher. It fails where Validate does.
func (r Rules) Compile() (*Matcher, error) {
	set, err := r.compile()
	if err != nil {
		return nil, err
	}
	return &Matcher{set: set}, nil
}

// Enters tells whether the directory at path, below the folder and with slashes, or the
// folder itself, ".", is looked into, and so watched.
func (m *Matcher) Enters(path string) bool {
	look, _ := m.set.descend(path)
	return look
}

// Covers tells whether the file at path, below the folder and with slashes, is
// looked at.
func (m *Matcher) Covers(path string) bool { return m.set.covers(path) }
