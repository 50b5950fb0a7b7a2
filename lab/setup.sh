#!/bin/sh
# Makes this machine ready for lab hosts: Docker, the lab image, the lab's SSH key. Does only what is missing.
#
#   sh lab/setup.sh [bullseye|bookworm|trixie] [firewalld]     (default: bookworm)
#
# With "firewalld" the hosts have firewalld in the place of ufw.
# Progress goes to stderr, a line for each step done; the image's name to stdout.
# DEBIAN_MIRROR=http://… names another mirror for the base system.
set -eu

suite=${1:-bookworm}
firewall=${2:-ufw}
lab=$(cd "$(dirname "$0")" && pwd)
cache=$lab/.cache
log=$cache/setup.log
work=
# An ordinary user's PATH, kept by su, has neither dockerd nor debootstrap.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

say() { echo "lab: $*" >&2; }
fail() { say "$*"; exit 1; }
logged() { "$@" >>"$log" 2>&1 9>&-; }
need_root() { [ "$(id -u)" -eq 0 ] || fail "$1 needs root: run the command again as root"; }
clean_up() {
  [ -n "$work" ] || return 0
  # An interrupted debootstrap leaves these mounted.
  umount "$work/root/proc" "$work/root/sys" 2>/dev/null || true
  rm -rf --one-file-system "$work"
}

case $suite in
  bullseye | bookworm) servers=redis-server,redis-tools ;;
  trixie) servers=redis-server,redis-tools,valkey-server,valkey-tools ;;
  *) fail "no such suite: $suite (bullseye, bookworm or trixie)" ;;
esac
case $firewall in
  ufw | firewalld) ;;
  *) fail "no such firewall: $firewall (ufw or firewalld)" ;;
esac
packages=systemd,systemd-sysv,dbus,openssh-server,$servers,ufw,iptables,nftables,iproute2,openssl,sudo,procps,python3-redis

install_packages() {
  need_root "installing $*"
  command -v apt-get >/dev/null || fail "$* cannot be installed: this machine has no apt; install it by hand"
  say "installing $*"
  logged apt-get update -q || fail "apt-get update failed: see $log"
  logged env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$@" ||
    fail "apt could not install $*: see $log"
}

docker_answers() { docker info >/dev/null 2>&1 9>&-; }

# Whether the process a pid file names is alive and the named program: `runs FILE NAME`.
# A zombie is not, though it still answers kill -0.
runs() {
  pid=$(cat "$1" 2>/dev/null) && [ -n "$pid" ] &&
    grep -Eqs "^Name:[[:space:]]+$2\$" "/proc/$pid/status" &&
    grep -Eqs '^State:[[:space:]]+[RSDTtI]' "/proc/$pid/status"
}

start_docker() {
  need_root "starting Docker"
  say "starting Docker"
  docker_log=/var/log/dockerd.log
  pid_file=/var/run/docker.pid
  containerd_pid_file=/var/run/docker/containerd/containerd.pid
  daemon=
  if [ "$(cat /proc/1/comm)" = systemd ]; then
    docker_log="journalctl -u docker"
    logged systemctl start docker || fail "Docker did not start: see $docker_log"
  elif ! runs "$pid_file" dockerd; then
    # A killed dockerd leaves both pid files, and the next one waits for a containerd that is gone.
    rm -f "$pid_file"
    runs "$containerd_pid_file" containerd || rm -f "$containerd_pid_file"
    setsid dockerd --pidfile "$pid_file" >"$docker_log" 2>&1 </dev/null 9>&- &
    daemon=$!
  fi
  tries=0
  until docker_answers; do
    tries=$((tries + 1))
    if [ "$tries" -gt 150 ] || { [ -n "$daemon" ] && ! kill -0 "$daemon" 2>/dev/null; }; then
      fail "Docker does not start on this machine: see $docker_log"
    fi
    sleep 0.2
  done
}

ensure_docker() {
  if docker_answers; then return; fi
  if ! command -v dockerd >/dev/null || ! command -v docker >/dev/null; then
    # Where the kernel has AppArmor, Docker cannot start a container without its parser.
    case $(cat /sys/module/apparmor/parameters/enabled 2>/dev/null || true) in
      Y) install_packages docker.io apparmor ;;
      *) install_packages docker.io ;;
    esac
    # From Debian 13 the client is a package of its own.
    command -v docker >/dev/null || install_packages docker-cli
  fi
  start_docker
}

