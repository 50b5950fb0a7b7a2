"""What Ansible makes of many inventories, values and lines: it is loaded once, and each inventory gets a process of its own.

In, as JSON: {"inventories": [{"cwd": …, "arguments": [[…], …]}], "values": […], "lines": […]}.
Out: {"inventories": [[{"status", "stdout", "stderr"}, …], …], "values": […], "lines": […]}. A value is the JSON that its
inventory would be listed with, null where Ansible fails; a line is its words, null where a quote is not closed.
"""
import json
import os
import sys
import tempfile
import traceback
import warnings

from ansible.cli.inventory import InventoryCLI
from ansible.parsing.ajson import AnsibleJSONEncoder
from ansible.plugins.loader import inventory_loader
from ansible.utils.shlex import shlex_split


def inventory(cwd, arguments):
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        pid = os.fork()
        if pid == 0:
            status = 250
            try:
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
                os.chdir(cwd)
                InventoryCLI(["ansible-inventory", *arguments]).run()
            except SystemExit as end:
                status = end.code or 0
            except BaseException:
                traceback.print_exc()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        out.seek(0)
        err.seek(0)
        text = [stream.read().decode("utf-8", "replace") for stream in (out, err)]
    return {"status": status, "stdout": text[0], "stderr": text[1]}


def value(text):
    try:
        read = inventory_loader.get("ini")._parse_value(text)
        listed = json.dumps(
            read, cls=AnsibleJSONEncoder, sort_keys=True, indent=4, preprocess_unsafe=True, ensure_ascii=False
        )
        listed.encode()
        return listed
    except Exception:
        return None


def words(line):
    try:
        return shlex_split(line, comments=True)
    except ValueError:
        return None


warnings.simplefilter("ignore")
asked = json.load(sys.stdin)
answers = {
    "inventories": [[inventory(job["cwd"], one) for one in job["arguments"]] for job in asked["inventories"]],
    "values": [value(text) for text in asked["values"]],
    "lines": [words(line) for line in asked["lines"]],
}
json.dump(answers, sys.stdout)
