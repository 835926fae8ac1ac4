"""Radiographs with one bright side, a model that only says which, and a real archive."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medvlm.answer import Answer
from medvlm.archive.instance import Instance, read_instance
from medvlm.predictor import Predictor, load

CANARY = "Zebedee^Quux"
PASSWORD = "watch:correct horse"
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
Draw = Callable[..., bytes]


@pytest.fixture(scope="session")
def draw() -> Draw:
    """The bytes of a frontal radiograph with an opacity on one side of the patient, as pydicom writes them."""
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian

    def make(
        side: str = "left", study: str = "1.2.3", number: int = 1, inverted: bool = False, syntax: str = "", **more: Any
    ) -> bytes:
        pixels = np.random.default_rng(number).integers(500, 700, (64, 64), np.uint16)
        columns = slice(40, 56) if side == "left" else slice(8, 24)  # the patient's left is on the right of the picture
        pixels[20:50, columns] += 3000
        data = Dataset()
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.1.1")
        data.StudyInstanceUID, data.SeriesInstanceUID = study, f"{study}.1"
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = UID(f"{study}.1.{number}")
        data.Modality, data.SeriesNumber, data.InstanceNumber, data.ViewPosition = "DX", 1, number, "PA"
        data.PatientOrientation, data.PatientID = ["L", "F"], "QUUX-4711"
        for keyword in ("PatientName", "StudyDescription", "SeriesDescription", "InstitutionName", "PatientComments"):
            setattr(data, keyword, CANARY)
        data.Rows, data.Columns, data.SamplesPerPixel, data.PixelRepresentation = 64, 64, 1, 0
        data.BitsAllocated, data.BitsStored, data.HighBit = 16, 12, 11
        data.PhotometricInterpretation = "MONOCHROME1" if inverted else "MONOCHROME2"
        data.PixelData = (4095 - pixels if inverted else pixels).astype(np.uint16).tobytes()
        for keyword, value in more.items():
            setattr(data, keyword, value)
        if syntax:
            data.compress(syntax, generate_instance_uid=False)
        buffer = BytesIO()
        data.save_as(buffer, enforce_file_format=True)
        return buffer.getvalue()

    return make


@pytest.fixture(scope="session")
def instance(draw: Draw) -> Callable[..., tuple[Instance, bytes]]:
    """A radiograph and what its header says."""

    def make(**more: Any) -> tuple[Instance, bytes]:
        data = draw(**more)
        return read_instance(data), data

    return make


class SideReader(Predictor):
    """Says on which side the brighter half of the pixels is, and nothing else: what it is given decides it."""

    def answer(self, asks: Any, **_: Any) -> list[list[Answer]]:
        return [self._answers(shown, samples) for shown, samples in asks]

    def _answers(self, shown: Sequence[Any], samples: Sequence[Any]) -> list[Answer]:
        pixels = shown[0].pixels.float().mean(0)
        half = pixels.shape[1] // 2
        side = "right" if pixels[:, :half].mean() > pixels[:, half:].mean() else "left"
        report = f"FINDINGS: Large {side} pleural effusion. IMPRESSION: {side.capitalize()} effusion."
        origin = self.provenance(shown, max_new_tokens=1)
        texts = [report if sample.kind == "report" else "Yes" for sample in samples]
        return [
            Answer(one.question, one.kind, text, text, text.lower(), "", None, None, (), "", 0.9, True, origin)
            for one, text in zip(samples, texts, strict=True)
        ]


@pytest.fixture(scope="session")
def reader(model_folder: Path) -> Predictor:
    plain = load(model_folder, device="cpu")
    return SideReader(plain.model, plain.processor, plain.identity)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def port() -> int:
    return free_port()


class Archive:
    """A running Orthanc, spoken to without any code of ours."""

    def __init__(self, folder: Path, node: int) -> None:
        self.http, self.dicom, self.title = free_port(), free_port(), "ORTHANC"
        self.url = f"http://127.0.0.1:{self.http}"
        settings = {
            "Name": "test", "StorageDirectory": str(folder), "IndexDirectory": str(folder),
            "RemoteAccessAllowed": False, "HttpPort": self.http, "DicomPort": self.dicom, "DicomAet": self.title,
            "DicomCheckCalledAet": True, "StableAge": 1, "ConcurrentJobs": 1,
            "AuthenticationEnabled": True, "RegisteredUsers": dict([PASSWORD.split(":")]),
            "DicomModalities": {"medvlm": ["MEDVLM", "127.0.0.1", node]},
            "Plugins": [str(PLUGIN)] if PLUGIN.exists() else [],
        }  # fmt: skip
        (folder / "orthanc.json").write_text(json.dumps(settings))
        self.log = (folder / "orthanc.log").open("wb")
        self.process = subprocess.Popen(["Orthanc", str(folder / "orthanc.json")], stdout=self.log, stderr=self.log)

    def ask(self, path: str, data: bytes | None = None, method: str | None = None) -> Any:
        token = base64.b64encode(PASSWORD.encode()).decode()
        request = urllib.request.Request(self.url + path, data, {"Authorization": f"Basic {token}"}, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            body = answer.read()
        return json.loads(body) if answer.headers["Content-Type"].startswith("application/json") else body

    def wait_up(self) -> None:
        for _ in range(200):
            try:
                self.ask("/system")
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError("Orthanc did not start")

    def wait_stable(self, count: int) -> None:
        """Wait until so many changes say that a study became stable."""
        for _ in range(200):
            changes = self.ask("/changes?limit=1000")["Changes"]
            if sum(one["ChangeType"] == "StableStudy" for one in changes) >= count:
                return
            time.sleep(0.05)
        raise RuntimeError("no study became stable")

    def objects(self) -> dict[str, Any]:
        """All that it holds, by SOP instance UID, as pydicom reads it."""
        from pydicom import dcmread

        files = [dcmread(BytesIO(self.ask(f"/instances/{name}/file"))) for name in self.ask("/instances")]
        return {str(one.SOPInstanceUID): one for one in files}

    def stop(self) -> None:
        self.process.kill()  # its folder is temporary; an orderly end takes it seconds
        self.process.wait(20)
        self.log.close()


@pytest.fixture
def archive(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Archive]:
    if shutil.which("Orthanc") is None:
        pytest.skip("no Orthanc on PATH: apt-get install orthanc")
    running = Archive(tmp_path_factory.mktemp("orthanc"), port)
    try:
        running.wait_up()
        yield running
    finally:
        running.stop()
