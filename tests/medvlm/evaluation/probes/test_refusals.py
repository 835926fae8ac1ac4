"""Answers that decline, and those that only sound like it."""

from __future__ import annotations

import pytest

from medvlm.evaluation.probes.refusals import declines

DECLINED = """
This is not a chest radiograph.
This doesn't look like a chest x-ray
The image is not a medical image.
No, this is not a chest x-ray.
It isn't a radiograph
This image does not appear to be a medical image.
The image does not show a chest.
This picture does not contain any anatomy.
The image is blank.
This appears to be a checkerboard pattern.
The picture is random noise, so nothing can be said.
not a medical image
No image was provided.
Wrong modality.
I'm sorry, but I cannot help with that.
I cannot answer this question.
I am unable to provide a diagnosis.
As an AI, I am not able to interpret this
Unfortunately, I can't assist with this.
I can't see the image.
I cannot tell whether there is an effusion.
It cannot be determined from this image.
Cannot be assessed.
Unable to determine.
The image is not interpretable.
Insufficient information to answer.
There is not enough information.
The question does not apply to this picture.
I don't know
Unknown.
Not sure
N/A
Not applicable
Pneumonia cannot be excluded, but this is not a chest radiograph.
无法判断
这不是医学图像。
这张图片不是胸部X光片
不确定
没有提供图像
"""
ANSWERED = """
No
Yes.
Cannot exclude pneumonia.
Pneumonia cannot be excluded.
Pneumothorax cannot be ruled out
Small bleed could not be ruled out.
No evidence of pneumothorax.
No evidence to suggest pneumonia.
There is no abnormality in this image.
The heart is not enlarged.
This is not an abnormal scan.
This is not a fracture
I cannot see any effusion.
I can't identify a fracture.
Unable to identify any mass.
Not seen in this image
The pancreas is not seen.
The kidney is not present
The image shows no fracture
This image does not show a pneumothorax.
The image does not show any effusion
No image findings of edema
No chest x-ray abnormality.
The patient is not intubated
An unknown primary with metastases
Uncertain margins of the nodule
Inadequate inspiration
The image is normal
Chest X-ray
Noncontrast CT
没有
否
不包含
没有肺炎
不能排除肺炎
"""


@pytest.mark.parametrize("text", DECLINED.strip().splitlines())
def test_a_refusal_is_one(text: str) -> None:
    assert declines(text)


@pytest.mark.parametrize("text", [*ANSWERED.strip().splitlines(), "", "  \r\n"])
def test_an_answer_is_no_refusal(text: str) -> None:
    assert not declines(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("No effusion. The left base cannot be assessed.", False),
        ("The left base cannot be assessed. No effusion.", False),
        ("I'm sorry, I cannot write a report of this.", True),
        ("FINDINGS: This is not a chest radiograph.", True),
    ],
)
def test_a_report_may_leave_a_part_open(text: str, expected: bool) -> None:
    assert declines(text, "report") is expected


def test_line_ends_and_wide_letters_do_not_matter() -> None:
    assert declines("This\r\nis not a\u2028chest radiograph.")
    assert declines("\uff34\uff48\uff49\uff53 is not a medical image.")
