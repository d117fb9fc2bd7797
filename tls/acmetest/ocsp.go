package acmetest

import (
	"crypto/rsa"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"golang.org/x/crypto/ocsp"
)

// A responder says of every certificate that it is good, signed by its CA.
type responder struct {
	server *httptest.Server
	asked  atomic.Int64
	issuer *x509.Certificate
	key    *rsa.PrivateKey
}

func startResponder() *responder {
	r := new(responder)
	r.server = httptest.NewServer(r)
	return r
}

// certify lets the responder speak for authority. Nobody asks before.
func (r *responder) certify(authority *ca.CAImpl) {
	r.issuer, r.key = authority.GetIntermediateCert(0).Cert, authority.GetIntermediateKey(0)
}

func (r *responder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(io.LimitReader(req.Body, 1<<16))
	if err != nil {
		return
	}
	question, err := ocsp.ParseRequest(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.asked.Add(1)
	answer, err := ocsp.CreateResponse(r.issuer, r.issuer, ocsp.Response{
		Status: ocsp.Good, SerialNumber: question.SerialNumber,
		ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: time.Now().Add(24 * time.Hour),
	}, r.key)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/ocsp-response")
	w.Write(answer)
}
