"""An update that is recorded once as a CUDA graph and then replayed, which spares a GPU its hundreds of launches."""

from __future__ import annotations

import sys
from collections.abc import Callable

import torch

from indoubt.errors import said

#: Updates before the recording: a GPU's libraries set themselves up in the first ones.
WARM_UP = 3


class Recorded:
    """Calls an update, always the same one; on a GPU, as soon as there is a recording of it, replays that.

    Where none can be made, a notice says why, and the update is launched call by call: the same numbers, more slowly.
    The update is not kept: it belongs to who keeps this, and a ring of the two would keep a GPU's memory from the next
    lockstep.
    """

    def __init__(self, device: torch.device) -> None:
        self._to_go = WARM_UP if device.type == "cuda" else -1
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, update: Callable[[], None]) -> None:
        if self._to_go == 0:
            self._record(update)
        self._to_go -= 1
        if self._graph is not None:
            self._graph.replay()
        else:
            update()

    def _record(self, update: Callable[[], None]) -> None:
        """Record an update, which does not execute it."""
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                update()
        except torch.OutOfMemoryError:
            raise  # a smaller lockstep will do
        except RuntimeError as error:
            print(
                f"notice: an update cannot be recorded as a CUDA graph, so trainings take longer: {said(error)}",
                file=sys.stderr,
            )
            return
        self._graph = graph
