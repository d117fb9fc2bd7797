package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The names of the doors, as a service manager keeps them for us.
const (
	sshDoor   = "ssh"
	httpDoor  = "http"
	httpsDoor = "https"
	http3Door = "http3"
	localDoor = "local"

	metricsDoor = "metrics" // for Prometheus; not open unless somebody wants it
)

// Doors are the sockets that the daemon listens on. They outlive it: each is
// held until the end, lent to the servers that accept from it, and given to
// the one that comes after.
type doors struct {
	files   map[string]*os.File
	fresh   []string // those that were not there before
	dropped []string // those that were there, and are not wanted any more
	without error    // why there is no HTTP/3, if it should be there
	local   string   // the path of the local one
}

// openDoors takes those of the kept doors that are where the configuration
// wants them, opens the others, and closes what is left of the kept ones.
func openDoors(cfg config, kept map[string]*os.File) (*doors, error) {
	d := &doors{files: map[string]*os.File{}, local: cfg.socket}
	var errs []error
	for _, w := range []struct{ name, network, address string }{
		{sshDoor, "tcp", cfg.ssh}, {httpDoor, "tcp", cfg.http}, {httpsDoor, "tcp", cfg.https}, {localDoor, "unix", cfg.socket}, {http3Door, "udp", ""},
		{metricsDoor, "tcp", cfg.metrics},
	} {
		if w.name == metricsDoor && cfg.metrics == "" {
			continue
		}
		if w.name == http3Door {
			if !cfg.http3 || d.files[httpsDoor] == nil {
				continue
			}
			w.address = d.udpAddress(cfg)
		}
		if f := kept[w.name]; f != nil && isAt(f, w.network, w.address) {
			d.files[w.name] = f
			delete(kept, w.name)
			continue
		}
		f, err := openDoor(w.network, w.address)
		if err != nil && w.name == http3Door {
			d.without = err // visitors have the other ways in
			continue
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		d.files[w.name] = f
		d.fresh = append(d.fresh, w.name)
	}
	for name, f := range kept {
		if d.files[name] == nil { // it has not been replaced
			d.dropped = append(d.dropped, name)
		}
		f.Close()
	}
	if err := errors.Join(errs...); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// udpAddress is the one of HTTPS, with the port that it really has.
func (d *doors) udpAddress(cfg config) string {
	host, _, _ := net.SplitHostPort(cfg.https) // it was listened on
	return net.JoinHostPort(host, strconv.Itoa(d.port(httpsDoor)))
}

// isAt tells whether a socket that was kept listens where it should.
func isAt(f *os.File, network, address string) bool {
	if network == "unix" {
		// Which socket it is that a path leads to, the kernel does not tell.
		// There is one, and its name was given to us with the file.
		info, err := os.Lstat(address)
		return err == nil && info.Mode()&fs.ModeSocket != 0
	}
	have, err := addressOf(f)
	if err != nil || have.network != network {
		return false
	}
	want, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return false
	}
	same := want.IP.Equal(have.ip) || (len(want.IP) == 0 || want.IP.IsUnspecified()) && have.ip.IsUnspecified()
	return same && (want.Port == 0 || want.Port == have.port)
}

type socketAddress struct {
	network string
	ip      net.IP
	port    int
}

func addressOf(f *os.File) (a socketAddress, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return a, err
	}
	var name unix.Sockaddr
	var kind int
	err = errors.Join(raw.Control(func(fd uintptr) {
		var kindErr error
		name, err = unix.Getsockname(int(fd))
		kind, kindErr = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TYPE)
		err = errors.Join(err, kindErr)
	}), err)
	if err != nil {
		return a, err
	}
	a.network = map[int]string{unix.SOCK_STREAM: "tcp", unix.SOCK_DGRAM: "udp"}[kind]
	switch n := name.(type) {
	case *unix.SockaddrInet4:
		a.ip, a.port = n.Addr[:], n.Port
	case *unix.SockaddrInet6:
		a.ip, a.port = n.Addr[:], n.Port
	default:
		a.network = "unix"
	}
	return a, nil
}