# Every systemd takes several inotify instances: at the usual 128 about the twentieth lab host does not boot.
raise_inotify_limit() {
  limit=/proc/sys/fs/inotify/max_user_instances
  [ "$(cat $limit)" -lt 1024 ] || return 0
  if [ "$(id -u)" -eq 0 ] && echo 1024 2>>"$log" >$limit; then
    say "raised fs.inotify.max_user_instances to 1024"
  else
    say "fs.inotify.max_user_instances is $(cat $limit): more than a dozen hosts at once may not boot"
  fi
}

# Sets base: an image pulled where there is a registry, else one made by debootstrap and kept for the next build.
find_base() {
  pulled=debian:$suite-slim
  made=redkeep-lab-base:$suite
  base=$pulled
  if docker image inspect "$pulled" >/dev/null 2>&1; then return; fi
  kept=$(docker image inspect -f '{{index .Config.Labels "redkeep.packages"}}' "$made" 2>/dev/null || true)
  if [ "$kept" = "$packages" ]; then base=$made; return; fi
  say "pulling $pulled"
  if logged timeout 60 docker pull -q "$pulled"; then return; fi

  need_root "making the base system (no image could be pulled)"
  command -v debootstrap >/dev/null || install_packages debootstrap
  say "no image to be had there: making Debian $suite with debootstrap, which takes a minute or two"
  work=$(mktemp -d /var/tmp/redkeep-lab.XXXXXX)
  # shellcheck disable=SC2086  # no mirror named is no argument
  logged debootstrap --variant=minbase --include="$packages" "$suite" "$work/root" ${DEBIAN_MIRROR:-} ||
    fail "debootstrap failed: see $log"
  rm -rf "$work"/root/var/cache/apt/archives/*.deb "$work"/root/var/lib/apt/lists/*
  tar -C "$work/root" -c . |
    logged docker import --change 'CMD ["/bin/bash"]' --change "LABEL redkeep.packages=$packages" - "$made" ||
    fail "the base system could not be imported: see $log"
  clean_up
  base=$made
}

# The tag carries a hash of the recipe, so a changed recipe is built anew and an unchanged one is not.
ensure_image() {
  recipe=$({ echo "$suite $packages"; cat "$lab"/image/*; } | sha256sum | cut -c1-12)
  image=redkeep-lab:$suite-$recipe
  if ! docker image inspect "$image" >/dev/null 2>&1; then
    find_base
    say "building $image on $base"
    logged docker build --label redkeep.lab.recipe="$recipe" --build-arg BASE="$base" \
      --build-arg PACKAGES="$(echo "$packages" | tr , ' ')" -t "$image" "$lab/image" ||
      fail "the lab image could not be built: see $log"
  fi
  docker tag "$image" "redkeep-lab:$suite"
}

ensure_firewalld() {
  with=$image-firewalld
  if ! docker image inspect "$with" >/dev/null 2>&1; then
    say "installing firewalld in $image"
    printf 'FROM %s\nRUN apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends firewalld && DEBIAN_FRONTEND=noninteractive apt-get purge -qy ufw && rm -rf /var/lib/apt/lists/*\n' "$image" |
      logged docker build -t "$with" - || fail "firewalld could not be installed in a lab image: see $log"
  fi
  image=$with
}

mkdir -p "$cache"
# One setup at a time on a machine, whoever runs it; the lock goes with this process.
exec 9</var/tmp
flock 9
: >"$log"
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

ensure_docker
raise_inotify_limit
ensure_image
if [ "$firewall" = firewalld ]; then ensure_firewalld; fi
if [ ! -f "$cache/id_ed25519" ]; then
  command -v ssh-keygen >/dev/null || install_packages openssh-client
  logged ssh-keygen -q -t ed25519 -N '' -C redkeep-lab -f "$cache/id_ed25519" ||
    fail "the lab's SSH key could not be made: see $log"
fi
say "ready: $image"
echo "$image"
