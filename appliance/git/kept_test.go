package git_test

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
)

func TestKeptCommitsOutliveTheirBranch(t *testing.T) {
	w := newWorld(t)
	w.write("a", "1")
	kept := w.give(w.commit())
	w.write("a", "2")
	forgotten := w.give(w.commit())
	w.must(w.KeepCommits(t.Context(), "blog", kept, forgotten, strings.Repeat("1", 40), "no commit"))
	w.must(w.KeepCommits(t.Context(), "blog", kept))
	w.git("checkout", "-q", "--orphan", "other")
	w.give(w.commit())

	w.git("--git-dir", w.Path("blog"), "gc", "-q", "--prune=now")

	for commit, want := range map[string]bool{kept: true, forgotten: false, "HEAD": false, "": false} {
		if has, err := w.Has(t.Context(), "blog", commit); err != nil || has != want {
			t.Errorf("Has(%s) = %v, %v, want %v", commit, has, err, want)
		}
	}
}

// Attack: who may push reads or moves what we keep, so that a rollback would
// bring back something else.
func TestClientsNeitherSeeNorMoveWhatIsKept(t *testing.T) {
	w := newWorld(t)
	w.write("a", "1")
	commit := w.give(w.commit())
	w.must(w.KeepCommits(t.Context(), "blog", commit))
	w.hook("true")
	ref := "refs/berth/releases/" + commit
	for _, version := range []string{"0", "2"} {
		w := *w
		w.door = w.path("s" + version)
		w.open(func(ctx context.Context, conn net.Conn) {
			w.UploadPack(ctx, "blog", conn, conn, io.Discard, "GIT_PROTOCOL=version="+version)
		})

		out, err := w.tryGit("work", nil, "-c", "protocol.version="+version, "ls-remote", "ssh://berth/blog")

		if err != nil || strings.Contains(out, "berth") || !strings.Contains(out, "refs/heads/main") {
			t.Errorf("by protocol %s: %v\n%s", version, err, out)
		}
	}
	w.serve()
	for _, refspec := range []string{":" + ref, "HEAD:" + ref, "HEAD:refs/berth/releases/mine"} {
		if out, err := w.push("--force", refspec); err == nil {
			t.Errorf("push of %s went through:\n%s", refspec, out)
		}
	}
	if refs := w.git("--git-dir", w.Path("blog"), "for-each-ref", "--format=%(refname) %(objectname)", "refs/berth"); refs != ref+" "+commit {
		t.Errorf("refs = %s", refs)
	}
}
