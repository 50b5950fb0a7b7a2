"""Clients with habits. Each line of stdin is JSON, {"do": "hold" | "again" | "hammer", "clients": [...]}, and is answered by
a line: what each client met, by its name, "ok" or an error. A client is
  {"name", "to": path or [host, port], "tls": null or {"ca", "cert", "key"}, "login": null or [user, password], "run": [words]}
`hold` keeps the connections, as a pool does, until the next line; `again` does the same anew and closes them; `hammer` goes on
in the background, a connection for each command."""
import json
import socket
import ssl
import sys
import tempfile
import threading
import time

held = []


class Denied(OSError):
    pass


def context(tls):
    made = ssl.create_default_context(cadata=tls["ca"])
    made.check_hostname = False
    if tls.get("cert"):
        with tempfile.NamedTemporaryFile("w") as pem:
            pem.write(tls["cert"] + tls["key"])
            pem.flush()
            made.load_cert_chain(pem.name)
    return made


def connect(client):
    if isinstance(client["to"], str):
        link = socket.socket(socket.AF_UNIX)
        link.settimeout(3)
        link.connect(client["to"])
    else:
        link = socket.create_connection(tuple(client["to"]), timeout=3)
    return context(client["tls"]).wrap_socket(link) if client["tls"] else link


def ask(link, words):
    encoded = [word.encode() for word in words]
    link.sendall(b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in encoded))
    reply = b""
    while b"\r\n" not in reply:
        more = link.recv(65536)
        if not more:
            raise OSError("closed")
        reply += more
    if reply.startswith(b"-"):
        raise Denied(reply.split(b"\r\n")[0].decode())


def meet(client):
    link = None
    try:
        link = connect(client)
        if client["login"]:
            ask(link, ["AUTH", *client["login"]])
        try:
            ask(link, ["CLIENT", "SETNAME", client["name"]])
        except Denied:
            pass  # as libraries do
        ask(link, client["run"])
        return "ok", link
    except OSError as error:
        return str(error) or type(error).__name__, link


def hammer(clients):
    while True:
        for client in clients:
            link = meet(client)[1]
            if link:
                link.close()
        time.sleep(0.02)


for line in sys.stdin:
    wanted = json.loads(line)
    for link in held:
        link.close()
    held = []
    seen = {}
    if wanted["do"] == "hammer":
        threading.Thread(target=hammer, args=(wanted["clients"],), daemon=True).start()
    else:
        for client in wanted["clients"]:
            seen[client["name"]], link = meet(client)
            if link and wanted["do"] == "hold":
                held.append(link)
            elif link:
                link.close()
    print(json.dumps(seen), flush=True)
