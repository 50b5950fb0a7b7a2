"""Connects from each of its own addresses. stdin: JSON, a list of [source, destination, port, seconds]; stdout: JSON, a list
of `in`, `refused` or `silent`. All at once: what is dropped costs its seconds."""
import json
import socket
import sys
from concurrent.futures import ThreadPoolExecutor


def reach(attempt):
    source, destination, port, seconds = attempt
    with socket.socket(socket.AF_INET6 if ":" in destination else socket.AF_INET) as connection:
        connection.settimeout(seconds)
        try:
            connection.bind((source, 0))
            connection.connect((destination, port))
            return "in"
        except ConnectionRefusedError:
            return "refused"
        except OSError:
            return "silent"


attempts = json.load(sys.stdin)
with ThreadPoolExecutor(max(1, len(attempts))) as pool:
    json.dump(list(pool.map(reach, attempts)), sys.stdout)
