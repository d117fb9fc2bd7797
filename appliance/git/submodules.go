package git

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"regexp"
	"strings"

	"github.com/berthhq/berth/appliance"
)

// A Submodule is a repository within a commit's files.
type Submodule struct {
	Path   string
	URL    string
	Commit string
}

// Submodules lists the submodules of a commit. One that .gitmodules says
// nothing about, or whose URL we would not follow, is an error.
func (r Repos) Submodules(ctx context.Context, app appliance.AppName, commit, quarantine string) ([]Submodule, error) {
	return r.submodules(ctx, r.Path(app), r.objects(app, quarantine), commit)
}

// ArchiveSubmodule fetches a submodule and writes its files to w as a tar
// stream. It returns the submodules that it has itself. It gives up when the
// repository has more than limit bytes.
func (r Repos) ArchiveSubmodule(ctx context.Context, s Submodule, access Access, limit int64, w io.Writer) ([]Submodule, error) {
	remote, err := followable(s.URL, s.Path, access)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(r.Dir, ".submodule-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := r.init(ctx, dir); err != nil {
		return nil, err
	}
	err = bounded(ctx, dir, limit, func(ctx context.Context) error { return r.fetch(ctx, dir, s, remote, access) })
	if err != nil {
		hint := "the machine must be able to clone it: a public https:// address can be read by everyone"
		if more := appliance.HintOf(err); more != "" {
			hint = more
		}
		return nil, appliance.WithHint(fmt.Errorf("fetch submodule %s from %s: %w", s.Path, remote, err), hint)
	}
	var stderr bytes.Buffer
	cmd := r.command(ctx, nil, "--git-dir", dir, "archive", "--format=tar", s.Commit)
	cmd.Stdout, cmd.Stderr = w, &stderr
	if err := explain(cmd.Run(), &stderr); err != nil {
		return nil, err
	}
	return r.submodules(ctx, dir, nil, s.Commit)
}

// fetch gets the one commit, or, from a server that gives out no single
// commits, everything.
func (r Repos) fetch(ctx context.Context, dir string, s Submodule, remote Remote, access Access) error {
	_, err := r.far(ctx, dir, remote, access, "fetch", "--quiet", "--depth=1", "--no-tags", "--", remote.url, s.Commit)
	if err == nil || ctx.Err() != nil || asReach(err) {
		return err
	}
	_, err = r.far(ctx, dir, remote, access, "fetch", "--quiet", "--", remote.url, "+refs/*:refs/*")
	return err
}

var commitID = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

func (r Repos) submodules(ctx context.Context, dir string, objects []string, commit string) ([]Submodule, error) {
	tree, err := r.output(ctx, dir, objects, "ls-tree", "-r", "-z", "--full-tree", commit)
	if err != nil {
		return nil, err
	}
	var list []Submodule
	for line := range strings.SplitSeq(string(tree), "\x00") {
		meta, name, _ := strings.Cut(line, "\t")
		if f := strings.Fields(meta); len(f) == 3 && f[1] == "commit" && commitID.MatchString(f[2]) {
			list = append(list, Submodule{Path: name, Commit: f[2]})
		}
	}
	if len(list) == 0 {
		return nil, nil
	}
	urls, err := r.moduleURLs(ctx, dir, objects, commit)
	if err != nil {
		return nil, err
	}
	for i, s := range list {
		list[i].URL = urls[s.Path]
		if _, err := followable(urls[s.Path], s.Path, Access{}); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// moduleURLs reads .gitmodules and returns the URL of each path.
func (r Repos) moduleURLs(ctx context.Context, dir string, objects []string, commit string) (map[string]string, error) {
	// Without --no-includes it would read whatever file of this machine the
	// blob names.
	config, err := r.output(ctx, dir, objects, "config", "--no-includes", "--blob", commit+":.gitmodules", "--null", "--list")
	if err != nil {
		return nil, appliance.WithHint(fmt.Errorf("read .gitmodules: %w", err),
			"the commit has a submodule but no readable .gitmodules: commit it, or remove the submodule with git rm --cached <path>")
	}
	paths, urls := map[string]string{}, map[string]string{}
	for entry := range strings.SplitSeq(string(config), "\x00") {
		key, value, _ := strings.Cut(entry, "\n")
		switch {
		case strings.HasPrefix(key, "submodule.") && strings.HasSuffix(key, ".path"):
			paths[strings.TrimSuffix(key, ".path")] = value
		case strings.HasPrefix(key, "submodule.") && strings.HasSuffix(key, ".url"):
			urls[strings.TrimSuffix(key, ".url")] = value
		}
	}
	byPath := map[string]string{}
	for name, p := range paths {
		byPath[path.Clean(p)] = urls[name]
	}
	return byPath, nil
}

// followable returns the repository that raw stands for. What names one for
// SSH is asked for over HTTPS, where public ones are found too, unless there is
// a deploy key and an admin has allowed the host: the machine's own SSH keys
// are not for what a repository says. Everything else, such as a path or a
// transport of its own, is refused.
func followable(raw, where string, access Access) (Remote, error) {
	asked := raw
	if u, err := url.Parse(raw); err == nil && u.Scheme == "git" {
		asked = (&url.URL{Scheme: "https", Host: u.Hostname(), Path: u.Path}).String()
	}
	remote, err := ParseRemote(asked)
	if err != nil {
		return remote, appliance.WithHint(fmt.Errorf("%w URL of submodule %s: %q", appliance.ErrInvalid, where, redact(raw)),
			"use a full https:// address in .gitmodules")
	}
	if remote.scheme != "ssh" || len(access.Keys) > 0 && len(access.Hosts[remote.host]) > 0 {
		return remote, nil
	}
	host, _ := splitHost(remote.host)
	path := ""
	if m := scpLike.FindStringSubmatch(raw); m != nil {
		path = "/" + m[3]
	} else if u, err := url.Parse(raw); err == nil {
		path = u.Path
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return ParseRemote((&url.URL{Scheme: "https", Host: host, Path: path}).String())
}
