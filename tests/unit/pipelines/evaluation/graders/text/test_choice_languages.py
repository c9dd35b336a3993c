"""Choices as answers in Chinese, Japanese, Arabic and other languages declare them, and rule them out."""
# ruff: noqa: RUF001 - the characters are what texts are written in

import pytest

from tests.support.grading.items import expecting, pure_grader

CHOOSES_B = [
    "Ｂ",
    "（Ｂ）",
    "答案是Ｂ",
    "答案是B。",
    "答案：B",
    "正确答案是（B）。",
    "正确答案为 B",
    "正确的选项是B",
    "正确选项：B",
    "选B",
    "选择B",
    "我选择B",
    "我选B项",
    "应该选择B项。",
    "应选B",
    "故选B",
    "故选：B．",
    "因此，答案选B",
    "本题选B",
    "B是正确的",
    "B是正确答案",
    "B选项正确",
    "选项B正确",
    "选项B",
    "答案是选项B",
    "答案就是B",
    "答案应该是B",
    "最终答案是**B**",
    "答案是：【B】",
    "答案是「B」",
    "答えはBです。",
    "答えはＢです",
    "正解はBです",
    "正解：B",
    "正解は「B」です。",
    "正しい答えはBです",
    "正しいのはBです",
    "正しい選択肢はBです",
    "Bが正解です",
    "Bが正しいです",
    "Bです",
    "Bを選びます",
    "選択肢B",
    "答え：B",
    "解答：B",
    "回答はBです。",
    "الإجابة هي B",
    "الإجابة: B",
    "الإجابة الصحيحة هي B.",
    "الإجابة الصحيحة هي (B)",
    "الإجابة الصحيحة: B",
    "الجواب هو B",
    "الجواب: B",
    "الجواب الصحيح هو B",
    "الخيار B",
    "الخيار الصحيح هو B",
    "الخيار الصحيح هو الخيار B",
    "B هي الإجابة الصحيحة",
    "B هو الجواب الصحيح",
    "أختار B",
    "اختياري هو B",
    "\u200fالإجابة هي \u200eB\u200e.",
    "الإجابة هي: B",
    "정답은 B입니다",
    "답: B",
    "정답은 B",
    "정답: B",
    "उत्तर B है",
    "उत्तर: B",
    "सही उत्तर B है",
    "Đáp án là B",
    "Đáp án đúng là B",
    "Đáp án: B",
    "คำตอบคือ B",
    "คำตอบที่ถูกต้องคือ B",
    "Правильный ответ: B",
    "Правильный ответ — B",
    "Ответ: B",
    "Richtig ist B",
    "Die richtige Antwort ist B.",
    "La respuesta correcta es B",
    "La bonne réponse est B",
    "A resposta correta é a B",
    "Poprawna odpowiedź to B",
    "Doğru cevap B",
    "Doğru cevap: B",
    "Jawabannya adalah B",
    "Jawaban yang benar adalah B",
    "Jibu sahihi ni B",
    "Het juiste antwoord is B",
    "De juiste antwoord is: B",
    "La risposta corretta è B",
    "Ⓑ",
    "𝐁",
    "**Ｂ**",
    "Ｂ．巴黎",
    "B、巴黎",
    "B：巴黎",
    "B。巴黎",
    "B，因为",
    "不是A，而是B",
    "答案不是A，是B",
]


@pytest.mark.parametrize("text", CHOOSES_B)
def test_a_choice_is_read_in_every_language_that_is_promised(text: str) -> None:
    grade = pure_grader("choice").grade(text, expecting("B"))

    assert grade.correct, grade.reason


CHOOSES_NOT_B = [
    "不是B",
    "不选B",
    "答案不是B",
    "答案不是Ｂ。",
    "Bは間違いです",
    "Bではない",
    "Bではありません",
    "الإجابة ليست B",
    "ليس B",
    "A或B",
    "AとB",
    "A أو B",
    "选项B错误",
    "B是错误的",
    "A和B都对",
    "Bは正解ではありません",
    "B不正确",
    "不应选B",
    "A、B",
]


@pytest.mark.parametrize("text", CHOOSES_NOT_B)
def test_what_is_ruled_out_or_left_open_is_no_choice(text: str) -> None:
    assert not pure_grader("choice").grade(text, expecting("B")).correct


def test_labels_may_be_letters_of_another_script() -> None:
    grader = pure_grader("choice", choices=["أ", "ب", "ج", "د"])

    assert grader.grade("\u200fالإجابة الصحيحة هي (ب)\u200f", expecting("ب")).correct
    assert not grader.grade("الإجابة الصحيحة هي (ج)", expecting("ب")).correct


def test_labels_may_be_full_width_themselves() -> None:
    grader = pure_grader("choice", choices=["Ａ", "Ｂ"])

    assert grader.grade("答案是B", expecting("Ｂ")).canonical == "choice Ｂ"
