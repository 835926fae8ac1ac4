"""Published weights that scores need: their files, where they are published, their licences; nothing is fetched."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medvlm.study import WeightsError


@dataclass(frozen=True, slots=True)
class Published:
    """Weights as others publish them.

    Attributes:
        name: Of the score.
        files: What must lie in the folder.
        where: Where they are published.
        licence: What is said there of their use; whoever downloads them agrees to it.
    """

    name: str
    files: tuple[str, ...]
    where: str
    licence: str

    def folder(self, folder: str | Path) -> Path:
        """The folder, if all files are in it.

        Args:
            folder: Where they should be.

        Raises:
            WeightsError: If one is absent; the message says where it is published, and its licence.
        """
        path = Path(folder).expanduser()
        absent = [name for name in self.files if not (path / name).exists()]
        if absent:
            raise WeightsError(
                f"{self.name}: {path} holds no {', '.join(absent)}. Published at {self.where}. "
                f"Licence: {self.licence}. Download {', '.join(self.files)} into a folder and name it: folder: FOLDER."
            )
        return path

    def refusal(self) -> WeightsError:
        """What is raised where no folder was named."""
        return WeightsError(
            f"{self.name} needs {', '.join(self.files)}, published at {self.where}. Licence: {self.licence}. Download "
            "them into a folder and name it: NAME=FOLDER."
        )


CHEXBERT = Published(
    "CheXbert",
    ("chexbert.pth", "config.json", "vocab.txt"),
    "huggingface.co/StanfordAIMI/RRG_scorers (chexbert.pth), huggingface.co/google-bert/bert-base-uncased (the others)",
    "that repository says MIT; the authors' own (github.com/stanfordmlgroup/CheXbert) licenses commercial use apart",
)
BERTSCORE = Published(
    "BERTScore",
    ("config.json",),
    "huggingface.co, for example distilbert/distilroberta-base or distilbert/distilbert-base-uncased, with tokenizer",
    "that of the model (both: Apache-2.0)",
)
RADGRAPH = Published(
    "RadGraph",
    ("config.json", "weights.th", "vocabulary"),
    "huggingface.co/StanfordAIMI/RRG_scorers (radgraph-xl.tar.gz, unpacked into radgraph-xl/)",
    "that repository says MIT; the original RadGraph is credentialed on PhysioNet",
)
RATE_NER = Published(
    "RaTEScore",
    ("ner/config.json", "embedding/config.json"),
    "huggingface.co/Angelakeke/RaTE-NER-Deberta (as ner/) and huggingface.co/FremyCompany/BioLORD-2023-C (embedding/)",
    "as said there; the code (github.com/Angelakeke/RaTEScore) is MIT",
)
RADCLIQ = Published(
    "RadCliQ",
    ("bertscore", "chexbert", "radgraph"),
    "the three that it is made of (distilroberta-base with bertscore.json of its layer and baseline; CheXbert; the "
    "original radgraph, or radgraph.jsonl of annotations)",
    "those of the three; the code (github.com/rajpurkarlab/CXR-Report-Metric) is MIT",
)
GREEN = Published(
    "GREEN",
    ("config.json", "prompt.txt"),
    "huggingface.co/StanfordAIMI/GREEN-radllama2-7b (prompt.txt: the prompt of its repository with {reference} and "
    "{candidate} where the reports go)",
    "as said there",
)
CRIMSON = Published(
    "CRIMSON",
    ("config.json", "prompt.txt"),
    "huggingface.co/rajpurkarlab/medgemma-4b-it-crimson (prompt.txt: the prompt of the package crimson-score with "
    "{reference} and {candidate} where the reports go)",
    "as said there; the package is MIT",
)
SRR_BERT = Published(
    "SRR-BERT",
    ("config.json",),
    "huggingface.co/StanfordAIMI/SRR-BERT-* (tokenizer: BiomedVLP-CXR-BERT-general)",
    "as said there",
)
