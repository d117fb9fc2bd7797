package router

import (
	"net/http"
	"sync/atomic"
	"time"
)

// A target is one process that answers, and our connections to it.
type target struct {
	addr        string // host:port
	transport   *http.Transport
	outstanding atomic.Int64 // requests that it has now
	standing                 // whether it gets more
}

// keepIdle is how long a connection to a target is kept without use. It has
// to be shorter than what apps do by default (Gunicorn 2 s, Node and Uvicorn
// 5 s): otherwise an app closes a connection just when we send a POST on it,
// which nobody may repeat. A new connection on the same machine costs little.
const keepIdle = 1500 * time.Millisecond

func newTarget(addr string) *target {
	return &target{addr: addr, transport: &http.Transport{
		DialContext:           dial,
		DisableCompression:    true, // what the app compressed is passed on as it is
		MaxIdleConnsPerHost:   256,
		IdleConnTimeout:       keepIdle,
		ExpectContinueTimeout: time.Second,

		MaxResponseHeaderBytes: 1 << 20,
	}}
}
