package router

import (
	"bytes"
	"crypto/rand"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// A QUICSocket is the UDP socket of HTTP/3. One process takes it over from
// another while both have connections: only one of them reads the socket, as
// the kernel would deal out packets at random, and both write to it.
//
// Every connection has its process's tag in the name by which visitors call it
// (the QUIC connection ID). Who reads passes on what has the tag of another: to
// the process before it, over a pair of sockets, which does the same with what
// is not its own either.
type QUICSocket struct {
	*net.UDPConn
	batch *ipv4.PacketConn
	key   [32]byte
	tag   []byte

	begun chan struct{} // closed when the socket is ours to read
	woken chan struct{} // closed when whoever reads is to stop
	wake  sync.Once

	before atomic.Pointer[before]
	rest   atomic.Pointer[net.UnixConn] // what the process after us passes on; nil while we read the socket

	deaf atomic.Bool // to those who have no connection yet

	reading sync.Mutex // held while the socket is read
}

// before is the process that had the socket before us.
type before struct {
	tags [][]byte // its own, and those of processes before it
	conn *net.UnixConn
}

const (
	tagLen = 4
	idLen  = 12 // with 8 random bytes: nobody guesses a connection
)

// NewQUICSocket makes one of a socket. The key must be the same at every
// start: with it a visitor can be told that a connection is gone with the
// process that had it.
func NewQUICSocket(c *net.UDPConn, key [32]byte) *QUICSocket {
	s := &QUICSocket{
		UDPConn: c, batch: ipv4.NewPacketConn(c), key: key, tag: make([]byte, tagLen),
		begun: make(chan struct{}), woken: make(chan struct{}),
	}
	rand.Read(s.tag) // never fails
	return s
}

// Begin says that the socket is ours to read, and what belongs to the process
// that did so before, if there is one: to it goes what has one of the tags.
func (s *QUICSocket) Begin(tags [][]byte, to *net.UnixConn) {
	if to != nil {
		s.before.Store(&before{tags, to})
	}
	close(s.begun)
}

// Leave stops reading the socket, and returns what the process that does so
// from now on needs for its Begin. It may be called once, after Begin.
func (s *QUICSocket) Leave() (tags [][]byte, to *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	to = os.NewFile(uintptr(fds[0]), "rest")
	ours := os.NewFile(uintptr(fds[1]), "rest")
	defer ours.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		return nil, nil, errors.Join(err, to.Close())
	}
	s.rest.Store(conn.(*net.UnixConn)) // it was made as one
	// Whoever is reading comes back, and reads the rest from then on.
	s.UDPConn.SetReadDeadline(time.Unix(1, 0))
	s.reading.Lock()
	defer s.reading.Unlock()

	tags = [][]byte{s.tag}
	if b := s.before.Load(); b != nil {
		tags = append(tags, b.tags...)
	}
	return tags, to, nil
}

// Close closes the socket for this process.
func (s *QUICSocket) Close() error {
	err := s.UDPConn.Close()
	if rest := s.rest.Load(); rest != nil {
		err = errors.Join(err, rest.Close())
	}
	if b := s.before.Load(); b != nil {
		err = errors.Join(err, b.conn.Close())
	}
	return err
}

// GenerateConnectionID names a connection.
func (s *QUICSocket) GenerateConnectionID() (quic.ConnectionID, error) {
	id := make([]byte, idLen)
	copy(id, s.tag)
	rand.Read(id[tagLen:])
	return quic.ConnectionIDFromBytes(id), nil
}

// ConnectionIDLen is the length of a connection's name.
func (s *QUICSocket) ConnectionIDLen() int { return idLen }

// SetReadDeadline is how a transport wakes up its reader: in order to stop it.
func (s *QUICSocket) SetReadDeadline(t time.Time) error {
	if !t.IsZero() {
		s.wake.Do(func() { close(s.woken) })
	}
	if rest := s.rest.Load(); rest != nil {
		return rest.SetReadDeadline(t)
	}
	return s.UDPConn.SetReadDeadline(t)
}

