"""Programs that run to their end."""
import subprocess


def run(*command, check=True, **kwargs):
    done = subprocess.run([str(word) for word in command], text=True, capture_output=True, stdin=subprocess.DEVNULL, **kwargs)
    if check:
        assert done.returncode == 0, f"{command}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done
