# The hosts and values that the benchmark writes beside this file.
import json

with open("hosts.json") as file:
    reached = json.load(file)
with open("values.json") as file:
    values = json.load(file)
redis = (
    [tuple(host) for host in reached["hosts"]],
    {
        **values,
        "ssh_user": "root",
        "ssh_key": reached["key"],
        "ssh_known_hosts_file": reached["known_hosts"],
        "ssh_strict_host_key_checking": "yes",
    },
)
