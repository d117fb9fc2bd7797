package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// A fileStore is the other end of a notifier: it keeps what a program of ours
// gives it, and follows the program when that names another process as itself.
// systemd does the same for its services.
type fileStore struct {
	path string // of the socket
	conn *net.UnixConn
	log  *slog.Logger
	done chan struct{}

	mu    sync.Mutex // guards the fields below
	files map[string]*os.File
	main  int           // the process that the program says it is; 0 if it has said nothing
	moved chan struct{} // closed and replaced whenever main changes
}

// storeFD has the files of a store over an exec of its own process.
const storeFD = "BERTH_SUPERVISE_STORE"

// newFileStore listens at path. Call close.
func newFileStore(path string, log *slog.Logger) (*fileStore, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	s := &fileStore{path: path, conn: conn, log: log, done: make(chan struct{}), files: map[string]*os.File{}, moved: make(chan struct{})}
	raw, err := conn.SyscallConn()
	if err == nil {
		err = errors.Join(raw.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSCRED, 1)
		}), err)
	}
	if err = errors.Join(err, os.Chmod(path, 0o600)); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	go s.listen()
	return s, nil
}

// listen does what it is told until the store is closed.
func (s *fileStore) listen() {
	defer close(s.done)
	for {
		text, files, from, err := receiveFiles(s.conn)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		// Until the mode was set, others could send.
		if err != nil || from == nil || from.Uid != 0 && int(from.Uid) != os.Geteuid() {
			closeFiles(files)
			continue
		}
		s.told(assignments(string(text)), files)
	}
}

func (s *fileStore) told(what map[string]string, files []*os.File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := what["FDNAME"]
	if what["FDSTOREREMOVE"] == "1" || what["FDSTORE"] == "1" {
		if f := s.files[name]; f != nil {
			f.Close()
			delete(s.files, name)
		}
	}
	if what["FDSTORE"] == "1" && len(files) == 1 && len(s.files) < maxFiles {
		s.files[name] = files[0]
		files = nil
	}
	closeFiles(files)
	if pid, err := strconv.Atoi(what["MAINPID"]); err == nil && pid > 0 {
		s.main = pid
		close(s.moved)
		s.moved = make(chan struct{})
	}
}

// whoIsMain returns the process that the program says it is, and what is
// closed when it says otherwise.
func (s *fileStore) whoIsMain() (pid int, moved <-chan struct{}) {
	if s == nil {
		return 0, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.main, s.moved
}

// forProcess returns what a process of the program is started with: files from
// listenFDs on, which the caller closes, and the environment that tells of them.
func (s *fileStore) forProcess() (files []*os.File, env []string) {
	if s == nil {
		return nil, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.main = 0
	var names []string
	for _, name := range slices.Sorted(maps.Keys(s.files)) {
		// The process that runs may replace a file while the next is started.
		fd, err := unix.FcntlInt(s.files[name].Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			s.log.Error("pass on a socket", "name", name, "err", err)
			continue // the process opens it anew
		}
		names = append(names, name)
		files = append(files, keepFile(fd))
	}
	env = []string{"NOTIFY_SOCKET=" + s.path}
	if len(files) > 0 {
		env = append(env, "LISTEN_PID=0", fmt.Sprintf("LISTEN_FDS=%d", len(files)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
	}
	return files, env
}

// overExec has the files survive an exec of this process, and returns the
// environment with which the next image finds them.
func (s *fileStore) overExec() (env string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for name, f := range s.files {
		fd, err := syscall.Dup(int(f.Fd())) // which an exec does not close
		if err != nil {
			return "", err
		}
		list = append(list, fmt.Sprintf("%s=%d", name, fd))
	}
	return storeFD + "=" + strings.Join(list, ","), nil
}

// afterExec takes the files that the image before this one has kept.
func (s *fileStore) afterExec() {
	text := os.Getenv(storeFD)
	os.Unsetenv(storeFD)
	s.mu.Lock()
	defer s.mu.Unlock()
	for entry := range strings.SplitSeq(text, ",") {
		name, number, _ := strings.Cut(entry, "=")
		fd, err := strconv.Atoi(number)
		if err != nil {
			continue // there were none
		}
		unix.CloseOnExec(fd)
		s.files[name] = keepFile(fd)
	}
}

// close closes the store and what is in it.
func (s *fileStore) close() error {
	err := s.conn.Close()
	<-s.done
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.files {
		f.Close()
	}
	if rm := os.Remove(s.path); rm != nil && !errors.Is(rm, fs.ErrNotExist) {
		err = errors.Join(err, rm)
	}
	return err
}
