"""The script `boot` as a module, for other scripts."""

import importlib.machinery
import importlib.util
import pathlib
import sys

sys.dont_write_bytecode = True


def load():
    loader = importlib.machinery.SourceFileLoader("boot", str(pathlib.Path(__file__).resolve().parent / "boot"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("boot", loader))
    sys.modules["boot"] = module
    loader.exec_module(module)
    return module
