package appliance_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/berthhq/berth/appliance"
)

func TestHintTravelsWithItsError(t *testing.T) {
	err := appliance.WithHint(fmt.Errorf("read: %w", io.ErrUnexpectedEOF), "try again")

	wrapped := errors.Join(&appliance.StageError{Stage: appliance.StageBuild, Err: fmt.Errorf("step 2: %w", err)})

	if got := appliance.HintOf(wrapped); got != "try again" {
		t.Errorf("hint = %q, want %q", got, "try again")
	}
	if want := "build: step 2: read: unexpected EOF"; wrapped.Error() != want {
		t.Errorf("error = %q, want %q: the hint is not a part of it", wrapped, want)
	}
	if !errors.Is(wrapped, io.ErrUnexpectedEOF) {
		t.Errorf("%v is not the error it was made of", wrapped)
	}
}

func TestOuterHintIsTheOneThatIsShown(t *testing.T) {
	inner := appliance.WithHint(errors.New("no"), "inner")

	if got := appliance.HintOf(appliance.WithHint(inner, "outer")); got != "outer" {
		t.Errorf("hint = %q, want the outer one", got)
	}
}

func TestNoErrorHasNoHint(t *testing.T) {
	if err := appliance.WithHint(nil, "advice"); err != nil {
		t.Errorf("WithHint(nil) = %v, want nil", err)
	}
	if got := appliance.HintOf(nil) + appliance.HintOf(io.EOF); got != "" {
		t.Errorf("hint = %q, want none", got)
	}
}

func TestMissingAppIsNotFoundAndNothingElse(t *testing.T) {
	err := fmt.Errorf("config:set: %w", &appliance.NoAppError{App: "blog"})

	if !errors.Is(err, appliance.ErrNotFound) || errors.Is(err, appliance.ErrDenied) {
		t.Errorf("%v: want ErrNotFound only", err)
	}
	if e, ok := errors.AsType[*appliance.NoAppError](err); !ok || e.App != "blog" {
		t.Errorf("%v does not say which app", err)
	}
}

func TestContextWithoutAnActorHasTheOneWhoMayDoNothing(t *testing.T) {
	if got := appliance.ActorFrom(t.Context()); got != (appliance.Actor{}) {
		t.Errorf("actor = %+v, want the zero Actor", got)
	}
	ada := appliance.Actor{Name: "ada", Door: appliance.SSH, From: "192.0.2.1:22"}
	if got := appliance.ActorFrom(appliance.WithActor(t.Context(), ada)); got != ada {
		t.Errorf("actor = %+v, want %+v", got, ada)
	}
}
