package appliance

import "context"

// A Door is a way into the appliance.
type Door string

// The doors.
const (
	Local  Door = "local" // the unix socket: whoever may open it is an admin
	SSH    Door = "ssh"
	HTTP   Door = "http"
	System Door = "system" // the appliance itself, at boot or after a crash
)

// An Actor is whoever asks the appliance for something. The zero Actor may do
// nothing.
type Actor struct {
	Name  string // the name of their key
	Door  Door
	Admin bool
	From  string // where the connection came from, as host:port
}

type actorKey struct{}

// WithActor returns a context that carries the actor.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// ActorFrom returns the actor that ctx carries, or the zero Actor.
func ActorFrom(ctx context.Context) Actor {
	a, _ := ctx.Value(actorKey{}).(Actor)
	return a
}
