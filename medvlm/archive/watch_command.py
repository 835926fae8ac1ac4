"""``medvlm watch``: studies that come to a node of its own, or into an Orthanc, are reported; reports go back."""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from medvlm.options import add_repair

if TYPE_CHECKING:
    from medvlm.archive.audit import Audit
    from medvlm.archive.inbox import Inbox
    from medvlm.archive.ledger import Ledger
    from medvlm.archive.listen import Listener
    from medvlm.archive.orthanc import Poller
    from medvlm.archive.send import Sender

PLACE = ".watch"
"""Folder in that of the reports: what came in, how far an archive was followed, what was sent."""
_HELD_HOURS = 24.0
_POLL_SECONDS = 2.0


def main(argv: Sequence[str] | None = None) -> int:
    """Watch until told to stop (SIGTERM, SIGINT): what is in hand is finished, what waits comes at the next start.

    Args:
        argv: Arguments; those of the process without it.

    Returns:
        0, or 1 if ``--once`` left a study for a later start.

    Raises:
        ValueError: If an address, AE title or number is none.
        OSError: If the port is taken, or another watch uses the folder.
        ImportError: If a package is not installed.
    """
    arguments = _parser().parse_args(argv)
    from medvlm.archive.audit import Audit
    from medvlm.archive.ledger import Ledger
    from medvlm.archive.watch import TICK, Reporter, Watch
    from medvlm.predictor import load
    from medvlm.reporting.writers import check_forms

    check_forms(arguments.write)
    out, stop = Path(arguments.out), threading.Event()
    with _alone(out / PLACE), _signals(stop):
        audit, ledger = Audit(out / "audit.jsonl", out / PLACE / "key"), Ledger(out / PLACE / "sent.jsonl")
        sender = _sender(arguments, ledger, audit, stop)
        inbox = _inbox(arguments, out / PLACE / "inbox")
        poller = None if arguments.orthanc is None else _poller(arguments, inbox, audit, ledger, stop)
        listener = None if arguments.listen is None else _listener(arguments, inbox, audit, ledger)
        reporter = Reporter(load(arguments.model), out, tuple(arguments.write), sender, audit, arguments.repair)
        watch = Watch(inbox, reporter.report, _say, audit, poller=poller, stop=stop)
        if listener is not None:
            door = listener.door
            _say(f"listening as {door.title} on {door.address}:{listener.start()}")
        audit.note("start")
        try:
            left = watch.run(every=TICK if poller is None else _POLL_SECONDS, once=arguments.once)
        finally:
            if listener is not None:
                listener.stop()
            audit.note("stop")
    _say("stopped: what waits is taken up at the next start" if stop.is_set() else f"done; {left} left for later")
    return 1 if left else 0


def _say(line: str) -> None:
    print(line, flush=True)


def _inbox(arguments: argparse.Namespace, folder: Path) -> Inbox:
    from medvlm.archive.inbox import Inbox

    held = _HELD_HOURS if arguments.listen is not None else 0.0
    hours = held if arguments.keep is None else arguments.keep
    return Inbox(folder, quiet=arguments.quiet_seconds, hold=None if hours < 0 else 3600 * hours)


def _sender(arguments: argparse.Namespace, ledger: Ledger, audit: Audit, stop: threading.Event) -> Sender | None:
    from medvlm.archive.destinations import destination
    from medvlm.archive.send import Sender

    if arguments.send is None:
        return None
    return Sender(destination(arguments.send, arguments.title), ledger, audit, wait=stop.wait)


def _poller(arguments: argparse.Namespace, inbox: Inbox, audit: Audit, ledger: Ledger, stop: threading.Event) -> Poller:
    from medvlm.archive.orthanc import Orthanc, Poller
    from medvlm.archive.web import Site

    archive = Orthanc(Site(arguments.orthanc, wait=stop.wait), most=arguments.largest << 20)
    place = Path(arguments.out) / PLACE / "place.json"
    return Poller(archive, inbox, audit, place, ledger.is_own, backlog=arguments.backlog)


def _listener(arguments: argparse.Namespace, inbox: Inbox, audit: Audit, ledger: Ledger) -> Listener:
    from medvlm.archive.listen import Door, Listener

    door = Door(
        port=arguments.listen,
        title=arguments.title,
        address=arguments.address,
        allow=tuple(arguments.allow),
        most=arguments.largest << 20,
    )
    return Listener(door, inbox, audit, ledger.is_own)


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """The folder for one process: two would report and send everything twice."""
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(place / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BlockingIOError("another watch uses this --out; stop it, or give another folder") from None
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _signals(stop: threading.Event) -> Iterator[None]:
    """Let SIGTERM and the first SIGINT end the watch in order; a second SIGINT ends it at once."""

    def end(number: int, _: object) -> None:
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="medvlm watch",
        description="Write a report for every study that comes, and send it back to the archive. Ended at any time, "
        "even killed, it goes on where it stopped. Not for clinical use.",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--listen", type=int, metavar="PORT", help="be a DICOM node that studies are sent to (C-STORE)")
    source.add_argument("--orthanc", metavar="URL", help="take the stable studies of an Orthanc")
    parser.add_argument("--out", required=True, help="folder of the reports; a folder for each study")
    parser.add_argument("--model", help="folder or Hub name; else $MEDVLM_MODEL, else the newest under checkpoints/")
    parser.add_argument("--send", metavar="TO", help="AE@HOST:PORT, or the address of a DICOMweb service; else nowhere")
    parser.add_argument(
        "--write",
        nargs="+",
        default=["sr"],
        metavar="FORM",
        help="forms of a report (default sr); DICOM forms are sent",
    )
    parser.add_argument("--title", default="MEDVLM", help="our AE title (default MEDVLM)")
    parser.add_argument("--allow", nargs="+", default=[], metavar="AE", help="AE titles that may send (default anyone)")
    parser.add_argument("--address", default="127.0.0.1", help="where to listen; another than loopback needs --allow")
    parser.add_argument(
        "--quiet-seconds",
        type=float,
        default=30.0,
        metavar="N",
        help="a study is complete after N seconds (default 30)",
    )
    parser.add_argument(
        "--keep", type=float, metavar="HOURS", help="how long received files stay (default 24; Orthanc 0; -1 for ever)"
    )
    parser.add_argument("--largest", type=int, default=1024, metavar="MIB", help="largest instance (default 1024)")
    parser.add_argument(
        "--backlog", action="store_true", help="report what the Orthanc held before the first start too"
    )
    parser.add_argument(
        "--once", action="store_true", help="end when what is there now (or the first study) is reported"
    )
    add_repair(parser)
    parser.epilog = "The password of an archive: MEDVLM_ARCHIVE_LOGIN=user:password."
    return parser
