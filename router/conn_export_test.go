package router

import "time"

// LimitWriting has each write to a visitor fail after d.
func (s *Server) LimitWriting(d time.Duration) { s.writeTimeout = d }
