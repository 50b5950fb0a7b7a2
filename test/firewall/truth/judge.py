"""Judges rule sets by packets. stdin: JSON {"workers", "prelude", "collect", "sets": [{"name", "script", "path"}]}; stdout: JSON, for each
set what `collect` printed on the host and who got in.

A worker has four network namespaces: the host; a client on its eth0 with an address inside the allowed network and one
outside; a client on its eth1, outside; and a container behind its docker0. Each set is loaded into an empty host.
"""
import ctypes
import json
import os
import queue
import selectors
import socket
import subprocess
import sys
import threading
import time

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
PORTS = [6380, 8080]
#: name, namespace, source; each asks every address of the host.
CLIENTS = [
    ("inside", "a", ["10.77.1.9", "fd77:1::9"]),
    ("outside", "a", ["10.77.2.9", "fd77:2::9"]),
    ("eth1", "b", ["10.77.3.9", "fd77:3::9"]),
]
HOST = {4: ["10.77.1.1", "10.77.2.1", "10.77.3.1"], 6: ["fd77:1::1", "fd77:2::1", "fd77:3::1"]}


def sh(script, text=None):
    return subprocess.run(["sh", "-c", script], input=text, capture_output=True, text=True)


def enter(name):
    with open(f"/run/netns/{name}") as file:
        if libc.setns(file.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {name}")


def make(k):
    h, a, b, c = (f"{kind}{k}" for kind in "habc")
    done = sh(f"""set -e
    for n in {h} {a} {b} {c}; do ip netns add $n; ip -n $n link set lo up; done
    link() {{ # namespace, its name there, peer's namespace, its name there
      ip -n $1 link add $2 type veth peer name $4 netns $3; ip -n $1 link set $2 up; ip -n $3 link set $4 up
    }}
    link {h} eth0 {a} eth0; link {h} eth1 {b} eth0; link {h} docker0 {c} eth0
    for i in 1 2; do
      ip -n {h} addr add 10.77.$i.1/24 dev eth0; ip -n {h} addr add fd77:$i::1/64 dev eth0 nodad
      ip -n {a} addr add 10.77.$i.9/24 dev eth0; ip -n {a} addr add fd77:$i::9/64 dev eth0 nodad
    done
    ip -n {h} addr add 10.77.3.1/24 dev eth1; ip -n {h} addr add fd77:3::1/64 dev eth1 nodad
    ip -n {b} addr add 10.77.3.9/24 dev eth0; ip -n {b} addr add fd77:3::9/64 dev eth0 nodad
    ip -n {h} addr add 172.17.0.1/16 dev docker0; ip -n {c} addr add 172.17.0.2/16 dev eth0
    ip -n {c} route add default via 172.17.0.1
    ip -n {h} addr add fd17::1/64 dev docker0 nodad; ip -n {c} addr add fd17::2/64 dev eth0 nodad
    ip -n {c} -6 route add default via fd17::1
    ip -n {a} route add default via 10.77.2.1; ip -n {a} -6 route add default via fd77:2::1
    ip -n {b} route add default via 10.77.3.1; ip -n {b} -6 route add default via fd77:3::1
    # Rules are about what a packet meets that is there: not about how neighbours find each other, which IPv6 does by packets too.
    mac() {{ ip netns exec $1 cat /sys/class/net/$2/address; }}
    know() {{ # namespace, interface, who: namespace, interface, addresses
      n=$1 i=$2 lladdr=$(mac $3 $4); shift 4; for x in $*; do ip -n $n neigh replace $x lladdr $lladdr dev $i nud permanent; done
    }}
    know {h} eth0 {a} eth0 10.77.1.9 10.77.2.9 fd77:1::9 fd77:2::9
    know {a} eth0 {h} eth0 10.77.1.1 10.77.2.1 fd77:1::1 fd77:2::1
    know {h} eth1 {b} eth0 10.77.3.9 fd77:3::9
    know {b} eth0 {h} eth1 10.77.3.1 fd77:3::1
    know {h} docker0 {c} eth0 172.17.0.2 fd17::2
    know {c} eth0 {h} docker0 172.17.0.1 fd17::1
    ip netns exec {h} sh -c 'mount -t proc proc /proc; echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
    """)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)


