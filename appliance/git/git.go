// Package git keeps one bare repository per app, through the git command.
// Everything that git is told is an element of an argument vector, behind "--"
// where it could be taken for an option; nothing passes a shell.
package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/berthhq/berth/appliance"
)

// Repos is a directory of bare repositories.
type Repos struct {
	Dir   string
	Hooks string // the one hooks directory that all of them share

	// Handle, if set, tells what an app is called here: its repository stays
	// where it is when it is renamed.
	Handle func(appliance.AppName) appliance.AppName
}

// Path returns where the app's repository is.
func (r Repos) Path(app appliance.AppName) string {
	if r.Handle != nil {
		app = r.Handle(app)
	}
	return filepath.Join(r.Dir, string(app)+".git")
}

// Create makes an empty repository for app, if there is none. It is made
// beside its place and then moved there, so that there is never half of one.
func (r Repos) Create(ctx context.Context, app appliance.AppName) error {
	if _, err := os.Stat(filepath.Join(r.Path(app), "HEAD")); err == nil {
		return nil
	}
	if err := os.MkdirAll(r.Dir, 0o700); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(r.Dir, ".new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := r.init(ctx, dir); err != nil {
		return err
	}
	err = os.Rename(dir, r.Path(app))
	if errors.Is(err, fs.ErrExist) {
		return nil // somebody else's push of the same new app was first
	}
	return err
}

// init makes an empty repository in dir, whose archives have all that a
// checkout would have: also what .gitattributes marks export-ignore.
func (r Repos) init(ctx context.Context, dir string) error {
	if _, err := r.output(ctx, "", nil, "init", "--quiet", "--bare", "--template=", "--initial-branch=main", dir); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, "info"), 0o700); err != nil {
		return err
	}
	attributes := []byte("* -export-ignore -export-subst\n")
	return os.WriteFile(filepath.Join(dir, "info", "attributes"), attributes, 0o600)
}

// Remove deletes the app's repository.
func (r Repos) Remove(app appliance.AppName) error { return os.RemoveAll(r.Path(app)) }

// Apps lists the apps that have a repository.
func (r Repos) Apps() ([]appliance.AppName, error) {
	entries, err := os.ReadDir(r.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var apps []appliance.AppName
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".git")
		if app, err := appliance.ParseAppName(name); ok && err == nil {
			apps = append(apps, app)
		}
	}
	return apps, err
}

