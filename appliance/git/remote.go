package git

import (
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/berthhq/berth/appliance"
)

// A Remote is a repository on another host. Its address has no password in
// it, so it can be shown.
type Remote struct {
	url    string
	scheme string // "https", "http" or "ssh"
	host   string // as Access.Hosts has it
	login  *Login // that the address brought
}

func (r Remote) String() string { return r.url }

var (
	scpLike   = regexp.MustCompile(`^([A-Za-z0-9_][A-Za-z0-9._-]*)@([A-Za-z0-9][A-Za-z0-9.-]*):/?([^-/].*)$`)
	hostName  = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)$`)
	userName  = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)
	noControl = regexp.MustCompile(`^[^\x00-\x20\x7f]+$`)
)

// ParseHost checks the name of a host, with or without a port, and returns it
// as Access.Hosts has it.
func ParseHost(s string) (string, error) {
	host, port := splitHost(s)
	u, err := url.Parse("ssh://" + s)
	if !hostName.MatchString(host) || err != nil && !strings.Contains(host, ":") || err == nil && u.Host != s {
		return "", appliance.WithHint(fmt.Errorf("%w host %.80q", appliance.ErrInvalid, s[strings.LastIndex(s, "@")+1:]), "write a name, as in git.example.org, or a name and a port, as in git.example.org:2222")
	}
	if n, err := strconv.Atoi(port); port != "" && (err != nil || n < 1 || n > 65535) {
		return "", fmt.Errorf("%w port %.20q", appliance.ErrInvalid, port)
	}
	if port == "" || port == "22" {
		return host, nil
	}
	return "[" + host + "]:" + port, nil
}

// ParseRemote checks that raw is an address that we would follow: one that
// another machine answers at, not a path or a program of this one.
func ParseRemote(raw string) (Remote, error) {
	refuse := func(hint string) (Remote, error) {
		return Remote{}, appliance.WithHint(fmt.Errorf("%w address of a repository: %.200q", appliance.ErrInvalid, redact(raw)), hint)
	}
	const how = "use a full one: https://host/owner/repository.git, or git@host:owner/repository.git with a deploy key"
	if !noControl.MatchString(raw) || len(raw) > 2000 {
		return refuse(how)
	}
	if m := scpLike.FindStringSubmatch(raw); m != nil {
		return Remote{url: raw, scheme: "ssh", host: m[2]}, nil
	}
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" || !hostName.MatchString(u.Hostname()) || strings.Trim(u.Path, "/") == "" {
		return refuse(how)
	}
	if u.Fragment != "" {
		return refuse("name the branch, tag or commit after the address: git:sync <app> <repository> <git-ref>")
	}
	r := Remote{scheme: u.Scheme, host: u.Host}
	switch u.Scheme {
	case "https", "http":
		if u.User != nil {
			password, _ := u.User.Password()
			r.login = &Login{User: u.User.Username(), Password: password}
			if password == "" { // a token by itself
				r.login = &Login{User: u.User.Username(), Password: "x-oauth-basic"}
			}
			u.User = nil
		}
	case "ssh":
		if u.User != nil && !userName.MatchString(u.User.String()) { // nor a password
			return refuse(how)
		}
		if r.host, err = ParseHost(u.Host); err != nil {
			return Remote{}, err
		}
	default:
		return refuse(how)
	}
	r.url = u.String()
	return r, nil
}

// redact removes a name and a password from an address that is about to be
// shown, however it is written.
func redact(raw string) string {
	before, rest, ok := strings.Cut(raw, "://")
	at := strings.LastIndex(rest, "@")
	if !ok || at < 0 {
		return raw
	}
	return before + "://…" + rest[at:]
}
