package main

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
)

// serveUpstream is the app behind every door.
func serveUpstream(args []string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/1k", benchPage(1<<10))
	mux.HandleFunc("/1m", benchPage(1<<20))
	mux.HandleFunc("/ws", echoMessages)
	return http.ListenAndServe(args[0], mux)
}

func benchPage(size int) http.HandlerFunc {
	body := bytes.Repeat([]byte("berth - "), size/8)
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", strconv.Itoa(size))
		_, _ = w.Write(body) // who has gone needs no page
	}
}

// echoMessages answers each message of a WebSocket with the same message. Messages are
// as our visitors send them: in one frame, shorter than 126 bytes, masked.
func echoMessages(w http.ResponseWriter, q *http.Request) {
	sum := sha1.Sum([]byte(q.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	_, err = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+
		base64.StdEncoding.EncodeToString(sum[:])+"\r\n\r\n")
	for frame := []byte(nil); err == nil; {
		if frame, err = echoed(rw.Reader, frame[:0]); err == nil {
			_, err = conn.Write(frame)
		}
	}
}

// echoed reads a frame and makes the one that answers it.
func echoed(r *bufio.Reader, frame []byte) ([]byte, error) {
	var head [6]byte // two bytes and the mask
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	size := int(head[1] & 0x7f)
	frame = append(frame, head[0], byte(size))
	for i := range size {
		c, err := r.ReadByte()
		if err != nil {
			return nil, err
		}
		frame = append(frame, c^head[2+i%4])
	}
	return frame, nil
}

// serveFloor is a door made of the standard library's reverse proxy alone,
// with what everybody sets who knows it: kept connections enough for the load,
// and buffers that are used again.
func serveFloor(args []string) error {
	address, app, cert, key := args[0], args[1], args[2], args[3]
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 1024, 256
	transport.DisableCompression = true
	proxy := &httputil.ReverseProxy{Transport: transport, BufferPool: floorBuffers{}, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: app})
		r.Out.Host = r.In.Host
		r.SetXForwarded()
	}}
	server := &http.Server{Addr: address, Handler: proxy, TLSConfig: benchTLS(cert, key)}
	return server.ListenAndServeTLS("", "")
}

var floorPool = make(chan []byte, 256)

type floorBuffers struct{}

func (floorBuffers) Get() []byte {
	select {
	case b := <-floorPool:
		return b
	default:
		return make([]byte, 32<<10)
	}
}

func (floorBuffers) Put(b []byte) {
	select {
	case floorPool <- b:
	default:
	}
}
