"""How Ansible reads configuration files.

In, as JSON: [PATH, …]. Out, for each: {"error": TEXT}, or {"sections": {SECTION: {KEY: VALUE}}, "settings": {NAME: VALUE}}.
"""
import json
import sys

from ansible.config.manager import ConfigManager

SETTINGS = {
    "inventory": "DEFAULT_HOST_LIST",
    "user": "DEFAULT_REMOTE_USER",
    "privateKey": "DEFAULT_PRIVATE_KEY_FILE",
    "forks": "DEFAULT_FORKS",
    "timeout": "DEFAULT_TIMEOUT",
    "become": "DEFAULT_BECOME",
    "becomeUser": "DEFAULT_BECOME_USER",
    "vaultPasswordFile": "DEFAULT_VAULT_PASSWORD_FILE",
    "vaultIdentityList": "DEFAULT_VAULT_IDENTITY_LIST",
}


def read(path):
    try:
        manager = ConfigManager(path)
        parser = manager._parsers[path]
        sections = {name: {key: parser.get(name, key, raw=True) for key in parser[name]} for name in parser.sections()}
        settings = {name: manager.get_config_value(key) for name, key in SETTINGS.items()}
    except Exception as error:
        return {"error": str(error)}
    return {"sections": sections, "settings": settings}


json.dump([read(path) for path in json.load(sys.stdin)], sys.stdout)
