"""Watches a machine until the file STOP is there, then prints what was seen as JSON. Arguments: `processes` or `files`, STOP,
then either a process (default: all) or folders.

processes: every command line and environment that the descendants of the process had, and how often was looked.
files: of every file that came, changed or moved in the folders: its names, owners and modes in their order; and its
content wherever its mode let others than its owner read, at any instant, with whether they could reach it. The journal
is left out: it has a reader of its own."""
import base64
import ctypes
import grp
import json
import os
import pwd
import select
import stat
import struct
import sys
import time

what, STOP, *where = sys.argv[1:]
LIMIT = 256 << 10


def text(data):
    return base64.b64encode(data).decode()


def read(path):
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read(LIMIT)
    except OSError:
        return b""


def processes():
    commands, environments, gaps = set(), set(), []
    own = str(os.getpid())
    last = time.monotonic()
    while not os.path.exists(STOP):
        for pid in descendants(where[0]) if where else os.listdir("/proc"):
            if pid[0].isdigit() and pid != own:
                commands.add(read(f"/proc/{pid}/cmdline"))
                environments.add(read(f"/proc/{pid}/environ"))
        now = time.monotonic()
        gaps.append((now - last) * 1000)
        last = now
        time.sleep(0.0005)
    gaps.sort()
    return {
        "commands": [text(one) for one in commands],
        "environments": [text(one) for one in environments],
        "looks": len(gaps),
        "medianMs": gaps[len(gaps) // 2],
        "p95Ms": gaps[len(gaps) * 95 // 100],
    }


def descendants(root):
    parents = {}
    for pid in os.listdir("/proc"):
        fields = read(f"/proc/{pid}/stat").rpartition(b")")[2].split() if pid[0].isdigit() else []
        if fields:
            parents.setdefault(fields[1].decode(), []).append(pid)
    found, todo = [], [root]
    while todo:
        children = parents.get(todo.pop(), [])
        found += children
        todo += children
    return found


MODIFY, ATTRIB, CLOSE_WRITE, MOVED_TO, CREATE, IS_DIR = 0x2, 0x4, 0x8, 0x80, 0x100, 0x40000000


def files():
    libc = ctypes.CDLL(None, use_errno=True)
    watcher = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    folders, seen, latest, readable = {}, [], {}, []
    told = set()

    def follow(folder, fresh):
        if folder.endswith("/journal"):
            return
        number = libc.inotify_add_watch(watcher, os.fsencode(folder), MODIFY | ATTRIB | CLOSE_WRITE | MOVED_TO | CREATE)
        if number < 0:
            return
        folders[number] = folder
        try:
            entries = list(os.scandir(folder))
        except OSError:
            return
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                follow(entry.path, fresh)
            elif fresh:
                look(entry.path, CREATE)

    def look(path, event):
        try:
            file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return
        try:
            found = os.fstat(file)
            if not stat.S_ISREG(found.st_mode):
                return
            inode = (found.st_dev, found.st_ino)
            if event & CREATE or inode not in latest:
                latest[inode] = {"paths": [], "modes": []}
                seen.append(latest[inode])
            names, modes = latest[inode]["paths"], latest[inode]["modes"]
            if path not in names:
                names.append(path)
            mode = f"{owner(found)} {found.st_mode & 0o7777:o}"
            if not modes or modes[-1] != mode:
                modes.append(mode)
            if found.st_size and found.st_mode & 0o044:
                content = os.pread(file, LIMIT, 0)
                reachable = is_reachable(path, found)
                key = (path, mode, hash(content), reachable)
                if key not in told:
                    told.add(key)
                    readable.append({"path": path, "mode": mode, "reachable": reachable, "content": text(content)})
        finally:
            os.close(file)

    for folder in where:
        follow(os.path.realpath(folder), False)
    print("watching", flush=True)
    while not os.path.exists(STOP):
        if not select.select([watcher], [], [], 0.05)[0]:
            continue
        events = os.read(watcher, 1 << 20)
        at = 0
        while at < len(events):
            number, event, _, length = struct.unpack_from("iIII", events, at)
            name = os.fsdecode(events[at + 16 : at + 16 + length].rstrip(b"\0"))
            at += 16 + length
            path = f"{folders.get(number, '')}/{name}"
            if event & IS_DIR:
                if event & (CREATE | MOVED_TO):
                    follow(path, True)
            else:
                look(path, event)
    return {"files": seen, "readable": readable}


def owner(found):
    try:
        return f"{pwd.getpwuid(found.st_uid).pw_name}:{grp.getgrgid(found.st_gid).gr_name}"
    except KeyError:
        return f"{found.st_uid}:{found.st_gid}"


def is_reachable(path, found):
    """By the group that is not root's, or by all others."""
    for read_bit, enter_bits in ((0o004, 0o001), (0o040, 0o011)):
        if not found.st_mode & read_bit or (read_bit == 0o040 and found.st_gid == 0):
            continue
        folder = os.path.dirname(path)
        try:
            while folder != "/" and os.stat(folder).st_mode & enter_bits:
                folder = os.path.dirname(folder)
        except OSError:
            return True
        if folder == "/":
            return True
    return False


if what == "processes":
    print("watching", flush=True)
print(json.dumps(processes() if what == "processes" else files()))
