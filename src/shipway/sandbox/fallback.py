"""stub to be replaced"""
from __future__ import annotations
from .model import Request
def make_world(request: Request, mode: str) -> list[str]:
    return []
def render_proot(request: Request) -> list[str]:
    return []
