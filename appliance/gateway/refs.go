package gateway

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/berthhq/berth/appliance"
)

// An update is one line of what a push changes.
type update struct{ old, new, ref string }

func (u update) deletes() bool { return strings.Trim(u.new, "0") == "" }

// deployable returns the one update of a push that is deployed: of the app's
// deploy branch, which is main or master until it is set. Tags may come along.
// Everything else is refused, with what to do instead.
func deployable(updates []update, app appliance.AppName, branch string) (update, error) {
	var found []update
	var tag string
	var deleted bool
	for _, u := range updates {
		name, isBranch := strings.CutPrefix(u.ref, "refs/heads/")
		switch {
		case isBranch && u.deletes():
			return update{}, refuseDelete(app, name)
		case isBranch && isDeployBranch(name, branch):
			found = append(found, u)
		case isBranch:
			return update{}, refuseBranch(app, name, branch)
		case strings.HasPrefix(u.ref, "refs/tags/"):
			tag, deleted = strings.TrimPrefix(u.ref, "refs/tags/"), u.deletes()
		default:
			return update{}, appliance.WithHint(fmt.Errorf("%.100s is neither a branch nor a tag", u.ref),
				"push a branch: git push berth HEAD:"+target(branch))
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return update{}, appliance.WithHint(errors.New("main and master at once: only one can be deployed"),
			"push one of them: git push berth main")
	case tag == "":
		return update{}, fmt.Errorf("%w push: it changes nothing", appliance.ErrInvalid)
	case deleted:
		return update{}, appliance.WithHint(fmt.Errorf("tag %.100q is not deleted by itself: a push must have a branch that is deployed", tag),
			fmt.Sprintf("push both: git push berth %s :%s", target(branch), quoteWord("refs/tags/"+tag)))
	default:
		return update{}, appliance.WithHint(fmt.Errorf("tag %.100q was pushed without a branch, and only a branch is deployed", tag),
			"push what it names: git push berth "+quoteWord(tag+"^{}:refs/heads/"+target(branch)))
	}
}

func isDeployBranch(name, branch string) bool {
	if branch != "" {
		return name == branch
	}
	return name == "main" || name == "master"
}

// target is the branch to push to.
func target(branch string) string {
	if branch == "" {
		return "main"
	}
	return branch
}

func refuseDelete(app appliance.AppName, name string) error {
	return appliance.WithHint(fmt.Errorf("branch %.100q is not deleted: it is what %s runs", name, app),
		fmt.Sprintf("to remove the app: apps:destroy %s", app))
}

func refuseBranch(app appliance.AppName, name, branch string) error {
	deployed := "main or master is"
	if branch != "" {
		deployed = fmt.Sprintf("%q is", branch)
	}
	return appliance.WithHint(fmt.Errorf("branch %.100q is not deployed: %s, for %s", name, deployed, app),
		fmt.Sprintf("push it as that: git push berth %s\nor deploy it from now on: git:set %s deploy-branch %s",
			quoteWord(name+":"+target(branch)), app, quoteWord(name)))
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9._/:@%+=-]+$`)

// quoteWord returns a word for a command line that a person may copy into a
// shell. Names of refs may hold what a shell would run.
func quoteWord(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return quote([]string{s})
}
