"""Requests to an archive over HTTP: with a password or none, never following to elsewhere, errors in one line."""

from __future__ import annotations

import base64
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from typing import Any

from medvlm.study import MedvlmError

LOGIN = "MEDVLM_ARCHIVE_LOGIN"
"""Environment variable with ``user:password``: a command line is seen by everyone on the machine."""
ATTEMPTS = 3
_LATER = (429, 502, 503, 504)


class ArchiveError(MedvlmError):
    """The archive refused one thing; asking again will not help."""


class ArchiveAway(MedvlmError):
    """The archive cannot be reached, or takes nothing now; asking later may help."""


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows nowhere: the password would be sent along."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Site:
    """A web address and how to ask there.

    Args:
        url: ``http://`` or ``https://``, with a path if it has one.
        login: ``user:password``; that of the environment if None.
        timeout: Seconds until an answer is given up.
        wait: Lets seconds pass between attempts.

    Raises:
        ValueError: If the address is none, or holds a password.
    """

    def __init__(
        self,
        url: str,
        *,
        login: str | None = None,
        timeout: float = 60.0,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self.url = check_url(url)
        self.login = os.environ.get(LOGIN, "") if login is None else login
        self._timeout, self._wait = timeout, wait
        self._opener = urllib.request.build_opener(_Stay)

    @property
    def headers(self) -> dict[str, str]:
        """What a request needs to be let in (RFC 7617)."""
        if not self.login:
            return {}
        return {"Authorization": f"Basic {base64.b64encode(self.login.encode()).decode()}"}

    def get(self, path: str, most: int = 1 << 30) -> bytes:
        """What lies at a path.

        Args:
            path: Below the address.
            most: Bytes beyond which it is refused.

        Raises:
            ArchiveAway: If the archive does not answer, after some attempts.
            ArchiveError: If it refuses, or the answer is too large.
        """
        for attempt in range(1, ATTEMPTS):
            try:
                return self._once(path, most)
            except ArchiveAway:
                self._wait(0.5 * 2**attempt)
        return self._once(path, most)

    def get_json(self, path: str) -> Any:
        """The same, as JSON values.

        Args:
            path: Below the address.

        Raises:
            ArchiveAway: If the archive does not answer.
            ArchiveError: If it refuses, or answers no JSON.
        """
        try:
            return json.loads(self.get(path))
        except ValueError:
            raise ArchiveError(f"{self.url} answers no JSON: is it the address of an Orthanc?") from None

    def _once(self, path: str, most: int) -> bytes:
        request = urllib.request.Request(f"{self.url}{path}", headers=self.headers)
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                data: bytes = answer.read(most + 1)
        except urllib.error.HTTPError as error:
            error.close()
            raise refusal(self.url, error.code) from None
        except (OSError, HTTPException) as error:
            raise ArchiveAway(f"{self.url} does not answer ({_reason(error)})") from None
        if len(data) > most:
            raise ArchiveError(f"{self.url} has an instance of more than {most} bytes")
        return data


def check_url(url: str) -> str:
    """An address without the slash at its end.

    Args:
        url: What is given.

    Raises:
        ValueError: If it is no http or https address, or holds a password.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("an archive's address is http://HOST:PORT or https://HOST:PORT, with a path if it has one")
    if parts.username or parts.password:
        raise ValueError(f"an address holds no password: everyone sees a command line; set {LOGIN}=user:password")
    return url.rstrip("/")


def refusal(url: str, code: int) -> MedvlmError:
    """The error of an HTTP status.

    Args:
        url: Who answered.
        code: What.
    """
    if code in (401, 403):
        return ArchiveAway(f"{url} lets us not in (HTTP {code}): set {LOGIN}=user:password")
    if code in _LATER:
        return ArchiveAway(f"{url} is busy (HTTP {code})")
    return ArchiveError(f"{url} refuses (HTTP {code})")


def _reason(error: Exception) -> str:
    """Why, without the request: its path may name a study."""
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    return (cause.strerror if isinstance(cause, OSError) else None) or type(cause).__name__
