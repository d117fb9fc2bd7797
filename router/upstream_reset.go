package router

import (
	"context"
	"encoding/binary"
	"net"

	h2 "golang.org/x/net/http2"
)

// dialOnce is dial for a transport that speaks HTTP/2.
func dialOnce(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &resets{Conn: conn}, nil
}

// resets is a connection to a target that speaks HTTP/2. Go's transport takes
// a stream that is reset with PROTOCOL_ERROR for one that was not begun, and
// sends the request again. It may have been acted upon, so the transport reads
// INTERNAL_ERROR in its place. What says truly that nothing was begun
// (REFUSED_STREAM, GOAWAY) it reads as it is.
type resets struct {
	net.Conn
	frame [13]byte // how the frame begins that is being read: its head, and the code of a reset
	at    int      // how many of its bytes have come
}

// The head of a frame has its length in three bytes and its type in the next.
const frameHead = 9

// Read is called by one goroutine at a time.
func (r *resets) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	for rest := b[:n]; len(rest) > 0; {
		if r.at < len(r.frame) && (r.at < frameHead || r.at < r.size()) {
			r.frame[r.at] = rest[0]
			r.at++
			if r.at == len(r.frame) && h2.FrameType(r.frame[3]) == h2.FrameRSTStream &&
				h2.ErrCode(binary.BigEndian.Uint32(r.frame[frameHead:])) == h2.ErrCodeProtocol {
				rest[0] = byte(h2.ErrCodeInternal)
			}
			rest = rest[1:]
		} else {
			skip := min(len(rest), r.size()-r.at)
			r.at += skip
			rest = rest[skip:]
		}
		if r.at >= frameHead && r.at == r.size() {
			r.at = 0
		}
	}
	return n, err
}

// size is how long the frame is, once its head has come.
func (r *resets) size() int {
	return frameHead + int(r.frame[0])<<16 + int(r.frame[1])<<8 + int(r.frame[2])
}
