package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/db"
)

type tokens struct {
	store *db.Store
}

// Tokens returns the commands about what stands for keys at the HTTP door.
func Tokens(store *db.Store) []Command {
	t := tokens{store}
	return []Command{
		{Name: "tokens:create", Args: "<name>", Short: "make a token for the HTTP door", For: Anyone, Run: t.create, Flags: func(fs *pflag.FlagSet) {
			fs.String("for", "", "the `key` that it stands for, instead of yours")
			fs.Int("days", 0, "for how many days it is good; for good if 0")
		}},
		{Name: "tokens:list", Short: "list your tokens, or everybody's", For: Anyone, Reads: true, Run: t.list, Flags: listing},
		{Name: "tokens:revoke", Args: "<name>", Short: "forget a token", For: Anyone, Run: t.revoke},
	}
}

// maxDays is ten years.
const maxDays = 3650

func (t tokens) create(ctx context.Context, c *Call) error {
	name := c.Args[0]
	if err := checkName("token", name); err != nil {
		return err
	}
	other, _ := c.Flags.GetString("for")
	days, _ := c.Flags.GetInt("days")
	switch {
	case days < 0 || days > maxDays:
		return fmt.Errorf("%w: --days is from 1 to %d, or 0 for good", ErrUsage, maxDays)
	case other != "" && other != c.Actor.Name && !c.Actor.Admin:
		return appliance.WithHint(fmt.Errorf("%w: a token for another key is an admin's to make", appliance.ErrDenied), "leave out --for")
	case other == "" && c.Actor.Door == appliance.Local:
		return appliance.WithHint(errors.New("a token stands for a key, and you came without one"),
			"say for which, as in: tokens:create "+name+" --for ada; ssh-keys:list shows the keys there are")
	}
	text := appliance.NewToken()
	token := appliance.Token{Name: name, Key: cmp.Or(other, c.Actor.Name), Hash: appliance.HashToken(text)}
	if days > 0 {
		token.ExpiresAt = time.Now().AddDate(0, 0, days)
	}
	if err := t.store.AddToken(ctx, token); err != nil {
		return appliance.WithHint(err, "tokens:list shows the tokens there are, ssh-keys:list the keys")
	}
	fmt.Fprintln(c.Stdout, text)
	fmt.Fprintln(c.Stderr, "       It is shown this once. Whoever has it may do what the key "+token.Key+" may.")
	return nil
}

// whose returns whose tokens somebody may see and revoke; "" for everybody's.
func (t tokens) whose(c *Call) string {
	if c.Actor.Admin {
		return ""
	}
	return c.Actor.Name
}

// A tokenRow is a token as scripts are shown it.
type tokenRow struct {
	Name      string     `json:"name"`
	Key       string     `json:"key"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
	UsedAt    string     `json:"used_at,omitempty"` // the day
	Expired   bool       `json:"expired"`
}

func (t tokens) list(ctx context.Context, c *Call) error {
	all, err := t.store.Tokens(ctx, t.whose(c))
	if err != nil {
		return err
	}
	list, rows := []tokenRow{}, []string{}
	for _, token := range all {
		row := tokenRow{Name: token.Name, Key: token.Key, CreatedAt: token.CreatedAt, Expired: token.Expired(time.Now())}
		until, used := "for good", "never used"
		if !token.ExpiresAt.IsZero() {
			row.ExpiresAt = &token.ExpiresAt
			until = "until " + token.ExpiresAt.Format(time.DateOnly)
			if row.Expired {
				until = "expired " + token.ExpiresAt.Format(time.DateOnly)
			}
		}
		if !token.UsedAt.IsZero() {
			row.UsedAt = token.UsedAt.Format(time.DateOnly)
			used = "used " + row.UsedAt
		}
		list = append(list, row)
		rows = append(rows, strings.TrimSpace(fmt.Sprintf("%-24s %-24s %-20s %s", token.Name, token.Key, until, used)))
	}
	return c.List("Tokens", list, rows)
}

func (t tokens) revoke(ctx context.Context, c *Call) error {
	if err := t.store.RemoveToken(ctx, c.Args[0], t.whose(c)); err != nil {
		return appliance.WithHint(err, "tokens:list shows the tokens there are")
	}
	fmt.Fprintf(c.Stdout, "-----> Revoked %s\n", c.Args[0])
	return nil
}
