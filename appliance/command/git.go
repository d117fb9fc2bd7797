package command

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/git"
	"github.com/berthhq/berth/appliance/pipeline"
)

type repository struct {
	*pipeline.Pipeline
}

// Git returns the commands about where an app's source comes from.
func Git(p *pipeline.Pipeline) []Command {
	g := repository{p}
	return []Command{
		{Name: "git:allow-host", Args: "<host>", Short: "trust the SSH key that a git host shows, and let everybody reach it", Run: g.allowHost, Flags: noSSH},
		{Name: "git:auth", Args: "<host> [<username>] [<password>]", Short: "set or remove the login for a git host; the password can come on stdin", Secret: true, Run: g.auth, Flags: ofApp},
		{Name: "git:auth-status", Args: "<host> [<username>] [<password>]", Short: "exit with 0 if that is the login for a git host", Secret: true, Reads: true, Run: g.authStatus, Flags: ofApp},
		{Name: "git:from-archive", Args: "<app> [<archive-url>] [<git-username> <git-email>]", Short: "deploy a tar, tar.gz or zip, from a URL or stdin (--)", For: Deployer, Run: g.fromArchive, Flags: archiveType},
		{Name: "git:from-image", Args: "<app> <docker-image> [<git-username> <git-email>]", Short: "deploy an image", For: Deployer, Run: g.fromImage, Flags: buildDir},
		{Name: "git:generate-deploy-key", Args: "[<app>]", Short: "make a key that other git hosts can know an app, or the machine, by", For: Manager, Run: g.generateKey},
		{Name: "git:initialize", Args: "<app>", Short: "make the repository of an app, if it was lost", For: Deployer, Run: g.initialize},
		{Name: "git:load-image", Args: "<app> [<docker-image>] [<git-username> <git-email>]", Short: "deploy an image out of what docker save writes, from stdin", For: Deployer, Run: g.loadImage, Flags: loadFlags},
		{Name: "git:public-key", Args: "[<app>]", Short: "print the deploy key", For: Viewer, Reads: true, Run: g.publicKey},
		{Name: "git:report", Args: "<app>", Short: "show an app's repository and its settings", For: Viewer, Reads: true, Run: g.report, Flags: listing},
		{Name: "git:set", Args: "<app> <property> [<value>]", Short: "set deploy-branch, keep-git-dir, … (see git:report); no value takes it back", For: Deployer, Global: true, Run: g.set},
		{Name: "git:status", Args: "<app>", Short: "show which commit is deployed", For: Viewer, Reads: true, Run: g.status, Flags: listing},
		{Name: "git:sync", Args: "<app> <repository> [<git-ref>]", Short: "fetch a branch, tag or commit of another host's repository", For: Deployer, Run: g.sync, Flags: syncFlags},
		{Name: "git:unlock", Args: "<app>", Short: "do nothing: no lock outlives who holds it", For: Deployer, Run: g.unlock},
	}
}

func archiveType(fs *pflag.FlagSet) {
	fs.String("archive-type", "", "tar, tar.gz or zip; what it looks like if not given")
}

func buildDir(fs *pflag.FlagSet) { fs.String("build-dir", "", "not supported") }

func loadFlags(fs *pflag.FlagSet) {
	buildDir(fs)
	fs.Bool("force", false, "deploy it also if it is deployed already")
}

func syncFlags(fs *pflag.FlagSet) {
	fs.Bool("build", false, "deploy it")
	fs.Bool("build-if-changes", false, "deploy it if it is another commit")
	fs.Bool("skip-deploy-branch", false, "do not make the first branch the one that is deployed")
}

func (g repository) fromArchive(ctx context.Context, c *Call) error {
	kind, _ := c.Flags.GetString("archive-type")
	known := []pipeline.ArchiveType{"", pipeline.Tar, pipeline.TarGz, pipeline.Zipped}
	if !slices.Contains(known, pipeline.ArchiveType(kind)) {
		return fmt.Errorf("%w archive type %.20q: valid archive types include: tar, tar.gz, zip", appliance.ErrInvalid, kind)
	}
	archive := pipeline.Archive{Content: c.Stdin, Type: pipeline.ArchiveType(kind)}
	rest := c.Args[1:]
	if c.Flags.ArgsLenAtDash() < 0 { // "--" is for stdin
		if len(rest) == 0 {
			return appliance.WithHint(fmt.Errorf("%w: git:from-archive: an archive URL, or -- to read the archive from stdin, is missing", ErrUsage),
				fmt.Sprintf("tar c . | ssh berth@host git:from-archive %s --", c.App))
		}
		u, err := url.Parse(rest[0])
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" {
			return appliance.WithHint(fmt.Errorf("%w archive URL", appliance.ErrInvalid), "give a whole one, as in https://example.org/app.tar.gz, or -- to read the archive from stdin")
		}
		archive.URL, rest = u, rest[1:]
	}
	by, err := author(c, rest)
	if err != nil {
		return err
	}
	return g.FromArchive(ctx, c.App, archive, by, c.Stdout)
}

