#!/bin/sh
# Installs the tools that redkeep is compared with, where they are missing: Ansible and Mitogen from Debian, pyinfra from PyPI.
# What cannot be had is said; the benchmark leaves it out. Prints the folder that pyinfra lies in.
#
#   PYINFRA=FOLDER    a checkout of pyinfra 2.9.2, with its egg-info made, instead of PyPI's
set -eu

cache=$(cd "$(dirname "$0")" && pwd)/.cache
log=$cache/peers.log
mkdir -p "$cache"
: >"$log"

say() { echo "bench: $*" >&2; }
install() {
  { [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; } || { say "$* cannot be installed: that needs root and apt"; return 0; }
  say "installing $*"
  apt-get install -qy --no-install-recommends "$@" >>"$log" 2>&1 ||
    { apt-get update -q >>"$log" 2>&1 && apt-get install -qy --no-install-recommends "$@" >>"$log" 2>&1; } ||
    say "apt could not install $*: see $log"
}

command -v ssh >/dev/null || install openssh-client
command -v ansible-playbook >/dev/null || install ansible
/usr/bin/python3 -c 'import ansible_mitogen' 2>/dev/null || install ansible-mitogen

pyinfra=${PYINFRA:-$cache/pyinfra}
if ! PYTHONPATH=$pyinfra /usr/bin/python3 -c 'import pyinfra_cli' >>"$log" 2>&1; then
  [ -n "${PYINFRA:-}" ] || /usr/bin/python3 -m pip --version >>"$log" 2>&1 || install python3-pip
  if [ -n "${PYINFRA:-}" ]; then
    install python3-gevent python3-paramiko python3-click python3-jinja2 python3-dateutil python3-setuptools python3-winrm \
      python3-distro python3-typeguard
  else
    say "installing pyinfra 2.9.2"
    timeout 300 /usr/bin/python3 -m pip install -q --target "$pyinfra" pyinfra==2.9.2 >>"$log" 2>&1 ||
      say "pip could not install pyinfra: see $log"
  fi
fi
echo "$pyinfra"
