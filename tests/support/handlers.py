"""Handlers in one line of shell, and how tests look at what they leave behind."""
from checker import handler_log as runs_of

QUICK_RETRIES = {"backoff_base": "50ms", "backoff_max": "200ms"}
TERM_DEAF = "trap '' TERM; echo $$ >{pids}; sleep 1000 & echo $! >>{pids}; while :; do wait; done"
ERROR = '''echo '{"error":{"code":"%s","message":"said so"%s}}'; exit %d'''
# What a python handler may do. It says its pid and leaves: away from its group, in a session of its own, its parent gone.
DAEMON = """
def note(path={pids!r}):
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, b'%d\\n' % os.getpid())
    os.close(fd)
def daemon(then):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            note()
            then()
        os._exit(0)
    os.wait()
"""
FORGETFUL = "os.execve('/bin/sleep', ['sleep', '1000'], {})"  # it clears its environment, by which it would be found


def sh(type, script, **options):
    """A handler in one line of shell."""
    return {"type": type, "exec": ["/bin/sh", "-c", script], **options}


def python(type, **options):
    """A handler that does what its payload says: {"do": "Python"}."""
    return {"type": type, "exec": ["/usr/bin/python3", "-ISc", "import json, os, signal, sys, time; exec(json.load(sys.stdin)['do'])"], **options}


def pids_in(path):
    return [int(word) for word in path.read_text().split()]


def most_at_once(path, killed=True):
    """The most runs at one time. killed=False: without those that never came to their end."""
    runs, wrong = runs_of.read(path)
    assert not wrong
    every = [run for of_job in runs.values() for run in of_job if killed or run.end is not None]
    changes = sorted([(run.start, 1) for run in every] + [(run.end, -1) for run in every if run.end is not None])
    now = most = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most
