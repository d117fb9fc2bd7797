package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/crypto/ssh"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/db"
)

type keys struct {
	store *db.Store
}

// Keys returns the commands about who may come in.
func Keys(store *db.Store) []Command {
	k := keys{store}
	return []Command{
		{Name: "ssh-keys:add", Args: "<name>", Short: "let the public key on stdin in", Run: k.add, Flags: func(fs *pflag.FlagSet) {
			fs.Bool("admin", false, "let it do everything")
		}},
		{Name: "ssh-keys:list", Short: "list the keys", Reads: true, Run: k.list, Flags: listing},
		{Name: "ssh-keys:remove", Args: "<name>", Short: "lock a key out", Run: k.remove},
	}
}

// maxKey is more than any public key needs.
const maxKey = 16 << 10

var keyName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$`)

// checkName checks the name of a key or a team.
func checkName(of, name string) error {
	if !keyName.MatchString(name) {
		return appliance.WithHint(fmt.Errorf("%w %s name %.80q", appliance.ErrInvalid, of, name), "use letters, digits and . _ @ + -, as in ada@laptop")
	}
	return nil
}

func (k keys) add(ctx context.Context, c *Call) error {
	name := c.Args[0]
	if err := checkName("key", name); err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(c.Stdin, maxKey))
	if err != nil {
		return err
	}
	public, err := parsePublic(text)
	if err != nil {
		return err
	}
	key := appliance.Key{
		Name: name, Fingerprint: ssh.FingerprintSHA256(public), Admin: c.Bool("admin"),
		Public: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public))),
	}
	if there, err := k.store.Key(ctx, key.Fingerprint); err == nil && there.Name == key.Name && there.Admin == key.Admin {
		fmt.Fprintf(c.Stdout, "%s (%s) is there already\n", key.Name, key.Fingerprint)
		return nil
	}
	if err := k.store.AddKey(ctx, key); err != nil {
		return appliance.WithHint(err, "ssh-keys:list shows the keys there are; ssh-keys:remove removes one")
	}
	fmt.Fprintln(c.Stdout, key.Fingerprint)
	return nil
}

// parsePublic reads one public key in the form of an authorized_keys line.
func parsePublic(text []byte) (ssh.PublicKey, error) {
	hint := "pipe the .pub file in: cat ~/.ssh/id_ed25519.pub | ssh berth@host ssh-keys:add ada"
	if strings.Contains(string(text), "PRIVATE KEY") {
		return nil, appliance.WithHint(fmt.Errorf("%w key: this is a private key; it was not stored, but it has left its machine", appliance.ErrInvalid), hint)
	}
	public, _, _, rest, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		return nil, appliance.WithHint(fmt.Errorf("%w key: no public key on stdin", appliance.ErrInvalid), hint)
	}
	if _, _, _, _, err := ssh.ParseAuthorizedKey(rest); err == nil {
		return nil, appliance.WithHint(fmt.Errorf("%w key: more than one on stdin", appliance.ErrInvalid), "add them one by one, each with a name of its own")
	}
	if err := Acceptable(public); err != nil {
		return nil, err
	}
	return public, nil
}

// Acceptable returns nil for a public key that the gateway would let in: no
// DSA, no RSA below 2048 bits.
func Acceptable(key ssh.PublicKey) error {
	switch key.Type() {
	case ssh.KeyAlgoED25519, ssh.KeyAlgoSKED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoSKECDSA256:
		return nil
	case ssh.KeyAlgoRSA:
		// Its wire form is a little longer than its modulus.
		if len(key.Marshal()) >= 2048/8 {
			return nil
		}
		return appliance.WithHint(errors.New("RSA key below 2048 bits"), "make a new key: ssh-keygen -t ed25519")
	}
	return appliance.WithHint(fmt.Errorf("key type %s is not accepted", key.Type()), "make a new key: ssh-keygen -t ed25519")
}

// A keyRow is a key as scripts are shown it.
type keyRow struct {
	Name        string    `json:"name"`
	Fingerprint string    `json:"fingerprint"`
	Public      string    `json:"public"`
	Admin       bool      `json:"admin"`
	CreatedAt   time.Time `json:"created_at"`
}

func (k keys) list(ctx context.Context, c *Call) error {
	list, err := k.store.Keys(ctx)
	if err != nil {
		return err
	}
	keys, rows := []keyRow{}, []string{}
	for _, key := range list {
		keys = append(keys, keyRow{key.Name, key.Fingerprint, key.Public, key.Admin, key.CreatedAt})
		role := ""
		if key.Admin {
			role = " admin"
		}
		rows = append(rows, fmt.Sprintf("%s NAME=%q%s", key.Fingerprint, key.Name, role))
	}
	return c.List("", keys, rows)
}

func (k keys) remove(ctx context.Context, c *Call) error {
	return k.store.RemoveKey(ctx, c.Args[0])
}
