"""Clients that write numbered keys `app:NAME:N` as user `app`, and tell what they noticed. Line 1 of stdin is JSON:
  {"password": …, "tls": {"ca": PEM, "cert": PEM, "key": PEM}, "clients": [{"name", "to", "everyMs", "anew"}]}
`to` is a list of places that are tried in turn: a path of a Unix socket, or [host, port, with TLS?]. `anew`: a connection
for each write. Each further line asks for what was noticed since the last one; the answer is JSON, by the clients' names."""
import asyncio
import json
import ssl
import sys
import tempfile
import time

wanted = json.loads(sys.stdin.readline())


def context():
    made = ssl.create_default_context(cadata=wanted["tls"]["ca"])
    with tempfile.NamedTemporaryFile("w") as pem:
        pem.write(wanted["tls"]["cert"] + wanted["tls"]["key"])
        pem.flush()
        made.load_cert_chain(pem.name)
    return made


class Client:
    def __init__(self, spec):
        self.spec, self.link, self.last, self.number = spec, None, None, 0
        self.tls = context() if any(not isinstance(to, str) and to[2] for to in spec["to"]) else None
        self.forget()

    def forget(self):
        self.seen = {"replies": 0, "longestGapMs": 0, "failures": [], "drops": 0, "acknowledged": []}

    async def connect(self):
        for place in self.spec["to"]:
            try:
                if isinstance(place, str):
                    return await asyncio.open_unix_connection(place)
                host, port, tls = place
                return await asyncio.open_connection(host, port, ssl=self.tls if tls else None)
            except OSError as error:
                why = error
        raise why

    async def ask(self, *words):
        reader, writer = self.link
        encoded = [word.encode() for word in words]
        writer.write(b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in encoded))
        reply = await reader.readline()
        if not reply.endswith(b"\r\n"):
            raise OSError("closed")
        return reply.decode().strip()

    async def write(self):
        self.number += 1
        words = "SET", f"app:{self.spec['name']}:{self.number}", str(self.number)
        had = self.link is not None
        try:
            if not had:
                self.link = await self.connect()
            reply = await self.ask(*words)
            if reply.startswith("-NOAUTH"):
                reply = await self.ask("AUTH", "app", wanted["password"])
                if reply == "+OK":
                    reply = await self.ask(*words)
        except OSError as error:
            self.close()
            if had:
                self.seen["drops"] += 1
            reply = f"{type(error).__name__}: {error}"
        now = time.monotonic()
        if reply != "+OK":
            self.seen["failures"].append(reply)
            return
        if self.last is not None:
            self.seen["longestGapMs"] = max(self.seen["longestGapMs"], (now - self.last) * 1000)
        self.last = now
        self.seen["replies"] += 1
        self.seen["acknowledged"].append(self.number)
        if self.spec.get("anew"):
            self.close()

    def close(self):
        if self.link is not None:
            self.link[1].close()
            self.link = None

    async def work(self):
        while True:
            began = time.monotonic()
            try:
                await asyncio.wait_for(self.write(), 10)
            except asyncio.TimeoutError:
                self.close()
                self.seen["failures"].append("no reply within 10 s")
            await asyncio.sleep(max(0, self.spec["everyMs"] / 1000 - (time.monotonic() - began)))


async def main():
    clients = [Client(spec) for spec in wanted["clients"]]
    tasks = [asyncio.ensure_future(client.work()) for client in clients]
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps({client.spec["name"]: client.seen for client in clients}), flush=True)
        for client in clients:
            client.forget()
    for task in tasks:
        task.cancel()


asyncio.run(main())
