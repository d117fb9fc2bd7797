package git

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// A HostKey is what a host shows over SSH.
type HostKey struct {
	Line        string // as in authorized_keys
	Type        string
	Fingerprint string
}

// HostKeys asks a host, "git.example.org" or "[git.example.org]:2222", for its
// keys. It is what ssh-keyscan does.
func (a Access) HostKeys(ctx context.Context, known string) ([]HostKey, error) {
	host, port := splitHost(known)
	if port == "" {
		port = "22"
	}
	var keys []HostKey
	var last error
	for _, algorithm := range []string{ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoRSASHA256} {
		key, err := a.hostKey(ctx, host, port, algorithm)
		if key == nil {
			last = err
			continue
		}
		keys = append(keys, HostKey{
			Line: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))), Type: key.Type(), Fingerprint: ssh.FingerprintSHA256(key),
		})
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("ask %s for its host key: %w", known, last)
	}
	return keys, nil
}

// hostKey returns the host's key of one kind. It hangs up before it would have
// to say who we are.
func (a Access) hostKey(ctx context.Context, host, port, algorithm string) (key ssh.PublicKey, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	conn, err := a.Dial(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	enough := errors.New("enough")
	_, _, _, err = ssh.NewClientConn(conn, host, &ssh.ClientConfig{
		User: "git", HostKeyAlgorithms: []string{algorithm},
		HostKeyCallback: func(_ string, _ net.Addr, k ssh.PublicKey) error { key = k; return enough },
	})
	return key, err
}
