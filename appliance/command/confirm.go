package command

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/berthhq/berth/appliance"
)

// confirm has the person type a name, on a terminal or by stdin, before
// something is destroyed.
func confirm(c *Call, what, name, command string) error {
	fmt.Fprintf(c.Stderr, " !     WARNING: Potentially Destructive Action\n"+
		" !     This command will destroy %s.\n"+
		" !     To proceed, type \"%s\"\n\n> ", what, name)
	answer, err := bufio.NewReader(io.LimitReader(c.Stdin, 1<<10)).ReadString('\n')
	if err != nil { // the line has no end
		fmt.Fprintln(c.Stderr)
	}
	if strings.TrimSpace(answer) != name {
		return appliance.WithHint(errors.New("not confirmed: nothing was destroyed"), fmt.Sprintf("type %q, or use: %s --force", name, command))
	}
	return nil
}