// openDoor begins to listen.
func openDoor(network, address string) (*os.File, error) {
	var s socket
	var err error
	switch network {
	case "unix":
		s, err = listenLocal(address)
	case "udp":
		var at *net.UDPAddr
		if at, err = net.ResolveUDPAddr(network, address); err == nil {
			s, err = net.ListenUDP(network, at)
		}
	default:
		var at *net.TCPAddr
		if at, err = net.ResolveTCPAddr(network, address); err == nil {
			s, err = net.ListenTCP(network, at)
		}
	}
	if err != nil {
		return nil, err
	}
	defer s.Close() // the file is another name for the same socket
	return fileOf(s)
}

// A socket is a listener, or a connection without one.
type socket interface {
	syscall.Conn
	Close() error
}

// fileOf returns a file for the socket of a listener or a connection.
func fileOf(s syscall.Conn) (*os.File, error) {
	raw, err := s.SyscallConn()
	if err != nil {
		return nil, err
	}
	var fd int
	err = errors.Join(raw.Control(func(of uintptr) { fd, err = unix.FcntlInt(of, unix.F_DUPFD_CLOEXEC, 0) }), err)
	if err != nil {
		return nil, err
	}
	return keepFile(fd), nil
}

// listener lends out a door. Whoever borrows it may close it.
func (d *doors) listener(name string) (net.Listener, error) { return net.FileListener(d.files[name]) }

// udp lends out the door of HTTP/3, or nothing if there is none.
func (d *doors) udp() (*net.UDPConn, error) {
	f := d.files[http3Door]
	if f == nil {
		return nil, nil
	}
	c, err := net.FilePacketConn(f)
	if err != nil {
		return nil, err
	}
	return c.(*net.UDPConn), nil // openDoors has asked for one
}

// port is where a door is, or 0.
func (d *doors) port(name string) int {
	f := d.files[name]
	if f == nil {
		return 0
	}
	a, err := addressOf(f)
	if err != nil {
		return 0
	}
	return a.port
}

// list returns the files and their names, always in the same order.
func (d *doors) list() (names []string, files []*os.File) {
	for name := range d.files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		files = append(files, d.files[name])
	}
	return names, files
}

// named is the other way round.
func named(names []string, files []*os.File) map[string]*os.File {
	m := map[string]*os.File{}
	for i, name := range names {
		m[name] = files[i]
	}
	return m
}

// Close closes the doors for this process.
func (d *doors) Close() error {
	_, files := d.list()
	closeFiles(files)
	return nil
}

// listenFDs is where the files begin that a service manager gives us.
const listenFDs = 3

// keptDoors returns the doors that a service manager has kept for us, in the
// way of systemd's sd_listen_fds. What we start does not get them.
func keptDoors(getenv func(string) string) (map[string]*os.File, error) {
	pid, count, names := getenv("LISTEN_PID"), getenv("LISTEN_FDS"), getenv("LISTEN_FDNAMES")
	for _, key := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID"} {
		os.Unsetenv(key)
	}
	// Our own supervisor cannot know the process before it has started it.
	if count == "" || pid != strconv.Itoa(os.Getpid()) && pid != "0" {
		return nil, nil
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || n > maxFiles {
		return nil, fmt.Errorf("LISTEN_FDS=%s is no number of files", count)
	}
	list := strings.Split(names, ":")
	kept := map[string]*os.File{}
	for i := range n {
		unix.CloseOnExec(listenFDs + i)
		name := "unknown"
		if i < len(list) {
			name = cmp.Or(list[i], name)
		}
		f := keepFile(listenFDs + i)
		if twice := kept[name]; twice != nil {
			twice.Close()
		}
		kept[name] = f
	}
	return kept, nil
}
