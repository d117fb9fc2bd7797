package router

import (
	"bytes"
	"io"
	"net/http"
	"strconv"

	"github.com/berthhq/berth/router/wire"
)

// parseAnswer is http.ReadResponse for the answers that most are: final ones
// of HTTP/1.1 whose head has come in one piece, with a body whose length is
// told, in a head that is strictly well formed. nil says that it is not such
// an answer, and then nothing has been read.
func (l *link) parseAnswer(req *http.Request) *http.Response {
	b, _ := l.r.Peek(l.r.Buffered()) // cannot fail
	end := bytes.Index(b, []byte("\r\n\r\n")) + 4
	if end < 4 || req.Method == http.MethodHead {
		return nil
	}
	head := b[:end]
	eol := bytes.Index(head, crlf)
	line := head[:eol]
	if len(line) < len("HTTP/1.1 200 ") || !wire.ValidValue(string(line)) || string(line[:9]) != "HTTP/1.1 " || line[12] != ' ' || !wire.Plain(head[eol+2:]) {
		return nil
	}
	status, err := strconv.Atoi(string(line[9:12]))
	if err != nil || status < 200 || status == http.StatusNoContent || status == http.StatusNotModified {
		return nil
	}
	text := string(head)
	header := parseHeader(text[eol+2:], bytes.Count(head, crlf)-2)
	length := header["Content-Length"]
	if len(length) != 1 || header["Transfer-Encoding"] != nil || header["Trailer"] != nil {
		return nil
	}
	n, err := strconv.ParseUint(length[0], 10, 63)
	if err != nil {
		return nil
	}
	_, _ = l.r.Discard(end) // it is there
	noCache(header)
	res := &http.Response{
		Status: text[9:eol], StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, ContentLength: int64(n), Close: names(header["Connection"], "close"), Body: http.NoBody, Request: req,
	}
	if n > 0 {
		res.Body = &measured{l, int64(n)}
	}
	return res
}

// A measured body ends after so many bytes.
type measured struct {
	l    *link
	left int64
}

func (m *measured) Read(b []byte) (int, error) {
	if m.left == 0 {
		return 0, io.EOF
	}
	n, err := m.l.r.Read(b[:min(int64(len(b)), m.left)])
	m.left -= int64(n)
	switch {
	case m.left == 0:
		return n, io.EOF // now, so that nobody has to ask again
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (m *measured) Close() error { return nil }
