#!/usr/bin/env bash
#
# Makes this machine an appliance that runs what is pushed to it with git.
#
#   sudo ./bootstrap.sh              install, or bring an installation up to date
#   sudo ./bootstrap.sh demo         the same, then push an example and open it
#   sudo ./bootstrap.sh test         install what the tests need, and run them
#   sudo ./bootstrap.sh --uninstall  take it off again
#
# docs/install.md says what is changed on the machine. Everything is in
# functions and the last line calls them, so half a download does nothing.

# shellcheck disable=SC2317 # step and quietly call functions by name

set -euo pipefail

readonly binary=/usr/local/bin/berth
readonly toolchains=/usr/local/lib/berth # what is downloaded for building
readonly state=/var/lib/berth
readonly config=/etc/berth/berth.env
readonly unit=/etc/systemd/system/berth.service
readonly init_script=/etc/init.d/berth
readonly daemon_log=/var/log/berth.log
readonly suite=bookworm # the Debian release that apps are built on

usage() {
  cat <<'TEXT'
usage: bootstrap.sh [install] [options]    install Berth, or bring it up to date
       bootstrap.sh demo [EXAMPLE]         install, push an example (node, go, static
                                           or dockerfile), and open it over HTTPS
       bootstrap.sh test                   install what the tests need, and run them
       bootstrap.sh --uninstall [--purge]  remove Berth; its data too with --purge

options of install and demo:
  --key FILE            the public SSH key of the first admin; without it those of
                        the user who runs this
  --domain example.org  give every app a host below this domain
  --email you@host      for the certificate authority
  --ssh-port N          where git and ssh connect; 22 if nothing else wants it, else 2222
  --ip A.B.C.D          the machine's public address, where it cannot see it itself

environment:
  BERTH_URL             where to download the binary when this is not a checkout;
                        {arch} in it becomes amd64 or arm64
  BERTH_SHA256          its checksum; without it <BERTH_URL>.sha256 is asked for it
  BERTH_STACK_MIRROR    the Debian mirror to make the stack image from; without it
                        the one that apt uses here, or debootstrap's own choice
  BERTH_HTTP, BERTH_HTTPS  addresses for a first installation (:80, :443)
  BERTH_MIN_DISK_MB     refuse with less free space than this (6000)
  BERTH_MIN_MEMORY_MB   refuse with less memory than this (512)
TEXT
}

# --- saying what happens ------------------------------------------------------

times=()      # "seconds<tab>title" of each step
work=''       # a directory of this run, removed at its end
our_dockerd='' # process to stop at the end of "test"
demo_key=''   # name of the key to remove at the end of "demo"

say() { printf -- '-----> %s\n' "$*"; }
detail() { printf '       %s\n' "$*"; }
warn() { printf ' !     %s\n' "$*"; }

# die PROBLEM [NEXT STEP...]
die() {
  printf ' !     %s\n' "$1" >&2
  shift
  (($# == 0)) || printf '       %s\n' "$@" >&2
  exit 1
}

milliseconds() { echo "${EPOCHREALTIME//[.,]/}" | cut -c1-13; }
seconds_since() { awk -v ms="$(($(milliseconds) - $1))" 'BEGIN { printf "%.1f", ms / 1000 }'; }

# step TITLE COMMAND... runs a command and says how long it took.
step() {
  local title=$1 started taken
  shift
  say "$title"
  started=$(milliseconds)
  "$@"
  taken=$(seconds_since "$started")
  times+=("$taken"$'\t'"$title")
  detail "done in $taken s"
}

show_times() {
  local row
  for row in "${times[@]}"; do
    printf '       %7s s  %s\n' "${row%%$'\t'*}" "${row#*$'\t'}"
  done
}

# quietly COMMAND... shows a command's output only when it fails.
quietly() {
  local log=$work/log
  if ! "$@" >"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" | sed 's/^/       /' >&2
    die "$1 has failed: its last lines are above" "mend what they say, then run this again: it goes on where it was"
  fi
}

# persistently COMMAND... is for downloads that would wait for ever when the
# network fails them: what has come is kept, and the next try goes on from there.
persistently() {
  local try
  for try in 1 2; do
    if timeout 300 "$@" >"$work/log" 2>&1 </dev/null; then return; fi
    detail "$1 has failed: try $((try + 1)) of 3"
  done
  quietly timeout 300 "$@"
}

# wait_for SECONDS COMMAND... asks again and again until the command succeeds.
wait_for() {
  local until=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < until)) || return 1
    sleep 0.1
  done
}

# --- what must be so before anything is changed -------------------------------

need_root() {
  [[ $(id -u) == 0 ]] || die "this must be run as root, and you are $(id -un)" "run: sudo $0 $*"
}

# at_least WANTED VERSION
at_least() { [[ $(printf '%s\n' "$1" "$2" | sort -V | head -n 1) == "$1" ]]; }

