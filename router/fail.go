package router

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
)

// fail answers a request that the target has not answered.
func (x *exchange) fail(err error) {
	cause := x.stopped()
	x.drop()
	x.finishUpload()
	if cause == errGone || cause == errUpload || x.upgraded != nil {
		// The visitor has gone, or has a WebSocket that never came to be.
		// Returning would send an empty 200.
		panic(http.ErrAbortHandler)
	}
	if cause == nil && x.req.Context().Err() != nil {
		panic(http.ErrAbortHandler)
	}
	// A service without a process is not out of order.
	x.failed = !errors.Is(err, errNoTarget) && cause != errTooLarge && cause != errSilent
	if x.failed {
		addr := ""
		if x.target != nil {
			addr = x.target.addr
		}
		x.gen.log.LogAttrs(x.req.Context(), slog.LevelWarn, "request failed",
			slog.String("service", x.gen.name), slog.String("target", addr),
			slog.String("request", x.id), slog.Any("error", err))
	}
	if cause != nil && x.req.ProtoMajor == 1 {
		x.w.Header().Set("Connection", "close")
	}
	// Not to x.w: a cut answer may not be written any more, but this page may.
	x.gen.policy.page(x, counting{x.w.ResponseWriter, &x.sight}, pageFor(err, cause))
}

func pageFor(err, cause error) *page {
	if cause == errTooLarge {
		return tooLarge
	}
	if cause == errLate {
		return timedOut
	}
	if cause == errSilent {
		return paused
	}
	if cause != nil {
		return cutOff
	}
	if errors.Is(err, errNoTarget) {
		return noProcess
	}
	if d, ok := errors.AsType[*dialError](err); ok {
		if n, ok := errors.AsType[net.Error](d.error); ok && n.Timeout() {
			return notReached
		}
		return refused
	}
	if _, ok := errors.AsType[net.Error](err); ok || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return brokeOff
	}
	return unreadable
}
