"""The boundary to the host: the three interfaces that a transform may import.

Inside a component they are the bindings that the build generates. Outside (in a test, in an editor) columns live in
this process, and kernels, which only the host has, say so.
"""

from __future__ import annotations

from typing import Any, NoReturn

from .error import NeedsHost

try:
    from wit_world.imports import columns, diagnostics, kernels
    from wit_world.imports.columns import Buffers

    INSIDE = True
except ImportError:
    from .stand_in import Buffers, Columns, Diagnostics

    INSIDE = False

    class _Kernels:
        """Answers every kernel with where it can be had."""

        def __getattr__(self, name: str) -> Any:
            def kernel(*_arguments: object) -> NoReturn:
                raise NeedsHost(name)

            return kernel

    columns = Columns()
    kernels = _Kernels()
    diagnostics = Diagnostics()

__all__ = ["INSIDE", "Buffers", "columns", "diagnostics", "kernels"]
