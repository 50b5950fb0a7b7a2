# The console script that setup.py would install. pyinfra_cli has to come first: it patches the standard library for gevent.
import sys

import pyinfra_cli  # noqa: F401
from pyinfra_cli.main import cli

sys.argv[0] = "pyinfra"
cli()
