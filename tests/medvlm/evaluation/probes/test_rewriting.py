"""Questions of released sets and their opposites, each read by hand; what is left, and why."""

from __future__ import annotations

import pytest

from medvlm.evaluation.probes.rewriting import negate

PAIRS = """
Is there a pneumothorax present?|Is there no pneumothorax present?
Is there cardiomegaly?|Is there no cardiomegaly?
Is there any hemorrhage?|Is there no hemorrhage?
Are there rib fractures present?|Are there no rib fractures present?
Are there any fractures in any of the ribs?|Are there no fractures in any of the ribs?
Is there evidence of an aortic aneurysm?|Is there no evidence of an aortic aneurysm?
is there a midline shift of the cerebral parenchyma?|is there no midline shift of the cerebral parenchyma?
Is there a pleural effusion|Is there no pleural effusion?
Is there anything abnormal about the heart size?|Is there nothing abnormal about the heart size?
IS there anything wrong with the lungs?|IS there nothing wrong with the lungs?
Is/Are there abnormalities in the patient's right lung?|Is/Are there no abnormalities in the patient's right lung?
Are/Is there kidneys in the picture?|Are/Is there no kidneys in the picture?
Are there some organs controlling heartbeat and breathing in this image?|
Is the heart enlarged?|Is the heart not enlarged?
Is the trachea midline?|Is the trachea not midline?
Is the heart abnormally large?|Is the heart not abnormally large?
Is this image abnormal?|Is this image not abnormal?
Is this patient intubated?|Is this patient not intubated?
Is the liver normal in size?|Is the liver not normal in size?
Are the lungs normal appearing?|Are the lungs not normal appearing?
Is the lung parenchyma well visualized?|Is the lung parenchyma not well visualized?
Is the air under the left hemidiaphragm pathologic?|Is the air under the left hemidiaphragm not pathologic?
Is subdiaphragmatic air present on the left side?|Is subdiaphragmatic air not present on the left side?
Is a pleural effusion present?|Is no pleural effusion present?
Is a pneumothorax present in the left apex?|Is no pneumothorax present in the left apex?
Is this lesion ring enhancing?|Is this lesion not ring enhancing?
Are abdominal fat pads prominently visualized?|Are abdominal fat pads not prominently visualized?
Are the borders of the mass well-defined ?|Are the borders of the mass not well-defined?
Was contrast used to take this image?|Was contrast not used to take this image?
Was IV contrast given to the patient?|Was IV contrast not given to the patient?
Does this patient have a pneumothorax?|Does this patient not have a pneumothorax?
Does this patient have any fractured ribs?|Does this patient not have any fractured ribs?
Does the heart appear enlarged?|Does the heart not appear enlarged?
Does the left humerus appear to be fractured?|Does the left humerus not appear to be fractured?
Did the patient have a cholecystectomy?|Did the patient not have a cholecystectomy?
Does the picture contain liver?|Does the picture not contain liver?
Does the lesion above enhance?|Does the lesion above not enhance?
Do you see a pleural effusion?|Do you see no pleural effusion?
Do the organs in the image exist in the head?|Do the organs in the image not exist in the head?
Does the larynx appear in the image?|Does the larynx not appear in the image?
Can brain edema be observed in the picture?|Can brain edema not be observed in the picture?
Can a pulmonary mass be appreciated?|Can no pulmonary mass be appreciated?
Can the kidneys be visualized in this CT scan?|Can the kidneys not be visualized in this CT scan?
Is there any effusion?|Is there no effusion?
Is the effusion large?|Is the effusion not large?
"""
LEFT = {
    "Are both kidneys visible?": "counts or compares",
    "Are there more than 5 enlarged (>1 cm) lymph nodes around the stomach": "counts or compares",
    "Is there any other alteration in the image?": "counts or compares",
    "Are all ribs fractured?": "counts or compares",
    "Is there no definitive border between the grey matter and white matter?": "denies already",
    "Is the chest free of effusion?": "denies already",
    "Isn't there an effusion?": "denies already",
    "was this image taken without motion artifact": "denies already",
    "Is the celiac trunk visualized and patent?": "hedged, or more than one statement",
    "Can this image highlight bone fractures (if present)?": "hedged, or more than one statement",
    "Are any of the patient's ribs fractured?": "no rule is sure of its grammar",
    "Is anything wrong in this image?": "no rule is sure of its grammar",
    "Is this a normal image?": "no rule is sure of its grammar",
    "Is the appendix seen in this image inflamed?": "no rule is sure of its grammar",
    "Is the descending aortic silhouette of normal size?": "no rule is sure of its grammar",
    "Is the enlarged heart failing?": "no rule is sure of its grammar",
    "Do any of the organs in the picture belong to the digestive system?": "no rule is sure of its grammar",
    "图中有肝脏吗\uff1f": "Chinese",
    "  ?": "empty",
}


@pytest.mark.parametrize("pair", PAIRS.strip().splitlines())
def test_a_question_gets_the_opposite_that_a_person_would_write(pair: str) -> None:
    question, _, opposite = pair.partition("|")
    assert negate(question).text == opposite


@pytest.mark.parametrize(("question", "why"), LEFT.items())
def test_what_is_not_sure_is_left_with_its_reason(question: str, why: str) -> None:
    found = negate(question)
    assert (found.text, found.why) == ("", why)


def test_an_opposite_is_never_negated_again() -> None:
    for pair in PAIRS.strip().splitlines():
        if opposite := pair.partition("|")[2]:
            assert negate(opposite).text == "" or "nothing" in opposite


def test_an_adjective_of_the_subject_is_not_denied() -> None:
    found = negate("Is a ring enhancing lesion present in the right lobe of the liver?")
    assert found.text == "Is no ring enhancing lesion present in the right lobe of the liver?"


def test_line_ends_spaces_and_decomposed_letters_do_not_matter() -> None:
    assert negate(" Is  the\r\nheart enlarged ?\r\n").text == "Is the heart not enlarged?"
    assert negate("Is there a Chiari malformation of Arnold\u2019s type?").text.startswith("Is there no Chiari")
    assert negate("Is the fove\u0301a visible?").text == "Is the fov\u00e9a not visible?"