need_supported_os() {
  local file=${BERTH_OS_RELEASE:-/etc/os-release} id='' version='' name=unknown
  if [[ -r $file ]]; then
    # Debian's testing and unstable have no number yet.
    # shellcheck source=/dev/null
    read -r id version name < <(. "$file" && echo "${ID:-unknown} ${VERSION_ID:-999} ${PRETTY_NAME:-unknown}")
  fi
  case $id in
    debian) ! at_least 12 "$version" || return 0 ;;
    ubuntu) ! at_least 22.04 "$version" || return 0 ;;
  esac
  die "this system is not supported: $name" "supported are Debian 12 and later, and Ubuntu 22.04 and later"
}

machine() {
  case $(uname -m) in
    x86_64) echo amd64 ;;
    aarch64) echo arm64 ;;
    *) die "this processor is not supported: $(uname -m)" "supported are amd64 (x86_64) and arm64 (aarch64)" ;;
  esac
}

need_memory() {
  local have want=${BERTH_MIN_MEMORY_MB:-512}
  have=$(awk '/^MemTotal:/ { print int($2 / 1024) }' /proc/meminfo)
  # The kernel keeps some for itself: a machine sold as 512 MB has less.
  ((have * 100 >= want * 90)) || die "too little memory: $have MB, and $want MB are needed" "use a larger machine, or lower BERTH_MIN_MEMORY_MB"
  ((have >= 900)) || warn "there are $have MB of memory: builds may need 1 GB, swap helps"
}

need_disk() {
  local dir=/var/lib have want=${BERTH_MIN_DISK_MB:-6000}
  # The images are there already when this is not the first time.
  [[ ! -e $config ]] || want=${BERTH_MIN_DISK_MB:-1000}
  have=$(df -Pm "$dir" | awk 'NR == 2 { print $4 }')
  ((have >= want)) || die "too little disk: $have MB are free in $dir, and $want MB are needed" "make room (apt-get clean, docker system df), or lower BERTH_MIN_DISK_MB"
}

