package command

import (
	"context"
	"fmt"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/git"
	"github.com/berthhq/berth/appliance/pipeline"
	"github.com/berthhq/berth/appliance/progress"
)

type repo struct {
	*pipeline.Pipeline
}

// Repo returns the commands that make room in what an app is built of.
func Repo(p *pipeline.Pipeline) []Command {
	r := repo{p}
	return []Command{
		{Name: "cleanup", Args: "<app>", Short: "remove ended containers and images that nothing needs; without an app, of every app", For: Deployer, Run: r.cleanUp, Every: &Every{Skip: nothing, Alone: true}},
		{Name: "repo:gc", Args: "<app>", Short: "pack the repository of an app as well as git can", For: Deployer, Run: r.gc},
		{Name: "repo:purge-cache", Args: "<app>", Short: "remove what builds of an app have kept for later ones", For: Deployer, Run: r.purge},
	}
}

// nothing is skipped: of each app there may be something to remove.
func nothing(context.Context, appliance.App) (string, error) { return "", nil }

func (r repo) cleanUp(ctx context.Context, c *Call) error {
	to := progress.New(c.Stdout)
	to.Step("Cleaning up %s", c.App)
	freed, err := r.CleanUp(ctx, c.App, c.Stdout)
	if err != nil {
		return err
	}
	if freed == (appliance.Freed{}) {
		to.Detail("nothing to remove")
		return nil
	}
	to.Detail("%s and %s removed, %s freed", several(freed.Containers, "container"), several(freed.Images, "image"), git.Bytes(freed.Bytes))
	return nil
}

// several is "1 image" or "3 images".
func several(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (r repo) gc(ctx context.Context, c *Call) error {
	before, after, err := r.PackRepository(ctx, c.App, c.Stdout)
	if err != nil {
		return err
	}
	progress.New(c.Stdout).Detail("%s, before it was %s", git.Bytes(after), git.Bytes(before))
	return nil
}

func (r repo) purge(ctx context.Context, c *Call) error { return r.PurgeCache(ctx, c.App, c.Stdout) }
