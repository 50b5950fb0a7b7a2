"""Strikes at a moment that every tool comes to. Arguments: the moment, a shell command. Prints `ready`, then `struck` just before
the command; ends with status 1 where the moment has not come in time."""
import glob
import os
import subprocess
import sys
import time

moment, command = sys.argv[1:]


def stamp(path):
    found = os.stat(path)
    return found.st_ino, found.st_mtime_ns, found.st_size


def server():
    for path in glob.glob("/proc/[0-9]*/comm"):
        try:
            with open(path) as comm:
                if comm.read() == "redis-server\n":
                    return os.path.dirname(path)
        except OSError:
            pass
    raise SystemExit("Redis does not run")


def enabled():
    with open("/etc/ufw/ufw.conf") as conf:
        return "\nENABLED=yes" in conf.read()


before, process = stamp("/etc/redis/redis.conf"), server()
has_come = {
    "config": lambda: stamp("/etc/redis/redis.conf") != before,
    "restart": lambda: not os.path.exists(process),
    "firewall": enabled,
}[moment]
print("ready", flush=True)
until = time.monotonic() + 200
while time.monotonic() < until:
    try:
        come = has_come()
    except FileNotFoundError:  # between two names
        come = False
    if come:
        print("struck", flush=True)
        subprocess.run(command, shell=True)
        sys.exit(0)
    time.sleep(0.002)
sys.exit(1)
