package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/berthhq/berth/appliance"
)

// fetchTime is how long one git may talk to another host.
const fetchTime = 15 * time.Minute

// far runs a git that talks to remote, with what access has for that, and
// returns what it printed. Nothing secret is in its arguments: it is in files
// of its own that are gone afterwards, or in its environment.
func (r Repos) far(ctx context.Context, dir string, remote Remote, access Access, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, fetchTime, fmt.Errorf("%s took longer than %s", remote.host, fetchTime))
	defer cancel()
	own, err := os.MkdirTemp(r.Dir, ".far-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(own)

	var env []string
	why := func(err error) error { return err }
	if remote.scheme == "ssh" {
		env, err = sshEnv(ctx, own, remote, access)
	} else {
		if env, err = loginEnv(own, remote, access); err == nil && !access.Anywhere {
			guard, more, err := access.guarded()
			if err != nil {
				return nil, err
			}
			defer guard.Close()
			env, why = append(env, more...), guard.why
		}
	}
	if err != nil {
		return nil, err
	}
	args = append([]string{
		"-c", "core.hooksPath=/dev/null", "-c", "fetch.recurseSubmodules=false", "-c", "transfer.bundleURI=false",
		"-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=60", // a host that sends nothing for a minute is given up
		"-c", "gc.auto=0", "-c", "maintenance.auto=false",
	}, args...)
	out, err := r.output(ctx, dir, env, args...)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return nil, cause
	}
	return out, explainFetch(why(err), remote, access)
}

// loginEnv has git use the login for the host of remote, and for no other that
// it may be sent on to.
func loginEnv(own string, remote Remote, access Access) ([]string, error) {
	login := remote.login
	if l, ok := access.Logins[remote.scheme+"://"+remote.host]; ok && login == nil {
		login = &l
	}
	env := []string{"GIT_ALLOW_PROTOCOL=http:https", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=credential.helper"}
	if login == nil {
		return append(env, "GIT_CONFIG_VALUE_0="), nil
	}
	u := url.URL{Scheme: remote.scheme, Host: remote.host, User: url.UserPassword(login.User, login.Password)}
	file := filepath.Join(own, "logins")
	if err := os.WriteFile(file, []byte(u.String()+"\n"), 0o600); err != nil {
		return nil, err
	}
	return append(env, "GIT_CONFIG_VALUE_0=store --file "+quote(file)), nil // a shell of git's sees it: only our path is in it
}

// sshEnv has git use an ssh that shows our keys and nobody else's, to a host
// whose own keys an admin has allowed.
func sshEnv(ctx context.Context, own string, remote Remote, access Access) ([]string, error) {
	known := access.Hosts[remote.host]
	if len(known) == 0 {
		return nil, appliance.WithHint(fmt.Errorf("the host key of %s is not known here", remote.host),
			"an admin can look it up and allow it: git:allow-host "+strings.NewReplacer("[", "", "]", "").Replace(remote.host))
	}
	if len(access.Keys) == 0 {
		return nil, appliance.WithHint(errors.New("there is no deploy key to show to "+remote.host),
			"make one: git:generate-deploy-key <app>, then give git:public-key <app> to the host")
	}
	host, _ := splitHost(remote.host)
	address, err := access.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	var hosts bytes.Buffer
	for _, key := range known {
		fmt.Fprintf(&hosts, "berth-remote %s\n", key)
	}
	files := map[string][]byte{"known_hosts": hosts.Bytes()}
	// One argument vector in git's config language: only our own paths and an
	// IP address are in it.
	command := []string{"ssh", "-F", "none", "-T", "-a", "-x",
		"-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "PreferredAuthentications=publickey",
		"-o", "StrictHostKeyChecking=yes", "-o", "UpdateHostKeys=no", "-o", "CheckHostIP=no",
		"-o", "UserKnownHostsFile=" + filepath.Join(own, "known_hosts"), "-o", "GlobalKnownHostsFile=none",
		"-o", "HostKeyAlias=berth-remote", "-o", "HostName=" + address.String(),
		"-o", "ProxyCommand=none", "-o", "ClearAllForwardings=yes", "-o", "PermitLocalCommand=no",
		"-o", "ConnectTimeout=30", "-o", "ServerAliveInterval=20", "-o", "ServerAliveCountMax=3",
	}
	for i, key := range access.Keys {
		name := fmt.Sprintf("key%d", i)
		files[name] = []byte(key)
		command = append(command, "-i", filepath.Join(own, name))
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(own, name), content, 0o600); err != nil {
			return nil, err
		}
	}
	for i, word := range command {
		command[i] = quote(word)
	}
	return []string{"GIT_ALLOW_PROTOCOL=ssh", "GIT_SSH_VARIANT=ssh", "GIT_SSH_COMMAND=" + strings.Join(command, " ")}, nil
}

// explainFetch says what can be done when a host does not give what it was
// asked for.
func explainFetch(err error, remote Remote, access Access) error {
	if err == nil || appliance.HintOf(err) != "" {
		return err
	}
	text := strings.ToLower(err.Error())
	switch {
	case asReach(err):
		return explainReach(err, strings.NewReplacer("[", "", "]", "").Replace(remote.host))
	case strings.Contains(text, "host key verification failed"), strings.Contains(text, "host identification has changed"):
		return appliance.WithHint(fmt.Errorf("%s shows another host key than the one that was allowed: %w", remote.host, err),
			"if its owner says that it has changed, an admin can allow the new one: git:allow-host "+remote.host)
	case strings.Contains(text, "cannot run ssh"):
		return appliance.WithHint(err, "the server has no ssh: apt-get install openssh-client")
	case remote.scheme == "ssh":
		return appliance.WithHint(err, "the host must know the deploy key: git:public-key <app> prints it")
	case strings.Contains(text, "could not read username"), strings.Contains(text, "authentication failed"), strings.Contains(text, "not found"):
		return appliance.WithHint(err, "if it is private, an admin can give the app a login for it: git:auth --app <app> "+remote.host+" <username>, with the password on stdin")
	}
	return err
}
