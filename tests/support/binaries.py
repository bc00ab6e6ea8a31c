import os
import subprocess
from pathlib import Path

CLEAN = ("PATH", "HOME", "LANG", "TMPDIR", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")


def clean_env(extra=None):
    """Only what programs need to run at all, so that a test never talks to somebody else's stack."""
    env = {name: os.environ[name] for name in CLEAN if name in os.environ}
    env.setdefault("HEIMDEX_CONFIG", "/dev/null")
    env.update({k: str(v) for k, v in (extra or {}).items()})
    return env


class Binaries:
    def __init__(self, folder):
        self.folder = Path(folder).resolve()

    def path(self, name):
        return str(self.folder / name)

    def run(self, name, *args, input=None, env=None, check=True, timeout=60, **options):
        done = subprocess.run([self.path(name), *map(str, args)], input=input, env=clean_env(env), capture_output=True,
                              text=not isinstance(input, bytes), timeout=timeout, **options)
        if check and done.returncode != 0:
            raise AssertionError(f"{name} {' '.join(map(str, args))}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def popen(self, name, *args, env=None, wrap=(), **options):
        return subprocess.Popen([*wrap, self.path(name), *map(str, args)], env=clean_env(env), **options)

    def submit(self, *args, **options):
        return self.run("heimdex-submit", *args, **options)

    def migrate(self, *args, **options):
        return self.run("heimdex-migrate", *args, **options)

    def ctl(self, *args, **options):
        return self.run("heimdexctl", *args, **options)
