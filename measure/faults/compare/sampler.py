"""Looks each 10 ms for secrets where every user of the host can read them while a tool runs: in the arguments of processes, and
in open files of the folders it works in. Reads the secrets from stdin, a JSON object by name, and ends with it. Prints each
finding once."""
import json
import os
import select
import sys
import time

secrets = {name: text.encode() for name, text in json.loads(sys.stdin.readline()).items()}
found, read = set(), {}


def search(text, place):
    for name, secret in secrets.items():
        if secret in text and (name, place) not in found:
            found.add((name, place))
            print(f"{name} in {place}", flush=True)


def arguments():
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as line:
                words = line.read()
        except OSError:
            continue
        program = words.split(b"\0")[0].decode(errors="replace")
        search(words, f"the arguments of {os.path.basename(program)}")


def files():
    for folder in ("/etc/redis", "/etc/redis/tls", "/tmp", "/var/tmp"):
        try:
            parts = [folder, os.path.dirname(folder)]
            if not all(os.stat(part).st_mode & 1 for part in parts):
                continue
            for entry in os.scandir(folder):
                state = entry.stat(follow_symlinks=False)
                stamp = state.st_ino, state.st_mtime_ns, state.st_size
                if entry.is_file(follow_symlinks=False) and state.st_mode & 4 and read.get(entry.path) != stamp:
                    read[entry.path] = stamp
                    with open(entry.path, "rb") as file:
                        search(file.read(1 << 20), entry.path)
        except OSError:
            continue


while not select.select([sys.stdin], [], [], 0)[0]:
    arguments()
    files()
    time.sleep(0.01)
