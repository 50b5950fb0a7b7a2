"""What Ansible makes of variables with templates: each of one host of one inventory.

In, as JSON: {"inventory": PATH, "host": NAME, "names": [NAME, …]}. Out: {NAME: {"value": …} | {"omitted": true} | {"error": TEXT}}.
"""
import json
import sys

from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible.vars.manager import VariableManager
from ansible.vars.hostvars import HostVars

asked = json.load(sys.stdin)
loader = DataLoader()
inventory = InventoryManager(loader=loader, sources=[asked["inventory"]])
manager = VariableManager(loader=loader, inventory=inventory)
HostVars(inventory=inventory, variable_manager=manager, loader=loader)
variables = manager.get_vars(host=inventory.get_host(asked["host"]))
templar = Templar(loader=loader, variables=variables)


def rendered(name):
    try:
        value = templar.template(variables[name])
    except Exception as error:
        return {"error": str(error)}
    if value == variables["omit"]:
        return {"omitted": True}
    return {"value": json.loads(json.dumps(value))}


json.dump({name: rendered(name) for name in asked["names"]}, sys.stdout)