// ReadBatch reads what is ours. It is the way in which quic-go reads.
func (s *QUICSocket) ReadBatch(ms []ipv4.Message, flags int) (int, error) {
	select {
	case <-s.begun:
	case <-s.woken:
		return 0, os.ErrDeadlineExceeded
	}
	for {
		if rest := s.rest.Load(); rest != nil {
			return s.readRest(rest, ms)
		}
		s.reading.Lock()
		n, err := s.batch.ReadBatch(ms, flags)
		s.reading.Unlock()
		if err != nil && s.rest.Load() != nil {
			continue
		}
		b, deaf := s.before.Load(), s.deaf.Load()
		if b == nil && !deaf {
			return n, err
		}
		for i := range ms[:max(n, 0)] {
			if deaf && begins(ms[i].Buffers[0][:ms[i].N], s.tag) {
				ms[i].N = 0
			}
			if b != nil && b.owns(ms[i].Buffers[0][:ms[i].N]) {
				if !b.pass(&ms[i]) {
					s.before.CompareAndSwap(b, nil)
				}
				ms[i].N = 0 // quic-go overlooks a packet of nothing
			}
		}
		return n, err
	}
}

// readRest reads what the process after us has passed on.
func (s *QUICSocket) readRest(rest *net.UnixConn, ms []ipv4.Message) (int, error) {
	buffer := make([]byte, 4096)
	for {
		select {
		case <-s.woken:
			return 0, os.ErrDeadlineExceeded
		default:
		}
		n, err := rest.Read(buffer)
		if err != nil {
			return 0, err
		}
		if !unpack(buffer[:n], &ms[0]) {
			continue
		}
		if b := s.before.Load(); b != nil && b.owns(ms[0].Buffers[0][:ms[0].N]) {
			b.pass(&ms[0])
			continue
		}
		return 1, nil
	}
}

// begins tells whether a packet is of somebody who has no connection yet: such
// a one does not know our tag.
func begins(packet []byte, tag []byte) bool {
	return len(packet) > 0 && packet[0]&0x80 != 0 && !bytes.HasPrefix(connection(packet), tag)
}

// connection returns the name that a packet calls its connection by, and what
// follows; nothing if it can be none of ours.
func connection(packet []byte) []byte {
	switch {
	case len(packet) < 1+idLen:
		return nil
	case packet[0]&0x80 == 0: // a short header: what has been said before says how long a name is
		return packet[1:]
	case len(packet) < 6+idLen || packet[5] != idLen:
		return nil
	}
	return packet[6:]
}

// owns tells whether a packet is of a connection of that process.
func (b *before) owns(packet []byte) bool {
	id := connection(packet)
	for _, tag := range b.tags {
		if bytes.HasPrefix(id, tag) {
			return true
		}
	}
	return false
}

// pass passes a packet on, and returns false if there is nobody any more. As
// with UDP, what there is no room for is lost, and sent again.
func (b *before) pass(m *ipv4.Message) bool {
	packet, ok := pack(m)
	if !ok {
		return true
	}
	raw, err := b.conn.SyscallConn()
	if err != nil {
		return false
	}
	err = errors.Join(raw.Control(func(fd uintptr) {
		_, err = unix.SendmsgN(int(fd), packet, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	}), err)
	return err == nil || errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.ENOBUFS)
}

// pack writes a packet down with who has sent it and what the kernel said of
// it, each with its length before it.
func pack(m *ipv4.Message) ([]byte, bool) {
	from, ok := m.Addr.(*net.UDPAddr)
	if !ok || m.NN > 255 {
		return nil, false
	}
	addr, err := from.AddrPort().MarshalBinary()
	if err != nil || len(addr) > 255 {
		return nil, false
	}
	p := append([]byte{byte(len(addr))}, addr...)
	p = append(append(p, byte(m.NN)), m.OOB[:m.NN]...)
	return append(p, m.Buffers[0][:m.N]...), true
}

func unpack(p []byte, m *ipv4.Message) bool {
	addr, p, ok := field(p)
	if !ok {
		return false
	}
	oob, p, ok := field(p)
	var from netip.AddrPort
	if !ok || from.UnmarshalBinary(addr) != nil || len(oob) > len(m.OOB) || len(p) > len(m.Buffers[0]) {
		return false
	}
	m.Addr, m.NN, m.N = net.UDPAddrFromAddrPort(from), copy(m.OOB, oob), copy(m.Buffers[0], p)
	return true
}

func field(p []byte) (value, rest []byte, ok bool) {
	if len(p) == 0 || len(p) < 1+int(p[0]) {
		return nil, nil, false
	}
	end := 1 + int(p[0])
	return p[1:end], p[end:], true
}
