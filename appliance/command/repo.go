package command

import (
	"context"

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
		{Name: "repo:gc", Args: "<app>", Short: "pack the repository of an app as well as git can", For: Deployer, Run: r.gc},
	}
}

func (r repo) gc(ctx context.Context, c *Call) error {
	before, after, err := r.PackRepository(ctx, c.App, c.Stdout)
	if err != nil {
		return err
	}
	progress.New(c.Stdout).Detail("%s, before it was %s", git.Bytes(after), git.Bytes(before))
	return nil
}
