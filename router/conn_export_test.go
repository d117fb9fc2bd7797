package router

import (
	"time"

	"github.com/berthhq/berth/router/http2"
)

// LimitWriting has each write to a visitor fail after d, by whatever protocol.
func (s *Server) LimitWriting(d time.Duration) {
	s.writeTimeout, s.http2Limits.Write = d, d
}

// LimitIdling has a connection end on which for d no request has been under way.
func (s *Server) LimitIdling(d time.Duration) {
	s.quicIdle = d
	s.http2Limits = http2.Limits{Silence: d / 2, Answer: d / 2, Idle: d, Write: s.http2Limits.Write}
}
