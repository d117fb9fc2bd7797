package router

import (
	"net/http"
	"strconv"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// Otherwise those who guess would have everybody wait again who is in.
func TestGuessesDoNotPushOutWhoHasSaidIt(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	a := newAuth(Auth{Users: map[string]string{"ann": string(hash)}})
	req := (&http.Request{}).WithContext(t.Context())
	if right, known := a.check(req, "ann", "secret", false); !right || !known {
		t.Fatalf("the password is %v, %v", right, known)
	}

	for i := range maxWrong + 10 {
		if right, known := a.check(req, "ann", strconv.Itoa(i), false); right || !known {
			t.Fatalf("guess %d is %v, %v", i, right, known)
		}
	}

	if right, known := a.check(req, "ann", "secret", true); !right || !known {
		t.Errorf("after the guesses the password is %v, %v, want it known to be right", right, known)
	}
	if len(a.wrong) > maxWrong || len(a.right) != 1 {
		t.Errorf("%d wrong and %d right passwords are remembered, want at most %d and 1", len(a.wrong), len(a.right), maxWrong)
	}
}