// InstallHook makes the pre-receive hook that all repositories share. It runs
// the program with the push's token and git's quarantine directory.
func (r Repos) InstallHook(program string, args ...string) error {
	if err := os.MkdirAll(r.Hooks, 0o700); err != nil {
		return err
	}
	// Only our own paths are in it, and quoted: nothing of an app is.
	words := []string{"exec", quote(program)}
	for _, arg := range args {
		words = append(words, quote(arg))
	}
	script := "#!/bin/sh\n" + strings.Join(words, " ") + " git-hook \"$BERTH_PUSH\" \"$GIT_QUARANTINE_PATH\"\n"
	hook := filepath.Join(r.Hooks, "pre-receive")
	if err := os.WriteFile(hook+".new", []byte(script), 0o700); err != nil {
		return err
	}
	return os.Rename(hook+".new", hook)
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// ReceivePack serves one push of at most limit bytes, packed. The pre-receive
// hook sees env.
func (r Repos) ReceivePack(ctx context.Context, app appliance.AppName, limit int64, stdin io.Reader, stdout, stderr io.Writer, env ...string) error {
	held, err := r.hold()
	if err != nil {
		return err
	}
	defer held.Close()
	args := []string{
		"-c", "core.hooksPath=" + r.Hooks,
		"-c", "receive.denyDeleteCurrent=ignore", // the hook refuses it, in words
		"-c", "receive.autogc=false", // it would keep the client waiting
		"-c", "receive.advertisePushOptions=false",
		"-c", "receive.hideRefs=" + ownRefs,
		"-c", "receive.maxInputSize=" + strconv.FormatInt(limit, 10),
		"receive-pack", r.Path(app),
	}
	cmd := r.command(ctx, env, args...)
	cmd.ExtraFiles = []*os.File{held}
	return serve(cmd, stdin, stdout, stderr)
}

// UploadPack serves one clone or fetch.
func (r Repos) UploadPack(ctx context.Context, app appliance.AppName, stdin io.Reader, stdout, stderr io.Writer, env ...string) error {
	return serve(r.command(ctx, env, "-c", "uploadpack.hideRefs="+ownRefs, "upload-pack", "--strict", r.Path(app)), stdin, stdout, stderr)
}

func serve(cmd *exec.Cmd, stdin io.Reader, stdout, stderr io.Writer) error {
	cmd.Stdout, cmd.Stderr = stdout, stderr
	// Not cmd.Stdin: Wait would wait for the client to close its end, which
	// it does only after we have ended.
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() {
		io.Copy(in, stdin) // ends with the process or the session; git notices what is missing
		in.Close()
	}()
	return cmd.Wait()
}

// SetHead makes branch the one that a clone checks out.
func (r Repos) SetHead(ctx context.Context, app appliance.AppName, branch string) error {
	_, err := r.output(ctx, r.Path(app), nil, "symbolic-ref", "HEAD", "refs/heads/"+branch)
	return err
}

// Head returns the branch that a clone checks out, or "" if it has no commit.
func (r Repos) Head(ctx context.Context, app appliance.AppName) (string, error) {
	out, err := r.output(ctx, r.Path(app), nil, "symbolic-ref", "--quiet", "HEAD")
	if err != nil {
		return "", err
	}
	branch := strings.TrimPrefix(strings.TrimSpace(string(out)), headsRef)
	commit, err := r.Branch(ctx, app, branch)
	if commit == "" {
		return "", err
	}
	return branch, err
}

// Branch returns the commit that a branch is at, or "" if there is none.
func (r Repos) Branch(ctx context.Context, app appliance.AppName, branch string) (string, error) {
	ref := "refs/heads/" + branch
	// The pattern also matches what is in a folder of that name.
	out, err := r.output(ctx, r.Path(app), nil, "for-each-ref", "--format=%(refname) %(objectname)", ref)
	for line := range strings.Lines(string(out)) {
		if name, commit, _ := strings.Cut(strings.TrimSpace(line), " "); name == ref {
			return commit, err
		}
	}
	return "", err
}

// Archive writes the commit's files to w as a tar stream. Quarantine, if set,
// is where git keeps the objects of a push that is not accepted yet.
func (r Repos) Archive(ctx context.Context, app appliance.AppName, commit, quarantine string, w io.Writer) error {
	var stderr bytes.Buffer
	cmd := r.command(ctx, r.objects(app, quarantine), "--git-dir", r.Path(app), "archive", "--format=tar", commit)
	cmd.Stdout, cmd.Stderr = w, &stderr
	return explain(cmd.Run(), &stderr)
}

// objects returns the environment in which git sees the quarantine too.
func (r Repos) objects(app appliance.AppName, quarantine string) []string {
	if quarantine == "" {
		return nil
	}
	return []string{
		"GIT_OBJECT_DIRECTORY=" + quarantine,
		"GIT_ALTERNATE_OBJECT_DIRECTORIES=" + filepath.Join(r.Path(app), "objects"),
	}
}

// output runs git and returns what it printed.
func (r Repos) output(ctx context.Context, dir string, env []string, args ...string) ([]byte, error) {
	if dir != "" {
		args = append([]string{"--git-dir", dir}, args...)
	}
	var stdout, stderr bytes.Buffer
	cmd := r.command(ctx, env, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := explain(cmd.Run(), &stderr)
	return stdout.Bytes(), err
}

// command returns a git command that sees nothing of our environment but what
// it needs, reads no configuration but the repository's, and dies, with its
// children, when ctx is done.
func (r Repos) command(ctx context.Context, env []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = "/"
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=/nonexistent",
		"LC_ALL=C.UTF-8",
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_TERMINAL_PROMPT=0",
		// What is larger goes through in pieces: a file that is 500 MB of
		// nothing is a push of 500 KB, and would be in memory whole.
		"GIT_CONFIG_PARAMETERS='core.bigFileThreshold=16m'",
		"GIT_ALLOW_PROTOCOL=http:https", // never the machine's own SSH keys, never a local path
	}, proxies()...)
	cmd.Env = append(cmd.Env, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// proxies returns what the machine's environment says about the way to the
// outside, which a fetch of submodules needs.
func proxies() (env []string) {
	for _, name := range []string{"http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "GIT_SSL_CAINFO"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// boilerplate is what git says after the reason.
var boilerplate = []string{"Please make sure you have the correct access rights", "and the repository exists.", "fatal: Could not read from remote repository.", ""}

// explain adds to err the last line in which git, or what it runs, said why.
func explain(err error, stderr *bytes.Buffer) error {
	if err == nil {
		return nil
	}
	lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
	last := lines[len(lines)-1]
	for _, line := range slices.Backward(lines) {
		if line = strings.TrimSpace(line); !slices.Contains(boilerplate, line) {
			last = line
			break
		}
	}
	if last != "" {
		return fmt.Errorf("git: %s: %w", strings.TrimPrefix(last, "fatal: "), err)
	}
	return fmt.Errorf("git: %w", err)
}

// A Tip is the last commit of a branch.
type Tip struct {
	Branch, Commit string
	At             time.Time // when it was made
}

// Tip returns the last commit of a branch, or of the one that a clone checks
// out if none is named. It is empty if there is none.
func (r Repos) Tip(ctx context.Context, app appliance.AppName, branch string) (Tip, error) {
	out, err := r.output(ctx, r.Path(app), nil, "for-each-ref", "--format=%(HEAD) %(objectname) %(committerdate:unix) %(refname)", headsRef+branch)
	if err != nil {
		return Tip{}, err
	}
	for line := range strings.Lines(string(out)) {
		head := line[0] == '*'
		words := strings.Fields(line[1:])
		if len(words) != 3 || branch == "" && !head || branch != "" && words[2] != headsRef+branch {
			continue
		}
		seconds, err := strconv.ParseInt(words[1], 10, 64)
		return Tip{strings.TrimPrefix(words[2], headsRef), words[0], time.Unix(seconds, 0)}, err
	}
	return Tip{}, nil
}
