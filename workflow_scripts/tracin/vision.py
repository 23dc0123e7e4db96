"""torchvision, importable beside a torch build without its compiled operators, and in little time.

torchvision's standard wheel stops at import where its compiled extension can't be loaded (a CPU
build of torch, say): it registers kernels for operators that nobody declared. Declaring the two
schemas first cures that; this project never calls them. It also imports torch's compiler, only to
mark functions that aren't to be compiled: more than a second of each job. Nothing is compiled here,
so that waits until somebody asks. Nothing else imports torchvision directly.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

COMPILER = ("torch._dynamo", "torch._dynamo.utils")


def _declare_missing_operators() -> torch.library.Library | None:
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        raise ImportError("torchvision is not installed: run `make run` or install the lock file.")
    for extension in sorted(Path(spec.origin).parent.glob("_C*")):
        try:
            torch.ops.load_library(str(extension))
            return None
        except OSError:
            continue
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


class _Later(ModuleType):
    """Stands for a module of the compiler, which is loaded when something else is asked of it."""

    @staticmethod
    def disable(function: Callable[..., Any], *_: Any, **__: Any) -> Callable[..., Any]:
        """Marks nothing."""
        return function

    @staticmethod
    def is_compile_supported(device: str) -> bool:
        """Asked by operators when they are called: by then the compiler may load."""
        return bool(_compiler(COMPILER[1]).is_compile_supported(device))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(_compiler(self.__name__), name)


def _compiler(module: str) -> ModuleType:
    for name in COMPILER:
        if isinstance(sys.modules.get(name), _Later):
            del sys.modules[name]
    return importlib.import_module(module)


@contextmanager
def _compiler_later() -> Iterator[None]:
    sys.modules |= {name: _Later(name) for name in COMPILER if COMPILER[0] not in sys.modules}
    try:
        yield
    finally:
        for name in COMPILER:
            if isinstance(sys.modules.get(name), _Later):
                del sys.modules[name]


# The declaration lives as long as the object: dropping it would take the operators away again.
_library = _declare_missing_operators()

with _compiler_later():
    from torchvision import models
    from torchvision.transforms import v2

__all__ = ["models", "v2"]