# listener PORT prints the process that listens on a port, as "name (process
# N)", and fails if none does. It reads /proc, so it needs no other program.
listener() {
  local inode link pid who=
  inode=$(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
    awk -v port="$(printf ':%04X' "$1")" '$4 == "0A" && substr($2, length($2) - 4) == port { print $10; exit }')
  [[ -n $inode ]] || return 1
  # Several may have it: systemd keeps the sockets of a service beside it.
  while read -r link; do
    pid=${link#/proc/}
    pid=${pid%%/*}
    if [[ $(readlink "/proc/$pid/exe") == "$binary"* ]]; then
      who=ours
      break
    elif [[ $(<"/proc/$pid/comm") == docker-proxy ]]; then
      who="a Docker container (docker ps --filter publish=$1 names it)"
    else
      who=${who:-"$(<"/proc/$pid/comm") (process $pid)"}
    fi
  done < <(find /proc/[0-9]*/fd -lname "socket:\[$inode\]" 2>/dev/null || true)
  echo "${who:-a process that cannot be seen from here}"
}

# need_port PORT NEXT-STEP
need_port() {
  local who
  who=$(listener "$1") || return 0
  [[ $who == ours ]] || die "port $1 is taken by $who" "$2"
}

# --- configuration ------------------------------------------------------------

# setting KEY prints its value in the configuration, and fails if it has none.
setting() {
  local line
  line=$(grep -s "^$1=" "$config" | tail -n 1) || return 1
  echo "${line#*=}"
}

# set_setting KEY VALUE writes the configuration if that changes it.
set_setting() {
  [[ $(setting "$1" || true) != "$2" ]] || return 0
  local rest
  rest=$(grep -sv "^$1=" "$config" || true)
  install -d -m 0755 "${config%/*}"
  (umask 077 && printf '%s\n' "${rest:-"# Settings of berth serve; see docs/install.md. Restart it after a change."}" "$1=$2" >"$config.new")
  mv -f "$config.new" "$config"
  restart_needed=yes
}

sshd_wants_22() { [[ -x /usr/sbin/sshd || -x /usr/sbin/dropbear ]]; }

# ssh_address prints where the gateway is to listen.
ssh_address() {
  if [[ -n $ssh_port ]]; then
    echo ":$ssh_port"
  elif setting BERTH_SSH; then
    return
  elif sshd_wants_22 || { listener 22 >/dev/null; }; then
    echo :2222
  else
    echo :22
  fi
}

http_address() { setting BERTH_HTTP || echo "${BERTH_HTTP:-:80}"; }
https_address() { setting BERTH_HTTPS || echo "${BERTH_HTTPS:-:443}"; }

configure() {
  set_setting BERTH_SSH "$(ssh_address)"
  set_setting BERTH_HTTP "$(http_address)"
  set_setting BERTH_HTTPS "$(https_address)"
  [[ -z $public_ip ]] || set_setting BERTH_IP "$public_ip"
  has_systemd || ! command -v dockerd >/dev/null || set_setting BERTH_SUPERVISE_DOCKER 1
}

preflight() {
  need_supported_os
  machine >/dev/null
  in_checkout || [[ -n ${BERTH_URL:-} ]] || die "this is not a checkout, and BERTH_URL does not say where the binary is" \
    "clone the repository and run bootstrap.sh in it, or set BERTH_URL: ... | sudo BERTH_URL=https://... bash"
  need_memory
  need_disk
  local ssh
  ssh=$(ssh_address)
  need_port "$(port_of "$(http_address)")" "stop it, or move it: apps are served on this port"
  need_port "$(port_of "$(https_address)")" "stop it, or move it: apps are served on this port"
  need_port "$(port_of "$ssh")" "choose another with --ssh-port N"
  detail "$(uname -m), $(df -Pm /var/lib | awk 'NR == 2 { print $4 }') MB free, ports $(http_address) $(https_address) $ssh"
}

port_of() { echo "${1##*:}"; }

# --- packages -----------------------------------------------------------------

has_systemd() { [[ -d /run/systemd/system ]]; }

# want COMMAND PACKAGE... notes packages as missing if the command is.
missing=()
want() {
  command -v "$1" >/dev/null || missing+=("${@:2}")
}

install_missing() {
  ((${#missing[@]})) || { detail "nothing is missing"; return 0; }
  detail "${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
  quietly apt-get -o DPkg::Lock::Timeout=300 update
  # docker.io of Debian 13 has its client in a package of its own.
  if [[ " ${missing[*]} " == *" docker.io "* ]] && apt-cache show docker-cli >/dev/null 2>&1; then
    missing+=(docker-cli)
  fi
  quietly apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${missing[@]}"
  missing=()
}

want_docker() {
  if docker_answers; then
    return
  fi
  if [[ -S /var/run/docker.sock ]] && ! command -v docker >/dev/null; then
    die "there is a Docker socket, /var/run/docker.sock, but no docker command" "install the command that goes with it, then run this again"
  fi
  # A docker command alone is only a client.
  want dockerd docker.io iptables
  # Without it no container starts where the kernel has AppArmor.
  if [[ $(cat /sys/module/apparmor/parameters/enabled 2>/dev/null) == Y ]]; then
    want apparmor_parser apparmor
  fi
}

want_stack() {
  want debootstrap debootstrap
  [[ -e /usr/share/keyrings/debian-archive-keyring.gpg ]] || missing+=(debian-archive-keyring)
}

install_packages() {
  want_docker
  want_stack
  want git git
  want ssh openssh-client # git fetches with it from hosts that want a key
  want update-ca-certificates ca-certificates
  in_checkout || want curl curl
  [[ $command != demo ]] || want curl curl
  install_missing
}

# --- Docker -------------------------------------------------------------------

docker_answers() {
  [[ -S /var/run/docker.sock ]] && timeout 10 docker version --format '{{.Server.Version}}' >/dev/null 2>&1
}

# start_docker starts an engine that is installed but does not run, through
# whatever starts things on this machine. Without anything, our supervisor
# does it.
start_docker() {
  if docker_answers; then
    detail "Docker $(docker version --format '{{.Server.Version}}') runs already"
    return
  fi
  if has_systemd; then
    quietly systemctl enable --now docker
  elif [[ $(</proc/1/comm) == init && -x /etc/init.d/docker ]]; then
    quietly service docker start
  else
    detail "Berth's supervisor will start it"
    return
  fi
  wait_for 60 docker_answers || die "Docker does not answer 60 s after it was started" "see: docker info, journalctl -u docker, /var/log/docker.log"
}

# --- the binary ---------------------------------------------------------------

in_checkout() { [[ -n $here && -f $here/go.mod && -d $here/cmd/berth ]]; }

# fits GO tells whether a go command is the one that go.mod asks for, or later.
fits() {
  local version
  version=$(cd / && GOTOOLCHAIN=local "$1" env GOVERSION 2>/dev/null) || return 1
  version=${version#go}
  at_least "$(go_wanted)" "${version%% *}"
}

go_wanted() { awk '$1 == "go" { print $2; exit }' "$here/go.mod"; }

# find_go puts a go command that fits first in the PATH, and installs one if
# there is none: any go can fetch any other through Go's module proxy, and
# checks what it gets.
find_go() {
  local go any='' kept version
  version=$(go_wanted)
  kept=$toolchains/go-$version
  for go in "$(command -v go || true)" /usr/local/go/bin/go "$kept/bin/go" /usr/lib/go-*/bin/go; do
    [[ -x $go ]] || continue
    any=$go
    if fits "$go"; then
      use_go "$go"
      return
    fi
  done
  if [[ -z $any ]]; then
    missing=(golang-go ca-certificates)
    install_missing
    any=$(command -v go)
  fi
  detail "fetch Go $version with $(cd / && GOTOOLCHAIN=local "$any" env GOVERSION)"
  local cache=$work/go got
  (cd / && GOTOOLCHAIN=local GOMODCACHE=$cache GOFLAGS="${GOFLAGS:-} -modcacherw" \
    persistently "$any" mod download "golang.org/toolchain@v0.0.1-go$version.linux-$(machine)")
  got=$(echo "$cache"/golang.org/toolchain@v0.0.1-go"$version".linux-*)
  # A module has no executable files.
  chmod -R u+w "$got"
  chmod +x "$got"/bin/* "$got"/pkg/tool/*/*
  mkdir -p "$toolchains"
  rm -rf "$kept"
  mv "$got" "$kept"
  rm -rf "$cache"
  use_go "$kept/bin/go"
}

use_go() {
  detail "$("$1" version)"
  PATH=$(dirname "$1"):$PATH
  export PATH GOTOOLCHAIN=local
}

build() {
  local version
  find_go
  # The checkout is the user's, and git does not look into those of others.
  version=$(GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0="$here" \
    git -C "$here" describe --tags --always --dirty 2>/dev/null || echo dev)
  detail "build berth $version"
  (cd "$here" && persistently go list -deps ./cmd/berth)
  (cd "$here" && CGO_ENABLED=0 quietly go build -trimpath -buildvcs=false -pgo="$here/cmd/berth/router.pgo" -ldflags "-s -w -X main.version=$version" -o "$work/berth" ./cmd/berth)
}

fetch() { curl -fsSL --retry 3 -o "$2" "$1" || die "cannot download $1" "check BERTH_URL and the network"; }

download() {
  local url=${BERTH_URL//'{arch}'/$(machine)} sum=${BERTH_SHA256:-}
  detail "$url"
  fetch "$url" "$work/berth"
  if [[ -z $sum ]]; then
    fetch "$url.sha256" "$work/berth.sha256"
    read -r sum _ <"$work/berth.sha256" || true
  fi
  [[ $sum =~ ^[0-9a-fA-F]{64}$ ]] || die "the checksum is not one of SHA-256: ${sum:0:80}"
  echo "${sum,,}  $work/berth" | sha256sum --check --status ||
    die "the download is not what its checksum says" "wanted $sum" "got    $(sha256sum <"$work/berth" | cut -d' ' -f1)" "nothing was installed"
}

# replace FILE MODE installs what it reads, in one move, if it is different.
replace() {
  cat >"$1.new"
  chmod "$2" "$1.new"
  if cmp -s "$1.new" "$1" && [[ $(stat -c %a "$1") == "$2" ]]; then
    rm "$1.new"
    return 1
  fi
  mv -f "$1.new" "$1"
}

get_binary() {
  if in_checkout; then
    build
  else
    download
  fi
  [[ ! -x $binary ]] || cp -p "$binary" "$work/before"
  if replace "$binary" 755 <"$work/berth"; then
    restart_needed=yes
    detail "$binary is $("$binary" version)"
  else
    detail "$binary is up to date"
  fi
  link_names
}

# What people and scripts that know Dokku type does the same here, where there
# is no Dokku.
readonly other_names=(dokku sshcommand)

link_names() {
  local name
  for name in "${other_names[@]}"; do
    if ! command -v "$name" >/dev/null && [[ ! -e ${binary%/*}/$name ]]; then
      ln -sf "$binary" "${binary%/*}/$name"
    elif [[ $(readlink "${binary%/*}/$name") != "$binary" ]]; then
      detail "$name stays what it is: type berth, or berth $name"
    fi
  done
}

unlink_names() {
  local name
  for name in "${other_names[@]}"; do
    [[ $(readlink "${binary%/*}/$name") != "$binary" ]] || rm -f "${binary%/*}/$name"
  done
}

# --- the service --------------------------------------------------------------

# take_over COMMAND... has the daemon that serves replaced by the new one,
# which loses no request. If the new one does not serve then the old one does,
# and its binary gets its place back.
take_over() {
  if "$@" >"$work/log" 2>&1 </dev/null; then return; fi
  tail -n 20 "$work/log" | sed 's/^/       /' >&2
  if [[ -e $work/before ]]; then
    mv -f "$work/before" "$binary"
    detail "$binary is $("$binary" version) again"
  fi
  die "the new berth does not serve: its last lines are above, or in: journalctl -u berth, $daemon_log" \
    "the one that served goes on; mend what they say, then run this again"
}

daemon_answers() { timeout 10 "$binary" apps:list >/dev/null 2>&1; }

start_service() {
  install -d -m 0700 "$state"
  if has_systemd; then
    local how=reload
    if "$binary" supervise --print unit | replace "$unit" 644; then
      restart_needed=yes
      how=restart # what it says of the process holds for a new one only
      systemctl daemon-reload
    fi
    systemctl is-active --quiet berth || how=restart
    quietly systemctl enable berth
    if [[ $restart_needed != yes ]]; then
      quietly systemctl start berth
    elif [[ $how == restart ]]; then
      quietly systemctl restart berth
    else
      take_over systemctl reload berth
    fi
  else
    install -d -m 0755 "${init_script%/*}"
    "$binary" supervise --print init | replace "$init_script" 755 || true
    ! command -v update-rc.d >/dev/null || quietly update-rc.d berth defaults
    if [[ $restart_needed == yes ]]; then
      take_over "$init_script" restart
    else
      quietly "$init_script" start
    fi
    wait_for 60 docker_answers || die "Docker does not answer 60 s after it was started" "see $daemon_log"
  fi
  if ! wait_for 60 daemon_answers; then
    if has_systemd; then journalctl -u berth -n 20 --no-pager >&2; else tail -n 20 "$daemon_log" >&2; fi
    die "the daemon does not answer 60 s after it was started: its last lines are above" "mend what they say, then run this again"
  fi
  add_completion
  if [[ $restart_needed == yes ]]; then
    detail "started"
  else
    detail "runs, nothing has changed"
  fi
}

readonly completions=/usr/local/share/bash-completion/completions

add_completion() {
  install -d -m 0755 "$completions"
  "$binary" completion bash >"$work/completion" 2>/dev/null || return 0 # an older berth has none
  replace "$completions/berth" 644 <"$work/completion" || true
  [[ -e $completions/dokku ]] || ln -s berth "$completions/dokku"
}

remove_completion() {
  rm -f "$completions/berth"
  [[ $(readlink "$completions/dokku") != berth ]] || rm -f "$completions/dokku"
}

# --- the first admin ----------------------------------------------------------

key_files() {
  if [[ -n $key_file ]]; then
    echo "$key_file"
    return
  fi
  local home
  home=$(getent passwd "${SUDO_USER:-root}" | cut -d: -f6)
  local file
  for file in "$home"/.ssh/authorized_keys "$home"/.ssh/*.pub; do
    [[ ! -f $file ]] || echo "$file"
  done
}

# key_name COMMENT makes a name of a key's comment.
key_name() {
  local name
  name=$(tr -c 'A-Za-z0-9._@+-' - <<<"$1" | sed 's/^[^A-Za-z0-9]*//; s/-*$//' | cut -c1-60)
  echo "${name:-${SUDO_USER:-root}@$(hostname)}"
}

adopt_keys() {
  local file type key comment there name n found=no
  there=$("$binary" ssh-keys:list)
  # Later on, admins are made and unmade by admins.
  if [[ -z $key_file && $there == *" admin"* ]]; then
    detail "there is an admin already"
    return
  fi
  while read -r file; do
    while read -r type key comment || [[ -n $type ]]; do
      case $type in
        '' | \#*) continue ;;
        ssh-* | ecdsa-* | sk-*) ;;
        # A key that may only do one thing here must not get to do everything.
        *) detail "skip a line of $file: it has options"; continue ;;
      esac
      if [[ $there == *"$(ssh_fingerprint "$key")"* ]]; then
        found=yes
        continue
      fi
      name=$(key_name "$comment")
      n=''
      while [[ $there == *"NAME=\"$name$n\""* ]]; do n=-$((${n#-} + 1)); done
      if "$binary" ssh-keys:add "$name$n" --admin <<<"$type $key" >"$work/said" 2>&1; then
        found=yes
        detail "admin: $name$n, $(<"$work/said")"
      else
        sed 's/^/       /' "$work/said"
      fi
      there=$("$binary" ssh-keys:list)
    done <"$file"
  done < <(key_files)
  [[ $found == no ]] || return 0
  [[ -z $key_file ]] || die "no usable public key in $key_file" "give a file as ssh-keygen makes it, with the ending .pub"
  warn "no public SSH key was found: nobody can push yet"
  detail "add one: berth ssh-keys:add NAME --admin < id_ed25519.pub"
}

# ssh_fingerprint KEY prints the fingerprint of a key in base64.
ssh_fingerprint() {
  local sum
  sum=$(base64 -d 2>/dev/null <<<"$1" | sha256sum | cut -d' ' -f1)
  # shellcheck disable=SC2001 # two digits at a time
  printf 'SHA256:%s\n' "$(printf '%b' "$(sed 's/../\\x&/g' <<<"$sum")" | base64 | tr -d '=')"
}

# --- the stack ----------------------------------------------------------------

# mirror prints where this machine gets Debian from, if it is a Debian.
mirror() {
  if [[ -n ${BERTH_STACK_MIRROR:-} ]]; then
    echo "$BERTH_STACK_MIRROR"
    return
  fi
  # shellcheck disable=SC2016 # apt's own variables
  apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI)' 'Created-By: Packages' |
    awk '$1 == "Debian" && $2 == "Debian" { print $3; exit }'
}

# make_rootfs DIR makes the root file system of a small Debian.
make_rootfs() {
  local dir=$1 proxy
  proxy=$(apt-config dump --format '%v%n' Acquire::http::Proxy | head -n 1)
  [[ -z $proxy || $proxy == DIRECT ]] || export http_proxy=$proxy
  # The same line for each of a hundred packages says little.
  # shellcheck disable=SC2046 # no mirror is no argument
  if ! debootstrap --variant=minbase "$suite" "$dir" $(mirror) </dev/null 2>&1 | tee "$work/debootstrap.log" |
    awk '$1 == "I:" && !seen[$2]++ { print "       " tolower($2); fflush() }'; then
    tail -n 20 "$work/debootstrap.log" >&2
    die "debootstrap has failed: its last lines are above" "run this again; BERTH_STACK_MIRROR chooses another mirror"
  fi
  # What nobody reads in a container. Licences stay.
  find "$dir/usr/share/doc" -type f ! -name copyright -delete
  find "$dir/usr/share/doc" -type l -delete
  find "$dir/usr/share/doc" -depth -type d -empty -delete
  rm -rf "$dir"/usr/share/man/* "$dir"/usr/share/info/* "$dir"/usr/share/locale/* \
    "$dir"/var/cache/apt/* "$dir"/var/lib/apt/lists/* "$dir"/var/log/*.log
}

pack_rootfs() { tar -C "$1" --one-file-system --exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' -c .; }

make_stack() {
  local said
  if said=$("$binary" stack:report 2>&1); then
    detail "is there: $(sed -n 's/^base: //p' <<<"$said")"
    return
  fi
  [[ $said == *"no stack yet"* ]] || die "the daemon cannot tell whether there is a stack: $said"
  make_rootfs "$work/rootfs"
  pack_rootfs "$work/rootfs" | "$binary" stack:import
  drop_tree "$work/rootfs"
}

# drop_tree DIR removes a directory and what is mounted in it: debootstrap
# mounts /proc there, and a run that is killed leaves it.
drop_tree() {
  local mounted
  [[ -e $1 ]] || return 0
  # The kernel lists them in the order in which they were mounted.
  awk -v dir="$1/" 'index($2, dir) == 1 { print $2 }' /proc/mounts | tac | while read -r mounted; do
    umount "$mounted" || umount -l "$mounted"
  done
  rm -rf --one-file-system "$1"
}

# make_work DIR makes the directory of this run in DIR, and removes those of
# runs that were killed.
make_work() {
  local old
  install -d -m 0700 "$1"
  for old in "$1"/bootstrap.*; do
    [[ -e $old && ! -d /proc/${old##*.} ]] || continue
    drop_tree "$old"
  done
  work=$1/bootstrap.$$
  drop_tree "$work"
  mkdir -m 0700 "$work"
}

clean_up() {
  local status=$?
  if [[ -n $our_dockerd ]]; then
    kill "$our_dockerd" 2>/dev/null || true
    wait "$our_dockerd" 2>/dev/null || true
  fi
  [[ -z $demo_key ]] || "$binary" ssh-keys:remove "$demo_key" >/dev/null 2>&1 || true
  [[ -z $work ]] || drop_tree "$work"
  exit "$status"
}

# --- commands -----------------------------------------------------------------

set_names() {
  [[ -z $domain ]] || "$binary" domains:set-global "$domain"
  [[ -z $email ]] || "$binary" letsencrypt:set --global email "$email"
}

install_berth() {
  local started
  started=$(milliseconds)
  step "Check the machine" preflight
  install -d -m 0700 "$state"
  make_work "$state/bootstrap"
  step "Install packages" install_packages
  step "Start Docker" start_docker
  step "Get the binary" get_binary
  configure
  step "Start Berth" start_service
  step "Adopt SSH keys" adopt_keys
  step "Make the stack image" make_stack
  if [[ -n $domain$email ]]; then step "Set the names" set_names; fi
  say "Berth is ready after $(seconds_since "$started") s"
  show_times
  "$binary" report --global | sed -n 1,5p
  say "In a repository of yours:"
  detail "git remote add berth $("$binary" report --global | sed -n 's/^ *git remote: *//p' | sed 's/<app>/my-app/')"
  detail "git push berth main"
  has_systemd || command -v update-rc.d >/dev/null ||
    warn "nothing here starts programs at boot: have it run $init_script start"
}

# demo pushes an example app as a user would, and asks for it.
demo() {
  local url host port
  in_checkout || example=built-in # read from a pipe, this is all there is
  [[ $example == built-in || -d $here/docs/examples/$example ]] || die "there is no example called $example" "choose one of: $(cd "$here/docs/examples" && echo *)"
  install_berth
  ssh-keygen -q -t ed25519 -N '' -C berth-demo -f "$work/key"
  demo_key=berth-demo-$$
  "$binary" ssh-keys:add "$demo_key" --admin <"$work/key.pub" >/dev/null
  export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
  export GIT_SSH_COMMAND="ssh -F none -i $work/key -o IdentitiesOnly=yes -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile=$work/known_hosts"
  step "Commit the example $example" commit_example
  step "git push" git -C "$work/demo" push origin HEAD:main
  url=$("$binary" url demo)
  host=${url#https://}
  host=${host%%[:/]*}
  port=$(port_of "$(https_address)")
  "$binary" certs:root >"$work/root.pem"
  step "Ask $url" ask "$host" "$port" "$url"
  say "The demo is live: $url"
  show_times
  detail "remove it: berth apps:destroy demo --force"
}

commit_example() {
  local remote
  remote=ssh://berth@127.0.0.1:$(port_of "$(ssh_address)")/demo
  # The second time there is a history to go on from.
  if "$binary" apps:exists demo >/dev/null 2>&1; then
    quietly git clone "$remote" "$work/demo"
    git -C "$work/demo" rm -rq --ignore-unmatch .
  else
    git init -q -b main "$work/demo"
    git -C "$work/demo" remote add origin "$remote"
  fi
  if [[ $example == built-in ]]; then
    echo '<!doctype html><title>Berth</title><h1>It floats</h1>' >"$work/demo/index.html"
  else
    cp -r "$here/docs/examples/$example/." "$work/demo"
  fi
  git -C "$work/demo" add --all
  git -C "$work/demo" -c user.name=Berth -c user.email=berth@localhost commit -q --allow-empty -m "Try the example $example"
}

ask() {
  local code
  code=$(curl -sS --cacert "$work/root.pem" --resolve "$1:$2:127.0.0.1" -o "$work/answer" -w '%{http_code}' "$3")
  head -c 400 "$work/answer" | head -n 5 | sed 's/^/       /'
  echo
  [[ $code == 200 ]] || die "$3 answers $code, not 200" "see: berth logs demo"
}

install_test_tools() {
  want_docker
  want_stack
  want git git
  want make make
  # The race detector is linked by a C compiler.
  want gcc gcc libc6-dev
  want ssh openssh-client
  want curl curl
  # Some tests make a network of their own.
  want ip iproute2
  want openssl openssl
  # docker top asks ps, and some tests pack what is pushed.
  want ps procps
  want zip zip
  # Scripts are checked as Go is.
  want shellcheck shellcheck
  want update-ca-certificates ca-certificates
  [[ -e /usr/include/stdlib.h ]] || missing+=(libc6-dev)
  local ran=no
  ! docker_answers || ran=yes
  install_missing
  # Where there is no systemd, the package may have started it.
  if [[ $ran == no ]] && ! has_systemd && docker_answers; then our_dockerd=$(</var/run/docker.pid); fi
}

# borrow_docker starts an engine if none runs, until the end of the tests.
borrow_docker() {
  if docker_answers; then
    detail "Docker $(docker version --format '{{.Server.Version}}') runs already"
    return
  fi
  setsid dockerd >"$work/dockerd.log" 2>&1 </dev/null &
  our_dockerd=$!
  if ! wait_for 60 docker_answers; then
    tail -n 20 "$work/dockerd.log" >&2
    die "Docker does not answer 60 s after it was started: its last lines are above"
  fi
}

make_test_base() {
  local image=berth-test/base:debian-12
  if docker image inspect "$image" >/dev/null 2>&1; then
    detail "$image is there"
    return
  fi
  make_rootfs "$work/rootfs"
  pack_rootfs "$work/rootfs" | docker import --change 'LABEL berth.instance=berth-test' - "$image" >/dev/null
  drop_tree "$work/rootfs"
}

fetch_modules() { (cd "$here" && persistently go mod download); }

run_tests() {
  in_checkout || die "the tests are in the repository" "clone it, and run bootstrap.sh there"
  need_supported_os
  machine >/dev/null
  need_disk
  make_work /var/tmp/berth-bootstrap
  step "Install packages" install_test_tools
  step "Find Go" find_go
  step "Fetch modules" fetch_modules
  step "Start Docker" borrow_docker
  step "Make the base image of the tests" make_test_base
  step "make test" env -C "$here" BERTH_TEST_DOCKER=required make test
  say "The tests pass"
  show_times
}

# objects KIND FILTER... lists what Docker has of this appliance.
objects() { docker "$1" ls -q --filter "label=berth.instance=$(setting BERTH_INSTANCE || echo berth)" "${@:2}"; }

# A container inherits the labels of its image: the kind tells those that we
# have started from one that somebody else has.
remove_objects() {
  local kind
  for kind in process run; do
    objects container -a --filter "label=berth.kind=$kind" | xargs -r docker rm -f >/dev/null
  done
  objects network | xargs -r docker network rm >/dev/null || warn "a network stays: somebody else's container is in it"
  [[ $purge == yes ]] || return 0
  objects volume | xargs -r docker volume rm >/dev/null
  # One that somebody else's container uses stays, and so does what that is
  # made of; what others of ours are made of goes after them.
  local before='' now
  now=$(objects image -a | sort -u)
  while [[ -n $now && $now != "$before" ]]; do
    xargs docker image rm -f <<<"$now" >/dev/null 2>&1 || true
    before=$now
    now=$(objects image -a | sort -u)
  done
}

stop_service() {
  if [[ -e $unit ]]; then
    systemctl disable --now berth >/dev/null 2>&1 || true
    rm -f "$unit"
    systemctl daemon-reload || true
  fi
  # The engine runs on until its containers are removed.
  [[ ! -x $binary ]] || "$binary" supervise --stop --keep-engine
}

remove_program() {
  if [[ ! -x $binary ]]; then
    :
  elif [[ -n $(docker ps -q 2>/dev/null) ]]; then
    detail "Docker runs on: there are containers of others"
  else
    "$binary" supervise --stop # also a dockerd that it has started
  fi
  if [[ -e $init_script ]]; then
    rm -f "$init_script"
    ! command -v update-rc.d >/dev/null || update-rc.d berth remove >/dev/null 2>&1 || true
  fi
  unlink_names
  remove_completion
  rm -f "$binary" "$binary.new"
  rm -rf "$toolchains" /run/berth
}

uninstall() {
  step "Stop Berth" stop_service
  if docker_answers; then
    step "Remove its containers and networks" remove_objects
  else
    warn "Docker does not answer, so Berth's containers, if there are any, stay"
  fi
  step "Remove the program" remove_program
  if [[ $purge == yes ]]; then
    step "Remove its data" drop_tree "$state"
    rm -rf "${config%/*}" "$daemon_log" "$daemon_log.1"
  else
    detail "kept: $state, ${config%/*}, and the images and volumes of apps"
    detail "a new installation goes on with them; --uninstall --purge removes them"
  fi
  say "Berth is off this machine; Docker and other packages stay"
}

main() {
  command=install example=node purge=no restart_needed=no
  key_file='' domain='' email='' ssh_port='' public_ip='' here=''
  local all=("$@")
  # Read from a pipe, a script has no file.
  if [[ -n ${BASH_SOURCE[0]:-} && -f ${BASH_SOURCE[0]} ]]; then
    here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
  fi
  while (($#)); do
    case $1 in
      install | test) command=$1 ;;
      demo)
        command=$1
        if [[ ${2:-} == [a-z]* ]]; then
          example=$2
          shift
        fi
        ;;
      --uninstall) command=uninstall ;;
      --purge) purge=yes ;;
      --key | --domain | --email | --ssh-port | --ip)
        (($# > 1)) || die "$1 needs a value" "see: $0 --help"
        case $1 in
          --key) key_file=$2 ;;
          --domain) domain=$2 ;;
          --email) email=$2 ;;
          --ssh-port) ssh_port=$2 ;;
          --ip) public_ip=$2 ;;
        esac
        shift
        ;;
      -h | --help)
        usage
        return
        ;;
      *) die "what is \"$1\"?" "see: $0 --help" ;;
    esac
    shift
  done
  [[ -z $ssh_port || $ssh_port =~ ^[0-9]{1,5}$ ]] || die "--ssh-port needs a number, not \"$ssh_port\""
  [[ -z $public_ip || $public_ip =~ ^[0-9a-fA-F.:]+$ ]] || die "--ip needs an address, not \"$public_ip\""
  [[ -z $key_file || -r $key_file ]] || die "cannot read $key_file" "give the file with the public key, as in ~/.ssh/id_ed25519.pub"
  need_root "${all[@]}"
  umask 022
  # Not the invoking user's: what root writes there, the user could not.
  HOME=$(getent passwd root | cut -d: -f6)
  # The engine of this machine, whatever the user's own client is set to.
  export HOME LC_ALL=C.UTF-8 DOCKER_HOST=unix:///var/run/docker.sock
  PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
  trap clean_up EXIT
  trap 'exit 130' INT TERM HUP
  case $command in
    install) install_berth ;;
    demo) demo ;;
    test) run_tests ;;
    uninstall) uninstall ;;
  esac
}

main "$@"; exit