def listen(name, port, held):
    enter(name)
    held.append(socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1000))


def connect(k, seconds, seen):
    """Each client to each port, all at once: what is dropped costs the whole time."""
    selector = selectors.DefaultSelector()
    for who, kind, sources in CLIENTS:
        enter(f"{kind}{k}")
        for source in sources:
            family = 6 if ":" in source else 4
            for port in PORTS:
                key = f"{who} {family} {port}"
                seen[key] = False
                for to in HOST[family]:
                    one = socket.socket(socket.AF_INET6 if family == 6 else socket.AF_INET)
                    one.setblocking(False)
                    one.bind((source, 0))
                    one.connect_ex((to, port))
                    selector.register(one, selectors.EVENT_WRITE, key)
    end = time.monotonic() + seconds
    while selector.get_map() and time.monotonic() < end:
        for key, _ in selector.select(max(0, end - time.monotonic())):
            one = key.fileobj
            selector.unregister(one)
            if one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                seen[key.data] = True
            one.close()
    for key in list(selector.get_map().values()):
        key.fileobj.close()


#: Files of /proc have no size: whether there are tables is told by reading.
EMPTY = """
if [ -n "$(cat /proc/net/ip_tables_names)" ]; then for t in $(cat /proc/net/ip_tables_names); do
  printf '*%s\\nCOMMIT\\n' $t | iptables-legacy-restore; done; for c in INPUT FORWARD OUTPUT; do iptables-legacy -P $c ACCEPT; done; fi
if [ -n "$(cat /proc/net/ip6_tables_names)" ]; then for t in $(cat /proc/net/ip6_tables_names); do
  printf '*%s\\nCOMMIT\\n' $t | ip6tables-legacy-restore; done; for c in INPUT FORWARD OUTPUT; do ip6tables-legacy -P $c ACCEPT; done; fi
nft flush ruleset
for list in /proc/net/xt_recent/*; do if [ -e "$list" ]; then echo / >"$list"; fi; done
"""


def work(k, todo, results, asked):
    held = []
    make(k)
    for name, port in [(f"h{k}", 6380), (f"c{k}", 6379)]:
        thread = threading.Thread(target=listen, args=(name, port, held))
        thread.start()
        thread.join()
    inside = f"ip netns exec h{k} sh -c 'mount -t proc proc /proc; exec sh'"
    while True:
        try:
            at, one = todo.get_nowait()
        except queue.Empty:
            return
        try:
            path = f"PATH={one['path']}:$PATH\n" if "path" in one else ""
            loaded = sh(inside, f"{EMPTY}\nset -e\n{path}{asked['prelude']}\n{one['script']}")
            if loaded.returncode != 0:
                raise RuntimeError(loaded.stderr)
            text = sh(inside, path + asked["collect"]).stdout
            seen = {}
            thread = threading.Thread(target=connect, args=(k, one.get("seconds", 1), seen))
            thread.start()
            thread.join()
            results[at] = {"name": one["name"], "text": text, "seen": seen}
        except Exception as error:  # noqa: BLE001  # told by name
            results[at] = {"name": one["name"], "error": str(error)}


asked = json.load(sys.stdin)
todo = queue.Queue()
for number, item in enumerate(asked["sets"]):
    todo.put((number, item))
results = [{"name": item["name"], "error": "not judged"} for item in asked["sets"]]
# The namespaces of a run before this one.
sh("ip netns list | cut -d' ' -f1 | xargs -r -n1 ip netns del")
threads = [
    threading.Thread(target=work, args=(k, todo, results, asked)) for k in range(min(asked["workers"], len(results)))
]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
json.dump(results, sys.stdout)
sys.stdout.flush()
os._exit(0)
