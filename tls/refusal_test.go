package certs

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/mholt/acmez/v3/acme"
)

func TestTheCASaysUntilWhenItsLimitHolds(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	limited := func(detail string) error {
		return fmt.Errorf("order: %w", acme.Problem{Type: acme.ProblemTypeRateLimited, Detail: detail})
	}
	for want, err := range map[time.Time]error{
		time.Date(2026, 3, 4, 13, 5, 48, 0, time.UTC): limited("too many certificates (5) already issued in the last 168h0m0s, retry after 2026-03-04 13:05:48 UTC: see https://…"),
		now.Add(limitPause):                           limited("slow down, retry after 2999-01-01 00:00:00 UTC"),
		{}:                                            errors.New("retry after 2026-03-04 13:05:48 UTC"),
	} {
		if got := refusedUntil(err, now); !got.Equal(want) {
			t.Errorf("%v: until %v, want %v", err, got, want)
		}
	}
	if got := refusedUntil(acme.Problem{Status: 429}, now); !got.Equal(now.Add(limitPause)) {
		t.Errorf("a 429 that says nothing: until %v", got)
	}
}

func TestWhichFailuresAreTheCAs(t *testing.T) {
	rejected := acme.Problem{Type: acme.ProblemTypeUnauthorized, Status: 403, Resource: acme.Authorization{}}
	for _, err := range []error{
		errors.New("dial tcp: connection refused"), acme.Problem{Type: acme.ProblemTypeServerInternal}, acme.Problem{Type: acme.ProblemTypeRateLimited},
		acme.Problem{Status: 503}, acme.Problem{Type: acme.ProblemTypeRejectedIdentifier}, acme.Problem{Type: acme.ProblemTypeCAA, Resource: acme.Authorization{}},
	} {
		if !theirs(err) {
			t.Errorf("%v: want the second CA to be asked", err)
		}
	}
	for _, err := range []error{rejected, fmt.Errorf("solve: %w", rejected), acme.Problem{Type: acme.ProblemTypeDNS}, acme.Problem{Type: acme.ProblemTypeConnection, Status: 400}, acme.Problem{Type: acme.ProblemTypeBadCSR}} {
		if theirs(err) {
			t.Errorf("%v: want no other CA to be asked", err)
		}
	}
}