func (g repository) fromImage(ctx context.Context, c *Call) error {
	if err := noBuildDir(c); err != nil {
		return err
	}
	image, err := appliance.ParseImage(c.Args[1])
	if err != nil {
		return err
	}
	by, err := author(c, c.Args[2:])
	if err != nil {
		return err
	}
	return g.FromImage(ctx, c.App, image, by, c.Stdout)
}

// noBuildDir refuses what reads a directory of the machine.
func noBuildDir(c *Call) error {
	if dir, _ := c.Flags.GetString("build-dir"); dir != "" {
		return appliance.WithHint(errors.New("--build-dir names a directory of the machine, which nobody who deploys may read"),
			fmt.Sprintf("put a Dockerfile beside the files and send both: tar c . | ssh berth@host git:from-archive %s --", c.App))
	}
	return nil
}

func (g repository) loadImage(ctx context.Context, c *Call) (err error) {
	if err := noBuildDir(c); err != nil {
		return err
	}
	if c.Terminal != nil {
		return appliance.WithHint(fmt.Errorf("%w: git:load-image: the image comes on stdin, and that is a terminal", ErrUsage),
			fmt.Sprintf("docker save %s:1 | ssh berth@host git:load-image %s", c.App, c.App))
	}
	saved := pipeline.SavedImage{Content: c.Stdin, Force: c.Bool("force")}
	rest := c.Args[1:]
	if len(rest) > 0 {
		if saved.Name, err = appliance.ParseImage(rest[0]); err != nil {
			return err
		}
		rest = rest[1:]
	}
	by, err := author(c, rest)
	if err != nil {
		return err
	}
	return g.LoadImage(ctx, c.App, saved, by, c.Stdout)
}

// author returns who a commit is by: who is named, or else who asks.
func author(c *Call, named []string) (git.Author, error) {
	by := git.Author{Name: c.Actor.Name, Email: c.Actor.Name + "@berth.invalid"}
	if len(named) > 0 {
		by.Name = named[0]
	}
	if len(named) > 1 {
		by.Email = named[1]
	}
	if text := by.Name + by.Email; len(text) > 200 || strings.ContainsAny(text, "<>\n\r\x00") || strings.Trim(by.Name, " .,:;\"'") == "" {
		return by, fmt.Errorf("%w git user: %.80q <%.80q>", appliance.ErrInvalid, by.Name, by.Email)
	}
	return by, nil
}

func (g repository) sync(ctx context.Context, c *Call) error {
	remote, err := git.ParseRemote(c.Args[1])
	if err != nil {
		return err
	}
	return g.Sync(ctx, c.App, pipeline.Sync{
		Remote: remote, Ref: strings.Join(c.Args[2:], ""),
		Build: c.Bool("build"), Changed: c.Bool("build-if-changes"), KeepBranch: c.Bool("skip-deploy-branch"),
	}, c.Stdout)
}

func (g repository) initialize(ctx context.Context, c *Call) error {
	fmt.Fprintf(c.Stdout, "-----> Initializing git repository for %s\n", c.App)
	return g.Repos.Create(ctx, c.App)
}

func (g repository) unlock(_ context.Context, c *Call) error {
	fmt.Fprintf(c.Stdout, "-----> Nothing to unlock: a deploy of %s that ends, however it does, leaves no lock\n", c.App)
	return nil
}

var branchName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]{0,200}$`)

// ParseBranch checks that s can be the name of a branch: a safe part of what
// git check-ref-format allows.
func ParseBranch(s string) (string, error) {
	if !branchName.MatchString(s) || strings.Contains(s, "..") || strings.Contains(s, "//") || strings.HasSuffix(s, "/") || strings.HasSuffix(s, ".lock") || strings.HasSuffix(s, ".") {
		return "", appliance.WithHint(fmt.Errorf("%w branch name %.80q", appliance.ErrInvalid, s), "use letters, digits and . _ / -, as in release/2026")
	}
	return s, nil
}
