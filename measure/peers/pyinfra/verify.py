# pyinfra has no assertions of its own: runs the probes of the shell script on each host.
from pyinfra.operations import files, server

files.put(name="Upload the probes", src="harden.sh", dest="/run/harden.sh", mode="700")
server.shell(name="Verify", commands=["bash /run/harden.sh verify"])
