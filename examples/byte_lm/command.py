"""What the command lines of the examples share: one line for a mistake, and the exit status."""

import argparse
import sys
from collections.abc import Callable
from typing import NoReturn

from .config import UserError

EXIT_USER_ERROR = 2
EXIT_STOPPED = 130  # what shells report after Ctrl-C


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        raise UserError(message)


def exit_status(program: str, run: Callable[[], int], interrupted: str = "interrupted") -> int:
    """What `run` returns; a mistake of the user is one line on stderr and status 2."""
    try:
        return run()
    except UserError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return EXIT_USER_ERROR
    except KeyboardInterrupt:
        print(f"{program}: {interrupted}", file=sys.stderr)
        return EXIT_STOPPED
