// Command app is what the end-to-end tests push. Its first argument says what it
// does:
//
//	serve          serve HTTP on $PORT, which is 8080 if it is not set; the default
//	listen ADDR    serve HTTP on another address
//	work           print "working" and wait for the end
//	pause 2s       print "pausing", and end after a while
//	fail STATUS    complain and exit
//
// When it serves, it answers with $GREETING and the host that was asked for.
// /count counts the bytes that it is sent, /slow takes a moment, or as long as /slow?for=4s says, /env is its
// environment, /file/greeting a file, /echo a WebSocket that sends everything
// back, and /exit ends it. With $BROKEN it does not start, with
// $READY_AFTER=2s it takes that long. With $LOCK it starts only if no other has
// that file.
package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/websocket"
)

func main() {
	if os.Getenv("BROKEN") != "" {
		fmt.Println("broken, as was asked for")
		os.Exit(1)
	}
	if path := os.Getenv("LOCK"); path != "" {
		if err := lock(path); err != nil {
			fmt.Println("the data is in use:", err)
			os.Exit(4)
		}
	}
	args := append(os.Args[1:], "serve")
	switch args[0] {
	case "serve":
		port := os.Getenv("PORT")
		if port == "" {
			port = "8080"
		}
		serve(":" + port)
	case "listen":
		serve(args[1])
	case "work":
		fmt.Println("working", os.Getenv("GREETING"))
		wait()
	case "pause":
		pause, _ := time.ParseDuration(args[1])
		fmt.Println("pausing")
		time.Sleep(pause)
	case "fail":
		fmt.Println("connecting to the database ...")
		fmt.Fprintln(os.Stderr, "no database, and no coffee")
		status, _ := strconv.Atoi(args[1])
		os.Exit(status)
	}
}

// flood prints lines, so many in a second; as fast as it can for 0.
func flood(lines, rate int) time.Duration {
	began := time.Now()
	out := bufio.NewWriterSize(os.Stdout, 64<<10)
	for i := 1; i <= lines; i++ {
		fmt.Fprintf(out, "flood %08d of what an app has to say in a line of 60 bytes\n", i)
		if i%500 == 0 || i == lines {
			out.Flush()
			if rate > 0 {
				time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / time.Duration(rate))))
			}
		}
	}
	return time.Since(began)
}

// lock takes a file until the process ends, however it ends.
func lock(path string) error {
	fd, err := syscall.Open(path, syscall.O_CREAT|syscall.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB)
}

func wait() {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM)
	<-told
	fmt.Println("told to finish")
}

func serve(addr string) {
	after, _ := time.ParseDuration(os.Getenv("READY_AFTER")) // 0 when there is none
	time.Sleep(after)
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello %s from %s\n", os.Getenv("GREETING"), r.Host)
	})
	http.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		pause, err := time.ParseDuration(r.URL.Query().Get("for"))
		if err != nil {
			pause = 300 * time.Millisecond
		} else {
			fmt.Println("asked to wait", pause)
		}
		time.Sleep(pause)
		fmt.Fprintf(w, "hello %s at last\n", os.Getenv("GREETING"))
	})
	http.HandleFunc("/count", func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprintln(w, n, err)
	})
	http.HandleFunc("/env", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, strings.Join(os.Environ(), "\n"))
	})
	http.HandleFunc("/exit", func(http.ResponseWriter, *http.Request) { os.Exit(1) })
	http.HandleFunc("/say", func(w http.ResponseWriter, r *http.Request) {
		fmt.Println("said", r.URL.Query().Get("text"))
		fmt.Fprintln(w, "hello, that is said")
	})
	http.HandleFunc("/flood", func(w http.ResponseWriter, r *http.Request) {
		lines, _ := strconv.Atoi(r.URL.Query().Get("lines"))
		rate, _ := strconv.Atoi(r.URL.Query().Get("rate"))
		fmt.Fprintln(w, flood(lines, rate).Milliseconds())
	})
	var stuck, passed atomic.Bool
	http.HandleFunc("/stuck", func(http.ResponseWriter, *http.Request) { stuck.Store(true) })
	http.HandleFunc("/live", func(w http.ResponseWriter, _ *http.Request) {
		if stuck.Load() && passed.Swap(true) { // it passes at least once
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	http.Handle("/file/", http.StripPrefix("/file/", http.FileServer(http.Dir("/"))))
	http.Handle("/echo", websocket.Server{Handler: func(c *websocket.Conn) { io.Copy(c, c) }})
	fmt.Println("listening on", addr)
	go func() {
		fmt.Fprintln(os.Stderr, http.ListenAndServe(addr, nil))
		os.Exit(1)
	}()
	wait()
}
