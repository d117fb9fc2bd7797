package appliance

// A Terminal is what a person sits at who talks to a process.
type Terminal struct {
	Name string // what kind it is, as $TERM has it: "xterm-256color"

	// Sizes has the size, at first and whenever it changes: only the last is
	// kept for whoever reads late. It is nil for one that has no size.
	Sizes <-chan Size
}

// A Size is that of a terminal, in characters.
type Size struct {
	Rows, Columns uint
}

// EndOfInput is the end of input that a person types.
const EndOfInput = "\x04"
