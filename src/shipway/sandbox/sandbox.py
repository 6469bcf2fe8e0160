"""The start as a file: `python -I -S sandbox/sandbox.py REQUEST.json` (`-` for standard input).

Makes its own folder importable and hands over. The folder's name does not matter, and nothing but the standard library is needed.
"""

import importlib
import os
import sys

if __name__ == "__main__":
    _folder = os.path.dirname(os.path.abspath(__file__))
    # Last, so that no file beside the folder can stand in for a module of the standard library.
    sys.path.append(os.path.dirname(_folder))
    sys.exit(importlib.import_module(f"{os.path.basename(_folder)}.standalone").main(sys.argv[1:]))
