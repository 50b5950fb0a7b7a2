"""A client that writes a numbered key each 10 ms, as long as it is let, and prints each write that Redis has acknowledged:
its number and the time. Arguments: the first number, the password of user `app`. It logs in where it is asked to."""
import socket
import sys
import time

number, password = int(sys.argv[1]), sys.stdin.readline().rstrip("\n")
link = None


def connect():
    """Over the Unix socket of a hardened host, else as on a stock one."""
    try:
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(5)
        made.connect("/run/redis/redis.sock")
        return made
    except OSError:
        return socket.create_connection(("127.0.0.1", 6379), 5)


def ask(*words):
    link.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in map(str.encode, words)))
    reply = b""
    while not reply.endswith(b"\r\n"):
        piece = link.recv(4096)
        if not piece:
            raise OSError("closed")
        reply += piece
    return reply


while True:
    began = time.monotonic()
    try:
        if link is None:
            link = connect()
        if ask("SET", f"app:write:{number}", str(number)) == b"+OK\r\n":
            print(number, time.time(), flush=True)
        else:
            ask("AUTH", "app", password)
        number += 1
    except OSError:
        if link is not None:
            link.close()
        link = None
        number += 1
    time.sleep(max(0, 0.01 - (time.monotonic() - began)))
