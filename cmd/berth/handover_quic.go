package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/berthhq/berth/router"
)

// openQUIC makes the socket of HTTP/3, if there is a door for it. Nothing
// reads it before beginQUIC.
func (d *daemon) openQUIC() error {
	conn, err := d.doors.udp()
	if conn == nil || err != nil {
		return err
	}
	// The same at every start, and nobody else's.
	secret, err := os.ReadFile(d.cfg.path("host_key"))
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	d.quic = router.NewQUICSocket(conn, sha256.Sum256(append([]byte("berth QUIC stateless reset\n"), secret...)))
	return nil
}

// beginQUIC begins to read the socket. What the predecessor said last tells
// which packets are for it.
func (d *daemon) beginQUIC(m message, files []*os.File) error {
	defer closeFiles(files)
	if d.quic == nil {
		return nil
	}
	if len(files) == 0 {
		d.quic.Begin(nil, nil)
		return nil
	}
	c, err := net.FileConn(files[0])
	if err != nil {
		return err
	}
	to, ok := c.(*net.UnixConn)
	if !ok {
		return errors.Join(fmt.Errorf("a %T for the packets of the predecessor", c), c.Close())
	}
	d.quic.Begin(m.Tags, to)
	return nil
}

// leaveQUIC stops reading the socket, and tells the successor what it needs to
// do so.
func (d *daemon) leaveQUIC(next *successor) error {
	if d.quic == nil || !next.udp {
		return next.last(nil, nil)
	}
	tags, rest, err := d.quic.Leave()
	if err != nil {
		return errors.Join(err, next.last(nil, nil))
	}
	defer rest.Close()
	return next.last(tags, []string{"rest"}, rest)
}
