"""A DICOM node that takes studies in: C-ECHO and C-STORE (PS3.4 A and B), of all storage classes, in every syntax."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medvlm.archive.audit import Audit
from medvlm.archive.inbox import Inbox
from medvlm.archive.instance import Malformed, OwnTest, Unreadable, read_instance
from medvlm.study import need

if TYPE_CHECKING:
    from pynetdicom import AE
    from pynetdicom.association import Association
    from pynetdicom.events import Event

SUCCESS = 0x0000
NO_SUCH_CLASS = 0x0122
OUT_OF_RESOURCES = 0xA700
WRONG_DATA_SET = 0xA900
NOT_UNDERSTOOD = 0xC000
"""Statuses of C-STORE (PS3.4 table B.2-1, PS3.7 annex C)."""
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where a node listens, and to whom.

    Attributes:
        port: TCP port; 0 takes a free one.
        title: Its AE title; who calls another one is refused.
        address: Of the interface; others than this machine reach it only on another than loopback.
        allow: AE titles that may send; anyone on this machine if empty.
        most: Bytes of the largest instance.
        associations: How many may send at a time.
    """

    port: int
    title: str = "MEDVLM"
    address: str = "127.0.0.1"
    allow: Sequence[str] = ()
    most: int = 1 << 30
    associations: int = 10

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port={self.port}: expected 0 to 65535")
        for title in (self.title, *self.allow):
            check_title(title)
        if self.address not in LOOPBACK and not self.allow:
            raise ValueError(f"address={self.address!r} is open to others: name the AE titles that may send (allow)")


