"""The names of gateways that share a database, and which of this machine's are gone."""

from __future__ import annotations

import os


def node_name() -> str:
    """The name of this gateway: machine and process."""
    return f"{os.uname().nodename}-{os.getpid()}"


def is_gone(node: str) -> bool:
    """Whether `node` was a process of this machine that is no more; of others nothing is known."""
    machine, _, number = node.rpartition("-")
    if machine != os.uname().nodename or not number.isdecimal():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
