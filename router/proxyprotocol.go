package router

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Listener returns l, on which connections from those whom Trust names begin
// with a PROXY protocol header. All others are what they were.
func (r *Router) Listener(l net.Listener) net.Listener {
	if l == nil {
		return nil
	}
	return &speakers{l, r}
}

type speakers struct {
	net.Listener
	router *Router
}

func (s *speakers) Accept() (net.Conn, error) {
	conn, err := s.Listener.Accept()
	if err != nil {
		return nil, err
	}
	t := s.router.trust.Load()
	if t == nil || len(t.speakers) == 0 || !within(t.speakers, addrOf(conn.RemoteAddr().String())) {
		return conn, nil
	}
	return &proxied{Conn: conn, remote: conn.RemoteAddr(), local: conn.LocalAddr()}, nil
}

// headerTimeout is how long we wait for the PROXY protocol header.
const headerTimeout = 5 * time.Second

// A proxied connection begins with a PROXY protocol header. It is read when
// somebody first wants to know: not by Accept, which one that says nothing
// would hold up for all.
type proxied struct {
	net.Conn
	once          sync.Once
	remote, local net.Addr
	err           error

	mu       sync.Mutex
	deadline time.Time // for reading, that the server has asked for
}

func (p *proxied) header() {
	p.once.Do(func() {
		p.mu.Lock()
		limit := time.Now().Add(headerTimeout)
		if !p.deadline.IsZero() && p.deadline.Before(limit) {
			limit = p.deadline
		}
		p.err = p.Conn.SetReadDeadline(limit)
		p.mu.Unlock()
		if p.err == nil {
			remote, local, err := readProxyHeader(p.Conn)
			if p.err = err; err == nil && remote.IsValid() {
				p.remote, p.local = net.TCPAddrFromAddrPort(remote), net.TCPAddrFromAddrPort(local)
			}
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.err == nil {
			p.err = p.Conn.SetReadDeadline(p.deadline)
		}
	})
}

func (p *proxied) Read(b []byte) (int, error) {
	if p.header(); p.err != nil {
		return 0, p.err
	}
	return p.Conn.Read(b)
}

func (p *proxied) RemoteAddr() net.Addr {
	p.header()
	return p.remote
}

func (p *proxied) LocalAddr() net.Addr {
	p.header()
	return p.local
}

func (p *proxied) SetDeadline(t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deadline = t
	return p.Conn.SetDeadline(t)
}

func (p *proxied) SetReadDeadline(t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deadline = t
	return p.Conn.SetReadDeadline(t)
}

// CloseWrite is for those who can do without our next word.
func (p *proxied) CloseWrite() error {
	if c, ok := p.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return errors.ErrUnsupported
}

var (
	errProxyHeader = errors.New("no PROXY protocol header where one has to be")

	signature = []byte("\r\n\r\n\x00\r\nQUIT\n")
)

const (
	maxV1 = 107     // bytes, by the specification
	maxV2 = 4 << 10 // bytes of addresses and extensions; nobody sends a tenth of it
)

// readProxyHeader reads just the header, of either version. The addresses are
// invalid where the sender speaks for itself, as for a health check.
func readProxyHeader(r io.Reader) (remote, local netip.AddrPort, err error) {
	var head [16]byte
	// The shortest of all is "PROXY UNKNOWN\r\n".
	if _, err := io.ReadFull(r, head[:15]); err != nil {
		return remote, local, err
	}
	if bytes.HasPrefix(head[:], signature) {
		if _, err := io.ReadFull(r, head[15:]); err != nil {
			return remote, local, err
		}
		return readV2(r, head)
	}
	if !bytes.HasPrefix(head[:], []byte("PROXY ")) {
		return remote, local, errProxyHeader
	}
	line := append(make([]byte, 0, maxV1), head[:15]...)
	// Byte by byte: what follows the header belongs to the server.
	for !bytes.HasSuffix(line, []byte("\r\n")) {
		if len(line) == maxV1 {
			return remote, local, errProxyHeader
		}
		if _, err := io.ReadFull(r, head[:1]); err != nil {
			return remote, local, err
		}
		line = append(line, head[0])
	}
	return parseV1(string(line[:len(line)-2]))
}

// parseV1 reads "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443".
func parseV1(line string) (remote, local netip.AddrPort, err error) {
	f := strings.Split(line, " ")
	if f[1] == "UNKNOWN" {
		return remote, local, nil
	}
	if len(f) != 6 || f[1] != "TCP4" && f[1] != "TCP6" {
		return remote, local, errProxyHeader
	}
	var ends [2]netip.AddrPort
	for i := range ends {
		addr, err := netip.ParseAddr(f[2+i])
		if err != nil || addr.Zone() != "" || addr.Is4() != (f[1] == "TCP4") {
			return remote, local, errProxyHeader
		}
		port, err := strconv.ParseUint(f[4+i], 10, 16)
		if err != nil || !isDigits(f[4+i]) {
			return remote, local, errProxyHeader
		}
		ends[i] = netip.AddrPortFrom(addr.Unmap(), uint16(port))
	}
	return ends[0], ends[1], nil
}

func readV2(r io.Reader, head [16]byte) (remote, local netip.AddrPort, err error) {
	size := int(binary.BigEndian.Uint16(head[14:]))
	version, command, family := head[12]>>4, head[12]&0xf, head[13]>>4
	if version != 2 || command > 1 || size > maxV2 {
		return remote, local, errProxyHeader
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(r, body); err != nil {
		return remote, local, err
	}
	if command == 0 || family == 0 {
		return remote, local, nil
	}
	n := map[byte]int{1: 4, 2: 16}[family]
	if n == 0 || size < 2*n+4 {
		return remote, local, errProxyHeader
	}
	end := func(at, port int) netip.AddrPort {
		addr, _ := netip.AddrFromSlice(body[at : at+n])
		return netip.AddrPortFrom(addr.Unmap(), binary.BigEndian.Uint16(body[port:]))
	}
	return end(0, 2*n), end(n, 2*n+2), nil
}