class Listener:
    """A node that puts what it receives into an inbox, undecoded.

    Success is answered when an instance is whole on the disk, never before. Reports of ours are taken and dropped.

    Args:
        door: Where it listens.
        inbox: Takes what comes.
        audit: Is told of associations and refusals.
        is_own: Whether an instance is a report of ours.

    Raises:
        ImportError: If pynetdicom is not installed.
    """

    def __init__(self, door: Door, inbox: Inbox, audit: Audit, is_own: OwnTest) -> None:
        need("pynetdicom", "pacs")
        self.door, self._inbox, self._audit, self._own = door, inbox, audit, is_own
        self._counts: dict[Association, Counter[str]] = {}
        self._sizes: dict[Association, int] = {}
        self._entity: AE | None = None
        self._closed = threading.Event()

    def start(self) -> int:
        """Listen, in threads of its own.

        Returns:
            The port.

        Raises:
            OSError: If the port is taken.
        """
        from pynetdicom import evt

        self._entity = self._make_entity()
        server = self._entity.start_server(
            (self.door.address, self.door.port),
            block=False,
            evt_handlers=[
                (evt.EVT_CONN_OPEN, without_delay),
                (evt.EVT_CONN_CLOSE, self._on_close),
                (evt.EVT_REQUESTED, self._on_request),
                (evt.EVT_REJECTED, self._on_reject),
                (evt.EVT_PDU_RECV, self._on_data),
                (evt.EVT_C_ECHO, self._on_echo),
                (evt.EVT_C_STORE, self._on_store),
            ],
        )
        if server is None:
            raise OSError(f"port {self.door.port} cannot be listened on")
        return int(server.server_address[1])

    def stop(self, patience: float = 5.0) -> None:
        """End: refuse new instances, let the one in hand be written, and close.

        Args:
            patience: Seconds that associations in progress have to end by themselves.
        """
        if self._entity is None:
            return
        self._closed.set()
        deadline = time.monotonic() + patience
        while self._counts and time.monotonic() < deadline:
            time.sleep(0.05)
        self._entity.shutdown()
        self._entity = None

    def _make_entity(self) -> AE:
        from pynetdicom import (
            AE,
            ALL_TRANSFER_SYNTAXES,
            AllStoragePresentationContexts,
            StoragePresentationContexts,
        )
        from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

        keep_quiet()
        entity = AE(ae_title=self.door.title)
        entity.require_called_aet = True
        entity.require_calling_aet = list(self.door.allow)
        entity.maximum_associations = self.door.associations
        entity.add_supported_context(Verification)
        known = [*AllStoragePresentationContexts, *StoragePresentationContexts]  # the second has retired classes too
        for name in sorted({str(context.abstract_syntax) for context in known}):
            entity.add_supported_context(name, ALL_TRANSFER_SYNTAXES)
        return entity

    def _on_request(self, event: Event) -> None:
        self._counts[event.assoc] = Counter()

    def _on_reject(self, event: Event) -> None:
        self._counts.pop(event.assoc, None)
        self._audit.note("rejected", peer=event.assoc.requestor.ae_title)

    def _on_close(self, event: Event) -> None:
        self._sizes.pop(event.assoc, None)
        counts = self._counts.pop(event.assoc, None)
        if counts:
            self._audit.note("received", peer=event.assoc.requestor.ae_title, counts=counts)

    def _on_data(self, event: Event) -> None:
        """Cut off who sends an instance beyond the limit, while it comes: it is collected in memory."""
        for item in getattr(event.pdu, "presentation_data_value_items", ()):
            value: bytes = item.presentation_data_value
            if value[0] & 1:  # of a command
                continue
            size = self._sizes.get(event.assoc, 0) + len(value) - 1
            self._sizes[event.assoc] = 0 if value[0] & 2 else size  # 2: the last fragment
            if size > self.door.most:
                self._audit.note("refused", peer=event.assoc.requestor.ae_title, code="too-large")
                event.assoc.abort(block=False)
                return

    def _on_echo(self, event: Event) -> int:
        self._audit.note("echo", peer=event.assoc.requestor.ae_title)
        return SUCCESS

    def _on_store(self, event: Event) -> int:
        status = self._store(event)
        if status != SUCCESS:
            self._counts[event.assoc]["refused"] += 1
            self._audit.note("refused", peer=event.assoc.requestor.ae_title, code=f"0x{status:04X}")
        return status

    def _store(self, event: Event) -> int:
        request: Any = event.request
        if self._closed.is_set():
            return OUT_OF_RESOURCES
        if request.AffectedSOPClassUID != event.context.abstract_syntax:
            return NO_SUCH_CLASS
        try:
            data = event.encoded_dataset()
            instance = read_instance(data)
        except Unreadable:
            return NOT_UNDERSTOOD
        except Malformed:
            return WRONG_DATA_SET
        if (instance.sop_class, instance.uid) != (request.AffectedSOPClassUID, request.AffectedSOPInstanceUID):
            return WRONG_DATA_SET
        counts = self._counts[event.assoc]
        if self._own(instance):
            counts["own"] += 1
            return SUCCESS
        try:
            counts["new" if self._inbox.put(instance, data) else "again"] += 1
        except OSError:  # the disk is full, or gone
            return OUT_OF_RESOURCES
        return SUCCESS


def without_delay(event: Event) -> None:
    """Send small packets at once: without this each instance waits 50 ms for a receipt (Nagle, delayed ACK).

    Args:
        event: ``EVT_CONN_OPEN`` of pynetdicom.
    """
    connection = event.assoc.dul.socket
    if connection is not None and connection.socket is not None:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def keep_quiet() -> None:
    """Let pynetdicom log nothing: its handlers print data sets, its errors the values that caused them."""
    from pynetdicom import _config

    _config.LOG_HANDLER_LEVEL = "none"
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)


def check_title(title: str) -> str:
    """An AE title (PS3.5 6.2, VR AE): 1 to 16 characters, no backslash, no control characters.

    Args:
        title: What is given.

    Raises:
        ValueError: If it is none.
    """
    if not 1 <= len(title.strip()) <= 16 or not title.isascii() or not title.isprintable() or "\\" in title:
        raise ValueError(f"AE title {title!r}: expected 1 to 16 ASCII characters, no backslash")
    return title
