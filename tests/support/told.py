"""What the programs say of themselves, and whether a command line in a text goes with it."""
import re

from .command import run

PROGRAMS = {"heimdex-broker": 8, "heimdex-migrate": 1, "heimdex-scheduler": 8, "heimdex-submit": 1, "heimdex-supervisor": 8,
            "heimdex-worker": 8, "heimdexctl": 1}  # with the sections of their manual pages
PREFIX = r"^\s*(?:[$#] )?(?:[A-Z_]+=\S+\s+)*(?:runuser -u heimdex -- )?"


def help_of(programs, program, env):
    return run(programs / program, "--help", env=env).stdout


def commands_of(programs, program, env):
    """The commands that a program has, in its own order; none where it has none."""
    text = help_of(programs, program, env)
    if program == "heimdex-migrate":
        return re.findall(r"(?:Usage: heimdex-migrate|\|)\s+([a-z]+)", text.split("\n\n")[0])
    part = re.search(r"^Commands:\n(.*?)\n\n", text, re.M | re.S)
    return re.findall(r"^  ([a-z]+)", part[1], re.M) if part else []


def wrong_with(line, programs, env):
    """What is wrong with a command line, if it is one of ours: an option or a command that isn't there. None: nothing."""
    words = re.sub(PREFIX, "", line).split()
    if not words or words[0] not in PROGRAMS:
        return None
    text, commands = help_of(programs, words[0], env), commands_of(programs, words[0], env)
    for word in words[1:]:
        if re.fullmatch(r"-[a-z]|--[a-z][a-z-]*", word) and not re.search(rf"(?<![\w-]){word}\b", text):
            return f"{line.strip()}: {word}"
    given = [word for word in words[1:] if re.fullmatch(r"[a-z]+", word)]
    if commands and words[1:] and not words[1].startswith("-") and (not given or given[0] not in commands):
        return f"{line.strip()}: {words[1]}"
    return None
