package git_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"
)

func TestSettleWaitsForTheGitThatChangesARepository(t *testing.T) {
	w := newWorld(t)
	w.must(w.Create(t.Context(), "blog"))
	w.must(w.Settle(t.Context()))
	stdin, client := io.Pipe()
	shown, stdout := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- w.ReceivePack(t.Context(), "blog", limit, stdin, stdout, io.Discard) }()
	if _, err := shown.Read(make([]byte, 1)); err != nil { // it has begun
		t.Fatal(err)
	}
	go io.Copy(io.Discard, shown)

	soon, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := w.Settle(soon); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Settle while a push is under way = %v, want that it waits", err)
	}
	client.Close()
	<-done

	w.must(w.Settle(t.Context()))
}
