package docker

import "golang.org/x/sys/unix"

// A news says when something new is in a directory.
type news struct{ fd int }

// newsOf returns the news of a directory, or nil where there cannot be any.
func newsOf(dir string) *news {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		return nil
	}
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_CREATE|unix.IN_MOVED_TO); err != nil {
		_ = unix.Close(fd)
		return nil
	}
	return &news{fd}
}

// forget forgets what there was.
func (n *news) forget() {
	if n == nil {
		return
	}
	var b [4096]byte
	for {
		if _, err := unix.Read(n.fd, b[:]); err != nil {
			return // nothing is left
		}
	}
}

func (n *news) close() {
	if n != nil {
		_ = unix.Close(n.fd)
	}
}
