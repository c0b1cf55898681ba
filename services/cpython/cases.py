"""Runs the test cases of CPython's own test modules, each in a process of its own.

    cases.py SECONDS MODULE [CASE...]

Prints two lines a case: `BEGIN <name>` and `CASE <name> <verdict>`, with what it said indented below where it
did not pass, and at the end `CASES <count>`. A verdict is `ok`, `skipped`, `failed`, `hung`
(longer than SECONDS) or `died <status>`. A case that waits for ever, or ends the process that
it runs in, is none of the others' concern.

What a case needs from its class and module (setUpClass, setUpModule) is done in its process,
so cases cannot help each other.
"""

import io
import os
import signal
import sys
import time
import unittest

# Begins what this says of a case, behind what the case has printed itself.
MARK = "\x01"
# Characters of what a case said that are shown.
SHOWN = 3000


def flat(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from flat(test)
        else:
            yield test


def name(test, module):
    """Without the package's and the module's name, which all share."""
    return test.id().removeprefix(f"test.{module}.")


def run(test, into):
    """In the child: runs one and says what came of it."""
    os.setpgid(0, 0)
    # Some modules note their process when they are loaded, which was in the parent.
    module = sys.modules[type(test).__module__]
    if hasattr(module, "process_pid"):
        module.process_pid = os.getpid()
    os.dup2(into, 1)
    os.dup2(into, 2)
    said = io.StringIO()
    runner = unittest.TextTestRunner(said, verbosity=0)
    result = runner.run(unittest.TestSuite([test]))
    if not result.wasSuccessful():
        verdict = "failed"
    elif result.skipped or result.expectedFailures:
        verdict = "skipped"
    else:
        verdict = "ok"
    sys.stdout.flush()
    text = f"{MARK}{verdict}\n{said.getvalue()[-SHOWN:]}"
    os.write(into, text.encode(errors="replace"))


def follow(child, out, seconds):
    """In the parent: what the child said, and how it ended; killed where that takes long."""
    end = time.monotonic() + seconds
    said = b""
    status = None
    os.set_blocking(out, False)
    while time.monotonic() < end:
        try:
            while more := os.read(out, 4096):
                said += more
        except BlockingIOError:
            pass
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            break
        status = None
        time.sleep(0.005)
    if status is None:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    # Whatever it has left behind.
    try:
        os.killpg(child, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    try:
        while more := os.read(out, 4096):
            said += more
    except BlockingIOError:
        pass
    return said.decode(errors="replace"), status


def one(test, seconds):
    out, into = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(out)
            run(test, into)
            code = 0
        finally:
            os._exit(code)
    os.close(into)
    said, status = follow(child, out, seconds)
    os.close(out)
    noise, mark, said = said.rpartition(MARK)
    if status is None:
        return "hung", noise + said
    if status != 0 or not mark:
        return f"died {status}", noise + said
    verdict, _, rest = said.partition("\n")
    return verdict, noise + rest


def main():
    seconds, module, *wanted = sys.argv[1:]
    suite = unittest.defaultTestLoader.loadTestsFromName(f"test.{module}")
    count = 0
    for test in flat(suite):
        called = name(test, module)
        if wanted and called not in wanted:
            continue
        count += 1
        # So that it is known with which one a machine breaks.
        print(f"BEGIN {called}", flush=True)
        verdict, said = one(test, float(seconds))
        sys.stdout.write(f"CASE {called} {verdict}\n")
        if verdict != "ok":
            lines = said[-SHOWN:].splitlines() if verdict != "skipped" else []
            sys.stdout.writelines(f"    {line}\n" for line in lines)
        sys.stdout.flush()
    print(f"CASES {count}", flush=True)


main()
