"""Readers: files, folders, arrays -> :class:`medvlm.study.Image`, told by content."""

from .read import read_image

__all__ = ["read_image"]
