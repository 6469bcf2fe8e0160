"""stub to be replaced"""
from __future__ import annotations
class Recorder:
    def __init__(self, listener: int, merged_root: str | None):
        self.listener = listener
        self.open = True
        self.notes: list[str] = []
    def serve(self, event: int) -> None: ...
    def finish(self) -> tuple[list[object], list[object], list[object]]:
        return [], [], []
