package appliance

import (
	"errors"
	"fmt"
)

// The kinds of failure that a door must tell apart. Everything else is the
// appliance's own fault, or the app's.
var (
	ErrNotFound = errors.New("not found")
	ErrExists   = errors.New("already exists")
	ErrInvalid  = errors.New("invalid")
	ErrDenied   = errors.New("permission denied")
	ErrBusy     = errors.New("busy")
)

// A NoAppError says that there is no app of that name. It is an ErrNotFound
// with an exit status of its own, as in Dokku.
type NoAppError struct{ App AppName }

func (e *NoAppError) Error() string { return fmt.Sprintf("App %s does not exist", e.App) }

// Is makes a NoAppError an ErrNotFound.
func (e *NoAppError) Is(target error) bool { return target == ErrNotFound }

// A hint is an error with advice for the person who meets it.
type hint struct {
	error
	advice string
}

func (h *hint) Unwrap() error { return h.error }

// WithHint adds to err what the person can do about it, in one line or more.
// It returns nil for a nil err.
func WithHint(err error, advice string) error {
	if err == nil {
		return nil
	}
	return &hint{err, advice}
}

// HintOf returns the advice that err carries, or "".
func HintOf(err error) string {
	if h, ok := errors.AsType[*hint](err); ok {
		return h.advice
	}
	return ""
}
