"""``python -m tests.softgpu.translator IN.ptx OUT.cpp``"""

import sys
from pathlib import Path

from .module import translate
from .syntax import TranslationError


def main() -> int:
    source, target = map(Path, sys.argv[1:])
    try:
        code = translate(source.read_text())
    except TranslationError as error:
        print(f"{source.name}: {error}", file=sys.stderr)
        return 1
    target.write_text(code)
    return 0


if __name__ == "__main__":
    sys.exit(main())
