package wire

// Frames follows the frames of a WebSocket (RFC 6455, 5.2) as they go by, to
// know where one may be put in between.
type Frames struct {
	head    [14]byte
	n       int    // bytes of head that are there
	payload uint64 // what is still to come of the frame
}

// Pass is told what has gone by.
func (f *Frames) Pass(b []byte) {
	for len(b) > 0 {
		if f.payload > 0 {
			n := min(uint64(len(b)), f.payload)
			f.payload -= n
			b = b[n:]
			continue
		}
		f.head[f.n] = b[0]
		f.n++
		b = b[1:]
		if f.n >= 2 && f.n == f.size() {
			f.payload = f.length()
			f.n = 0
		}
	}
}

// Between reports whether the last frame is complete.
func (f *Frames) Between() bool { return f.n == 0 && f.payload == 0 }

// size is how long the frame's head is, of which the first two bytes are there.
func (f *Frames) size() int {
	n := 2
	switch f.head[1] & 0x7f {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if f.head[1]&0x80 != 0 {
		n += 4
	}
	return n
}

func (f *Frames) length() uint64 {
	short := f.head[1] & 0x7f
	var bytes []byte
	switch short {
	case 126:
		bytes = f.head[2:4]
	case 127:
		bytes = f.head[2:10]
	default:
		return uint64(short)
	}
	var n uint64
	for _, b := range bytes {
		n = n<<8 | uint64(b)
	}
	return n
}

// GoingAway is the frame that ends a WebSocket whose server goes away (1001).
var GoingAway = []byte{0x88, 2, 1001 >> 8, 1001 & 0xff}
