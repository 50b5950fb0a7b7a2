"""Plays somebody at a terminal before whom the program that follows the steps runs.

usage: terminal.py STEPS PROGRAM ARGUMENT...

STEPS is JSON: ["await", TEXT], ["quiet"] and ["echo"] (until the terminal's echo is off or on), ["type", TEXT], ["touch", PATH],
["stopped"] (until the program is stopped), ["continue"], ["signal", NUMBER]. Prints as JSON what was shown and how it ended.
"""

import json, os, pty, select, signal, sys, termios, time

steps, program = json.loads(sys.argv[1]), sys.argv[2:]
told, tell = os.pipe()
shell, terminal = pty.fork()
if shell == 0:
    # A shell with job control, as far as the program can see: nothing stops where there is none.
    job = os.fork()
    if job == 0:
        os.setpgid(0, 0)
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        os.tcsetpgrp(0, os.getpgrp())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        os.execvp(program[0], program)
    os.write(tell, str(job).encode())
    os._exit(os.waitstatus_to_exitcode(os.waitpid(job, 0)[1]) & 0xFF)

pid = int(os.read(told, 20))
shown = b""
status = None
deadline = time.monotonic() + 40


def look():
    """Takes what is shown and what became of the program, for a moment."""
    global shown, status
    if select.select([terminal], [], [], 0.01)[0]:
        try:
            shown += os.read(terminal, 65536)
        except OSError:
            time.sleep(0.01)
    if status is None:
        done, now = os.waitpid(shell, os.WNOHANG)
        if done:
            status = now
    if time.monotonic() > deadline:
        os.kill(pid, signal.SIGKILL)
        sys.exit("too late: " + repr(shown))


def echo():
    return bool(termios.tcgetattr(terminal)[3] & termios.ECHO)


def until(true):
    while not true():
        look()


seen = 0
echoes = []
for step, *rest in steps:
    if step == "await":
        wanted = rest[0].encode()
        until(lambda: wanted in shown[seen:])
        seen = shown.index(wanted, seen) + len(wanted)
        echoes.append(echo())
    elif step == "quiet":
        until(lambda: not echo())
    elif step == "echo":
        until(echo)
    elif step == "type":
        os.write(terminal, rest[0].encode())
    elif step == "touch":
        open(rest[0], "w").close()
    elif step == "stopped":
        until(lambda: open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0] == "T")
    elif step == "continue":
        os.kill(pid, signal.SIGCONT)
    elif step == "signal":
        os.kill(pid, rest[0])
until(lambda: status is not None)
for _ in range(20):
    look()
print(json.dumps({
    "shown": shown.decode(errors="replace"),
    "echoAtPrompts": echoes,
    "echoAtEnd": echo(),
    "exitCode": os.waitstatus_to_exitcode(status),
}))
