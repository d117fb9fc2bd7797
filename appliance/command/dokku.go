package command

// program is what the appliance is called by.
func (s *Session) program() string {
	if s.Program == "" {
		return "berth"
	}
	return s.Program
}

// as is the session with an appliance of another name.
func (s *Session) as(program string) *Session {
	other := *s
	other.Program = program
	return &other
}

// A DokkuError is the error of a command line that was typed to Dokku, which
// exits with 1 where we tell failures apart, unless the app is missing.
type DokkuError struct{ error }

func (e DokkuError) Unwrap() error { return e.error }

func dokkuError(err error) error {
	if err == nil {
		return nil
	}
	return DokkuError{err}
}
