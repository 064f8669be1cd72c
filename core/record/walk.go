package record

// Members calls fn for each member of the object in body, which Canonical must have accepted, with the
// name still in its quotes and the value as it stands. Returning false ends the walk early.
func Members(body []byte, fn func(name, value []byte) bool) { members(body, fn) }
