"""Strikes at a line of the transaction's journal. Arguments: the line without its time, milliseconds to wait after it, a
shell command. Prints `struck`; ends with status 1 where the line has not come within three minutes."""
import glob
import subprocess
import sys
import time

line, delay, command = sys.argv[1], float(sys.argv[2]) / 1000, sys.argv[3]
until = time.monotonic() + 180
while time.monotonic() < until:
    for path in glob.glob("/var/lib/redkeep/txn/*/journal"):
        with open(path) as journal:
            if any(found.rstrip("\n").partition(" ")[2] == line for found in journal):
                time.sleep(delay)
                subprocess.run(command, shell=True)
                print("struck")
                sys.exit(0)
    time.sleep(0.002)
sys.exit(1)
