package record

// Bookkeeping reports whether a member of an item says when and how it was captured, not what the resource
// is.
func Bookkeeping(member string) bool { return bookkeeping[`"`+member+`"`] }
