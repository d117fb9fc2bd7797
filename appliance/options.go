package appliance

import "time"

// Options are what a process has of its container that is not as for every
// other. The zero value is that of an app that nobody has set anything for.
type Options struct {
	MemorySwap     int64 // bytes of memory and swap together, if more than the fence's memory
	ReservedMemory int64 // bytes that the kernel leaves to it when there is not enough for all
	SharedMemory   int64 // bytes of /dev/shm; the engine's own if 0
	Ulimits        []Ulimit
	Tmpfs          map[string]string // directories that are memory only, with options
	Labels         map[string]string
	Dropped        []string // capabilities that it has not: "ALL", or "CHOWN"
	Added          []string // capabilities that it has besides
	Hosts          []string // "name:address", for its /etc/hosts
	Hostname       string
	DNS            []string // addresses of name servers
	ReadOnly       bool     // its file system cannot be written to, but for mounts
	NoInit         bool     // it is the first process itself
	User           string   // the image's own if ""
	Networks       []Attachment
}

// A Ulimit is a limit of what a process may have, by the kernel's name.
type Ulimit struct {
	Name       string
	Soft, Hard int64
}

// An Attachment is to a network that apps share.
type Attachment struct {
	Network string
	Aliases []string // host names by which others there reach the process
}

// A Network is one that apps share.
type Network struct {
	Name    string    `json:"name"`
	ID      string    `json:"id"` // the engine's
	Subnet  string    `json:"subnet"`
	Created time.Time `json:"created_at"`
}
