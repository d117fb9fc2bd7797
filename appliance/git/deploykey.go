package git

import (
	"crypto/ed25519"
	"encoding/pem"
	"strings"

	"golang.org/x/crypto/ssh"
)

// A DeployKey is what other hosts know an app, or the machine, by.
type DeployKey struct {
	Private string `json:"private"` // PEM
	Public  string `json:"public"`  // as in authorized_keys
}

// NewDeployKey makes a key without a passphrase. The comment is for those who
// see it in a list of keys.
func NewDeployKey(comment string) (DeployKey, error) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return DeployKey{}, err
	}
	block, err := ssh.MarshalPrivateKey(private, comment)
	if err != nil {
		return DeployKey{}, err
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return DeployKey{}, err
	}
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
	return DeployKey{Private: string(pem.EncodeToMemory(block)), Public: line + " " + comment}, nil
}

// Fingerprint returns the SHA-256 fingerprint of the key.
func (k DeployKey) Fingerprint() string {
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(k.Public))
	if err != nil {
		return ""
	}
	return ssh.FingerprintSHA256(key)
}
