"""torchvision, importable beside a torch build without its compiled operators.

torchvision's standard wheel stops at import where its compiled extension can't be loaded (a CPU
build of torch, say): it registers kernels for operators that nobody declared. Declaring the two
schemas first cures that; this project never calls them. Nothing else imports torchvision directly.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch


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


# The declaration lives as long as the object: dropping it would take the operators away again.
_library = _declare_missing_operators()

from torchvision import models  # noqa: E402
from torchvision.transforms import v2  # noqa: E402

__all__ = ["models", "v2"]
