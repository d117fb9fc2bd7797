// Command program is what the images of enginetest run. Its first argument
// says what it does:
//
//	serve                 serve HTTP on $PORT; the default
//	loopback              the same, but on 127.0.0.1 only
//	deaf                  the same, and ignore SIGTERM
//	say STATUS LINE…      print the lines, exit with the status
//	env                   print the environment
//	id                    print the user and the working directory
//	cat                   copy stdin to stdout
//	read FILE             print a file
//	limit FILE            print a file of its own cgroup
//	write FILE TEXT       write a file
//	get URL               print what is answered there
//	eat                   take memory until there is none
//	take MEGABYTES        take that much memory, and hold it for a second
//	fork                  start processes until it is ended
//	fill FILE             write a file until it is ended
//	child STATUS MODE…    do something else in a child, exit with the status
//	both                  copy stdin to stdout and to stderr
//	terminal              say how large its terminal is, whenever it changes,
//	                      and repeat what is typed, until that ends
//	mourn FILE            wait for SIGHUP, and write a file then
//
// When it serves, READY_AFTER=2s in its environment is how long it takes
// before it listens, and it answers /env with its environment, /exit/3 by
// exiting with that status, and everything else with "hello" and $GREETING.
package main

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

func main() {
	args := append(os.Args[1:], "serve")
	switch args[0] {
	case "serve":
		serve("")
	case "loopback":
		serve("127.0.0.1")
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
		serve("")
	case "say":
		say(args[1 : len(args)-1])
	case "env":
		fmt.Println(environment())
	case "id":
		dir, err := os.Getwd()
		check(err)
		fmt.Println(os.Getuid(), dir)
	case "cat":
		_, err := io.Copy(os.Stdout, os.Stdin)
		check(err)
	case "read":
		content, err := os.ReadFile(args[1])
		check(err)
		fmt.Println(string(content))
	case "limit":
		limit(args[1])
	case "write":
		check(os.MkdirAll(filepath.Dir(args[1]), 0o755))
		check(os.WriteFile(args[1], []byte(args[2]), 0o644))
	case "get":
		client := http.Client{Timeout: 2 * time.Second}
		answer, err := client.Get(args[1])
		check(err)
		_, err = io.Copy(os.Stdout, answer.Body)
		check(err)
	case "eat":
		eat(math.MaxInt)
	case "relapse": // in its first two lives
		lives, _ := os.ReadFile("/lives")
		check(os.WriteFile("/lives", append(lives, '|'), 0o644))
		if len(lives) < 2 {
			eat(math.MaxInt)
		}
		time.Sleep(time.Hour)
	case "take":
		megabytes, err := strconv.Atoi(args[1])
		check(err)
		eat(megabytes)
		time.Sleep(time.Second)
	case "fork":
		fork()
	case "idle":
		time.Sleep(time.Hour)
	case "fill":
		fill(args[1])
	case "both":
		_, err := io.Copy(io.MultiWriter(os.Stdout, os.Stderr), os.Stdin)
		check(err)
	case "terminal":
		terminal()
	case "mourn":
		hungUp := make(chan os.Signal, 1)
		signal.Notify(hungUp, syscall.SIGHUP)
		fmt.Println("waiting")
		<-hungUp
		check(os.WriteFile(args[1], []byte("hung up"), 0o644))
	case "child":
		child(args[1], args[2:len(args)-1])
	default:
		check(fmt.Errorf("no such mode: %q", args[0]))
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// say prints to stdout and stderr by turns.
func say(args []string) {
	for i, line := range args[1:] {
		fmt.Fprintln([]*os.File{os.Stdout, os.Stderr}[i%2], line)
	}
	status, err := strconv.Atoi(args[0])
	check(err)
	os.Exit(status)
}

func environment() string {
	env := os.Environ()
	slices.Sort(env)
	return strings.Join(env, "\n")
}

// limit prints a file of version 1's cgroups, "memory/memory.limit_in_bytes",
// which show a container its own only, or one of version 2's, "memory.max",
// which may show all of the machine.
func limit(name string) {
	own, err := os.ReadFile("/proc/self/cgroup")
	check(err)
	path := strings.TrimSpace(strings.TrimPrefix(string(own), "0::"))
	for _, dir := range []string{filepath.Join("/sys/fs/cgroup", path), "/sys/fs/cgroup"} {
		if content, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
			fmt.Println(string(content))
			return
		}
	}
	check(fmt.Errorf("%s is not in the cgroup %s", name, path))
}

func fork() {
	for {
		c := exec.Command(os.Args[0], "idle")
		if err := c.Start(); err != nil {
			fmt.Println(err)
			time.Sleep(10 * time.Millisecond)
		}
	}
}

func fill(name string) {
	f, err := os.Create(name)
	check(err)
	block := make([]byte, 1<<20)
	for {
		_, err := f.Write(block)
		check(err)
	}
}

func child(status string, args []string) {
	c := exec.Command(os.Args[0], args...)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	fmt.Println("the child has ended:", c.Run())
	say([]string{status})
}

// terminal says how large its terminal is, and that there is none otherwise.
func terminal() {
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)
	go func() {
		for ; ; <-resized {
			var size struct{ rows, columns, x, y uint16 }
			_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, 0, syscall.TIOCGWINSZ, uintptr(unsafe.Pointer(&size)))
			if errno != 0 {
				fmt.Println("no terminal")
				return
			}
			fmt.Println(os.Getenv("TERM"), size.rows, "rows", size.columns, "columns")
		}
	}()
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		fmt.Println("typed", lines.Text())
	}
	fmt.Println("end of input")
}

func eat(megabytes int) {
	var eaten [][]byte
	for range megabytes {
		bite := make([]byte, 1<<20)
		for i := range bite {
			bite[i] = 1 // or the kernel gives none
		}
		eaten = append(eaten, bite)
		fmt.Fprint(io.Discard, len(eaten))
	}
}

func serve(host string) {
	told := make(chan os.Signal, 1)
	if !signal.Ignored(syscall.SIGTERM) {
		signal.Notify(told, syscall.SIGTERM)
	}
	wait, _ := time.ParseDuration(os.Getenv("READY_AFTER")) // 0 when there is none
	time.Sleep(wait)

	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	check(err)
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "hello", os.Getenv("GREETING"))
	})
	http.HandleFunc("/env", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, environment()) })
	http.HandleFunc("/exit/{status}", func(w http.ResponseWriter, r *http.Request) {
		status, _ := strconv.Atoi(r.PathValue("status"))
		os.Exit(status)
	})
	fmt.Println("listening on", l.Addr())
	go func() { check(http.Serve(l, nil)) }()
	<-told
	fmt.Println("told to finish")
}
