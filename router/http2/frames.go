package http2

import (
	"time"

	h2 "golang.org/x/net/http2"
)

const (
	protocolError = h2.ConnectionError(h2.ErrCodeProtocol)
	flowError     = h2.ConnectionError(h2.ErrCodeFlowControl)
)

func streamError(id uint32, code h2.ErrCode) error { return h2.StreamError{StreamID: id, Code: code} }

// process does what a frame says.
func (c *conn) process(frame h2.Frame) error {
	if _, first := frame.(*h2.SettingsFrame); !c.settled && !first {
		return protocolError
	}
	switch f := frame.(type) {
	case *h2.MetaHeadersFrame:
		return c.heads(f)
	case *h2.DataFrame:
		return c.body(f)
	case *h2.WindowUpdateFrame:
		return c.widen(f)
	case *h2.RSTStreamFrame:
		return c.cancelled(f)
	case *h2.SettingsFrame:
		return c.settle(f)
	case *h2.PingFrame:
		if f.IsAck() {
			return nil
		}
		c.ping(true, f.Data)
		return c.answered()
	case *h2.GoAwayFrame:
		c.conclude()
		return nil
	case *h2.PriorityFrame:
		if f.StreamDep == f.StreamID {
			return streamError(f.StreamID, h2.ErrCodeProtocol)
		}
		return c.useless()
	case *h2.PushPromiseFrame:
		return protocolError
	default:
		return c.useless()
	}
}

// useless is called for what leads to nothing.
func (c *conn) useless() error {
	if !c.nuisance.spend(time.Now()) {
		return errFlood
	}
	return nil
}

// answered is called when something was answered that visitors may ask as
// often as they like, whether they read the answers or not.
func (c *conn) answered() error {
	if c.answers > answersLimit {
		return errFlood
	}
	return c.useless()
}

func (c *conn) settle(f *h2.SettingsFrame) error {
	if f.IsAck() {
		if c.unacked--; c.unacked < 0 || !c.settled {
			return protocolError
		}
		return nil
	}
	if f.NumSettings() > 100 {
		return protocolError
	}
	if err := f.ForeachSetting(c.set); err != nil {
		return err
	}
	c.settled = true
	c.settingsAck()
	return c.answered()
}

func (c *conn) set(s h2.Setting) error {
	if err := s.Valid(); err != nil {
		return err
	}
	switch s.ID {
	case h2.SettingHeaderTableSize:
		c.encoder.SetMaxDynamicTableSize(s.Val) // or less
	case h2.SettingMaxFrameSize:
		c.frameMax = int(min(s.Val, dataSize))
	case h2.SettingNoRFC7540Priorities:
		if s.Val > 1 {
			return protocolError
		}
	case h2.SettingInitialWindowSize:
		more := int64(s.Val) - c.initial
		c.initial += more
		for _, s := range c.streams {
			if s.window += more; s.window > maxWindow {
				return flowError
			}
			s.canSend.Broadcast()
		}
	}
	return nil
}

func (c *conn) widen(f *h2.WindowUpdateFrame) error {
	if f.StreamID == 0 {
		if c.window += int64(f.Increment); c.window > maxWindow {
			return flowError
		}
		c.wakeFirst()
		return nil
	}
	s := c.streams[f.StreamID]
	if s == nil {
		if c.isIdle(f.StreamID) {
			return protocolError
		}
		return c.useless()
	}
	if s.window += int64(f.Increment); s.window > maxWindow {
		return streamError(s.id, h2.ErrCodeFlowControl)
	}
	s.canSend.Broadcast()
	return nil
}

// isIdle reports whether nothing has been heard of the stream before.
func (c *conn) isIdle(id uint32) bool { return id%2 == 0 || id > c.highest }

func (c *conn) cancelled(f *h2.RSTStreamFrame) error {
	s := c.streams[f.StreamID]
	switch {
	case s == nil && c.isIdle(f.StreamID):
		return protocolError
	case s == nil:
		return c.useless()
	}
	return c.wasted(s)
}

// wasted closes a stream whose request has been worked on in vain.
func (c *conn) wasted(s *stream) error {
	running := s.running
	c.close(s, errReset)
	c.recent.add(s.id, false)
	if running && !c.resets.spend(time.Now()) {
		return errFlood
	}
	return nil
}

// reset tells the visitor that a stream has ended because of what they sent.
func (c *conn) reset(id uint32, code h2.ErrCode) error {
	c.rst(id, code)
	var err error
	if s := c.streams[id]; s != nil {
		err = c.wasted(s)
	} else if !c.resets.spend(time.Now()) {
		err = errFlood
	}
	c.recent.add(id, true)
	if err == nil && c.answers > answersLimit {
		err = errFlood
	}
	return err
}

// resetUncounted is reset where it is not for what the visitor sent.
func (c *conn) resetUncounted(id uint32, code h2.ErrCode) {
	if s := c.streams[id]; s != nil {
		c.rst(id, code)
		c.recent.add(id, true)
		c.close(s, errReset)
	}
}

func (c *conn) body(f *h2.DataFrame) error {
	size := int(f.Length)
	if c.room -= size; c.room < 0 {
		return flowError
	}
	s := c.streams[f.StreamID]
	switch {
	case s == nil && c.isIdle(f.StreamID):
		return protocolError
	case s == nil && c.recent.ours(f.StreamID):
		c.used(nil, size)
		return c.useless() // it was on its way
	case s == nil || s.saidAll:
		c.used(nil, size)
		return streamError(f.StreamID, h2.ErrCodeStreamClosed)
	}
	data := f.Data()
	if s.room -= size; s.room < 0 {
		c.used(nil, size)
		return streamError(s.id, h2.ErrCodeFlowControl)
	}
	if s.incoming.came += int64(len(data)); s.declared >= 0 && s.incoming.came > s.declared {
		c.used(nil, size)
		return streamError(s.id, h2.ErrCodeProtocol)
	}
	s.take(data)
	c.used(s, size-len(data)) // padding
	if f.StreamEnded() {
		return c.ended(s)
	}
	if len(data) == 0 {
		return c.useless()
	}
	return nil
}

// ended is called when the request has come completely.
func (c *conn) ended(s *stream) error {
	if s.declared >= 0 && s.incoming.came != s.declared {
		return streamError(s.id, h2.ErrCodeProtocol)
	}
	s.saidAll = true
	s.canRead.Broadcast()
	if s.weSaidAll {
		c.close(s, nil)
	}
	return nil
}

// Recent are the streams that have been closed last. Of those before them it is
// not known whether there ever was one.
type recent struct {
	ids  [32]uint32 // the lowest bit is set if it was we who reset it
	next int
}

func (r *recent) add(id uint32, ours bool) {
	for i := range r.ids {
		if r.ids[i]>>1 == id {
			if ours {
				r.ids[i] |= 1
			}
			return
		}
	}
	r.ids[r.next] = id << 1
	if ours {
		r.ids[r.next] |= 1
	}
	r.next = (r.next + 1) % len(r.ids)
}

func (r *recent) has(id uint32) bool { return r.find(id) != 0 }

// ours reports whether we have reset the stream.
func (r *recent) ours(id uint32) bool { return r.find(id)&1 != 0 }

func (r *recent) find(id uint32) uint32 {
	for _, v := range r.ids {
		if v>>1 == id && v != 0 {
			return v
		}
	}
	return 0
}
