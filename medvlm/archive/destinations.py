"""Where reports go: a DICOM node by C-STORE (PS3.4 B), or a DICOMweb service by STOW-RS (PS3.18 10.5)."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from medvlm.archive.listen import check_title, keep_quiet, without_delay
from medvlm.archive.web import LOGIN, ArchiveAway, ArchiveError, Site, refusal
from medvlm.study import need

if TYPE_CHECKING:
    from pydicom import Dataset
    from pynetdicom.association import Association

_NODE = re.compile(r"(?P<title>[^@\\]{1,16})@(?P<host>\[[0-9A-Fa-f:.]+\]|[^@:/\[\]]+):(?P<port>[0-9]{1,5})")
_WARNINGS = range(0xB000, 0xC000)
_RESOURCES = range(0xA700, 0xA800)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an archive said of one object: the status, and whether it took it."""

    uid: str
    outcome: Literal["sent", "refused"]
    code: str


class Destination(Protocol):
    """Where objects go."""

    @property
    def name(self) -> str:
        """What tells it from others; it holds no password."""

    def send(self, objects: Sequence[Dataset]) -> Iterator[Outcome]:
        """Send objects, and say of each what became of it as soon as it is known.

        Raises:
            ArchiveAway: If it takes none now; those that were said are settled.
        """


class Node:
    """A DICOM node.

    Args:
        title: Its AE title.
        host: Its address.
        port: Its port.
        own_title: What we call ourselves.

    Raises:
        ImportError: If pynetdicom is not installed.
    """

    def __init__(self, title: str, host: str, port: int, own_title: str) -> None:
        need("pynetdicom", "pacs")
        self.title, self.host, self.port, self.own_title = check_title(title), host, port, check_title(own_title)
        self.name = f"{title}@{host}:{port}"

    def send(self, objects: Sequence[Dataset]) -> Iterator[Outcome]:
        """See `Destination.send`.

        Args:
            objects: As read from their files.

        Raises:
            ArchiveAway: If it does not answer, refuses us, or lacks space.
        """
        link = self._associate(objects)
        try:
            for one in objects:
                status = self._store(link, one)
                taken = status == 0 or status in _WARNINGS
                yield Outcome(str(one.SOPInstanceUID), "sent" if taken else "refused", f"0x{status:04X}")
        finally:
            if link.is_established:
                link.release()

    def _associate(self, objects: Sequence[Dataset]) -> Association:
        from pydicom.uid import ImplicitVRLittleEndian
        from pynetdicom import AE, evt

        keep_quiet()
        entity = AE(ae_title=self.own_title)
        for sop_class, syntax in sorted({(one.SOPClassUID, one.file_meta.TransferSyntaxUID) for one in objects}):
            entity.add_requested_context(sop_class, list(dict.fromkeys([syntax, ImplicitVRLittleEndian])))
        entity.acse_timeout = entity.connection_timeout = 30
        link = entity.associate(
            self.host, self.port, ae_title=self.title, evt_handlers=[(evt.EVT_CONN_OPEN, without_delay)]
        )
        if link.is_rejected:
            raise ArchiveAway(f"{self.name} refuses our AE title {self.own_title!r}, or its own: make it known there")
        if not link.is_established:
            raise ArchiveAway(f"{self.name} does not answer")
        return link

    def _store(self, link: Association, one: Dataset) -> int:
        """The status of one C-STORE; a node that takes no such objects says 0x0122 in the negotiation already."""
        if not any(context.abstract_syntax == one.SOPClassUID for context in link.accepted_contexts):
            return 0x0122
        try:
            answer = link.send_c_store(one)
        except RuntimeError:  # the association ended meanwhile
            raise ArchiveAway(f"{self.name} ended the association") from None
        if "Status" not in answer:
            raise ArchiveAway(f"{self.name} did not answer to an object")
        status = int(answer.Status)
        if status in _RESOURCES:
            raise ArchiveAway(f"{self.name} is out of resources (0x{status:04X})")
        return status


class Web:
    """A DICOMweb address that takes objects by STOW-RS.

    Args:
        site: The address.

    Raises:
        ImportError: If dicomweb-client is not installed.
    """

    def __init__(self, site: Site) -> None:
        need("dicomweb_client", "pacs")
        self._site = site
        self.name = site.url

    def send(self, objects: Sequence[Dataset]) -> Iterator[Outcome]:
        """See `Destination.send`; one request an object, so that one that is refused stops no other.

        Args:
            objects: As read from their files.

        Raises:
            ArchiveAway: If it does not answer, or does not let us in.
        """
        from dicomweb_client.api import DICOMwebClient
        from requests import RequestException

        for name in ("dicomweb_client", "urllib3"):  # what they log names studies
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        client = DICOMwebClient(self.name, headers=self._site.headers, chunk_size=1 << 30, timeout=60)
        client.set_http_retry_params(retry=False)
        for one in objects:
            try:
                answer = client.store_instances([one])
            except RequestException as error:
                if error.response is None:
                    raise ArchiveAway(f"{self.name} does not answer ({type(error).__name__})") from None
                problem = refusal(self.name, error.response.status_code)
                if not isinstance(problem, ArchiveError) or error.response.status_code == 404:
                    raise ArchiveAway(str(problem)) from None
                yield Outcome(str(one.SOPInstanceUID), "refused", f"HTTP-{error.response.status_code}")
                continue
            failed = answer.get("FailedSOPSequence") or ()
            code = f"0x{int(failed[0].FailureReason):04X}" if failed else "0x0000"
            yield Outcome(str(one.SOPInstanceUID), "refused" if failed else "sent", code)


def destination(text: str, own_title: str) -> Node | Web:
    """What ``--send`` names.

    Args:
        text: ``AE@HOST:PORT``, or the ``http(s)://`` address of a DICOMweb service.
        own_title: What we call ourselves to a DICOM node.

    Raises:
        ValueError: If it is neither.
        ImportError: If its package is not installed.

    Examples:
        >>> destination("PACS@10.0.0.5:104", "MEDVLM").name
        'PACS@10.0.0.5:104'
    """
    if "://" in text:
        return Web(Site(text))
    found = _NODE.fullmatch(text)
    if not found or not 1 <= int(found["port"]) <= 65535:
        raise ValueError(
            "where to send is AE@HOST:PORT, or the http(s) address of a DICOMweb service "
            f"(https://HOST/dicom-web; its password in {LOGIN})"
        )
    return Node(found["title"], found["host"].strip("[]"), int(found["port"]), own_title)
