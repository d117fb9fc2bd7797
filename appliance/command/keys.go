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
		{Name: "ssh-keys:list", Args: "[<name>]", Short: "list the keys, or show one", Reads: true, Run: k.list, Flags: listing},
		{Name: "ssh-keys:remove", Args: "<name>", Short: "lock a key out", Run: k.remove, Flags: func(fs *pflag.FlagSet) {
			fs.Bool("fingerprint", false, "the key with the fingerprint that is given in place of its name")
		}},
		{Name: "ssh-keys:rename", Args: "<name> <new-name>", Short: "call a key something else; it may what it might", Run: k.rename},
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
	public, _, options, rest, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		return nil, appliance.WithHint(fmt.Errorf("%w key: no public key on stdin", appliance.ErrInvalid), hint)
	}
	if _, _, _, _, err := ssh.ParseAuthorizedKey(rest); err == nil {
		return nil, appliance.WithHint(fmt.Errorf("%w key: more than one on stdin", appliance.ErrInvalid), "add them one by one, each with a name of its own")
	}
	if err := Acceptable(public); err != nil {
		return nil, err
	}
	for _, option := range options {
		// To leave these away would let in more than was meant. All others
		// are so here with every key: there is no shell, and nothing is
		// forwarded.
		switch name, _, _ := strings.Cut(strings.ToLower(option), "="); name {
		case "from", "expiry-time", "cert-authority", "principals", "verify-required":
			return nil, appliance.WithHint(fmt.Errorf("%w key: there is no option %s here", appliance.ErrInvalid, name), "add the key without it, if it may come in from everywhere and for good")
		}
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
	Type        string    `json:"type"`
	Public      string    `json:"public"`
	Admin       bool      `json:"admin"`
	Options     string    `json:"SSHCOMMAND_ALLOWED_KEYS"` // as Dokku calls it
	CreatedAt   time.Time `json:"created_at"`
}

// keyOptions are what holds for every key, in the words of authorized_keys.
const keyOptions = "no-agent-forwarding,no-user-rc,no-X11-forwarding,no-port-forwarding"

func (k keys) list(ctx context.Context, c *Call) error {
	list, err := k.store.Keys(ctx)
	if err != nil {
		return err
	}
	keys, rows := []keyRow{}, []string{}
	for _, key := range list {
		if len(c.Args) > 0 && key.Name != c.Args[0] {
			continue
		}
		kind, _, _ := strings.Cut(key.Public, " ")
		keys = append(keys, keyRow{key.Name, key.Fingerprint, kind, key.Public, key.Admin, keyOptions, key.CreatedAt})
		role := ""
		if key.Admin {
			role = " admin"
		}
		rows = append(rows, fmt.Sprintf("%s NAME=%q%s SSHCOMMAND_ALLOWED_KEYS=%q", key.Fingerprint, key.Name, role, keyOptions))
	}
	if len(c.Args) > 0 && len(rows) == 0 {
		return noKey(fmt.Errorf("key %.80q %w", c.Args[0], appliance.ErrNotFound))
	}
	return c.List("", keys, rows)
}

func noKey(err error) error {
	return appliance.WithHint(err, "ssh-keys:list shows the keys there are")
}

func (k keys) remove(ctx context.Context, c *Call) error {
	name := c.Args[0]
	if c.Bool("fingerprint") {
		key, err := k.store.Key(ctx, name)
		if err != nil {
			return noKey(err)
		}
		name = key.Name
	}
	return noKey(k.store.RemoveKey(ctx, name))
}

func (k keys) rename(ctx context.Context, c *Call) error {
	if err := checkName("key", c.Args[1]); err != nil {
		return err
	}
	if err := k.store.RenameKey(ctx, c.Args[0], c.Args[1]); err != nil {
		return noKey(err)
	}
	fmt.Fprintf(c.Stdout, "-----> %s is called %s now\n", c.Args[0], c.Args[1])
	return nil
}
