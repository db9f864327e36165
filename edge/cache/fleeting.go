package cache

// Fleeting is err for a fill whose failure says nothing of the next one: it is not remembered.
func Fleeting(err error) error { return fleeting{err} }

type fleeting struct{ error }

// Unwrap is the error itself.
func (f fleeting) Unwrap() error { return f.error }
