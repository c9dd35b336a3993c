"""Wordings of choices by language: which one is chosen, or none where an answer names none or several."""
# ruff: noqa: RUF001 - the characters are what texts are written in

import pytest

from quantgate.pipelines.domain.suites.suite import Message
from tests.support.grading.items import expecting, pure_grader

CHOOSE_B = {
    "en": [
        "not A but B", "Not A, but B.", "It is not A but B.", "The answer is not A but B.",
        "not (A) but (B)",
        "Not A. Not C. B.", "A is wrong. C is wrong. B.",
        "Neither A nor C, but B.", "It isn't A but B", "Not option A, but rather option B",
        "I think B.",
        "I believe it's B", "Not A or C but B", "not A, C, but B", "B rather than A",
        "B, not A", "A is incorrect; the answer is B",
    ],
    "de": [
        "Nicht A, sondern B.", "Die Antwort ist nicht A, sondern B.", "Es ist B.",
        "Ich wähle B.", "B ist richtig.",
        "Weder A noch C, sondern B", "B und nicht A", "B statt A",
        "B ist die richtige Antwort.", "Nicht A. Nicht C. B.", "Antwort: B",
    ],
    "fr": [
        "Pas A, mais B.", "Ce n'est pas A mais B.", "C'est la réponse B.", "La bonne réponse est la B",
        "La lettre correcte est B", "Ce n'est ni A ni C, c'est B.", "B et non A",
        "B est correct.", "B est la bonne réponse.", "C'est l'option B",
    ],
    "es": [
        "No A, sino B.", "No es A, sino B.", "No es la A sino la B.", "Es la letra B.",
        "La opción correcta es la B",
        "B es la respuesta correcta.", "Elijo la opción B", "La respuesta es B.", "Ni A ni C, sino B",
    ],
    "pt": [
        "é a letra B", "É a letra B.", "Não é A, mas sim B.", "Não A mas B", "A letra correta é B",
        "A alternativa correta é a B", "B é a resposta correta.", "É a opção B",
        "A resposta não é A, é B.", "Nem A nem C, mas B.", "Escolho a opção B",
    ],
    "it": [
        "Non A, ma B.", "Non è A ma B", "È la lettera B.", "La risposta giusta è la B", "B è corretta.",
        "Non è A, bensì B.", "Né A né C, ma B", "Scelgo B",
    ],
    "nl": [
        "Niet A, maar B.", "Het is niet A maar B", "Het is B.", "B is juist.", "Ik kies B",
        "Het antwoord is B",
    ],
    "pl": [
        "Nie A, lecz B.", "Nie A, tylko B.", "To odpowiedź B.", "Prawidłowa odpowiedź to B",
        "B jest poprawna.",
        "Wybieram B",
    ],
    "ru": [
        "Не A, а B.", "Не A, но B", "Это B.", "Это вариант B", "Правильный вариант — B",
        "B — правильный ответ",
        "Выбираю B",
    ],
    "uk": ["Не A, а B.", "Це B.", "Правильна відповідь — B", "Обираю варіант B"],
    "tr": ["A değil, B.", "A değil B", "Doğru cevap B'dir.", "Doğru şık B", "B doğru", "Cevap: B"],
    "id": [
        "Bukan A, melainkan B.", "bukan A tetapi B", "Saya memilih B",
        "B adalah jawaban yang benar", "Jawabannya B",
    ],
    "vi": [
        "Không phải A mà là B.", "Tôi chọn B", "B là đáp án đúng", "Phương án đúng là B",
        "Câu trả lời đúng là B",
    ],
    "sw": ["Si A bali B.", "Jibu ni B", "Chaguo sahihi ni B", "B ni sahihi"],
    "th": ["ไม่ใช่ A แต่เป็น B", "ตอบ B", "ตอบข้อ B", "คำตอบคือข้อ B", "B ถูกต้อง"],
    "ar": [
        "ليس A بل B", "ليس A ولا C بل B", "B وليس A", "ليست A بل B.", "الإجابة ليست A بل B",
        "ليس الخيار A بل الخيار B", "إنها B", "الحرف B",
        "الإجابة الصحيحة هي الحرف B", "B صحيحة",
    ],
    "hi": [
        "A नहीं, B", "A नहीं बल्कि B", "सही उत्तर B है", "सही विकल्प B है", "B सही है",
        "विकल्प B",
    ],
    "bn": ["A নয়, B", "A নয় বরং B", "সঠিক উত্তর B", "B সঠিক"],
    "te": ["A కాదు, B", "సరైన సమాధానం B", "B సరైనది"],
    "zh": [
        "正确的是B", "B是对的", "不是A而是B", "不是A，而是B。",
        "正确的应该是B", "应该是B", "我认为是B", "B对",
        "对的是B", "B才是对的", "答案不是A而是B", "A错误。C错误。B。",
    ],
    "ja": [
        "正解はAではなくBです", "AではなくB", "AじゃなくてBです。",
        "Bだと思います", "Bだと思う", "答えはBだと思います。",
        "Bでしょう", "Bが正しいと思います", "Aではありません。Bです。", "正しいのはAではなくBです",
    ],
    "ko": [
        "A가 아니라 B입니다", "A가 아니라 B", "B입니다.",
        "B가 정답입니다", "정답은 B번입니다", "답은 B예요", "B라고 생각합니다",
    ],
}  # fmt: skip

CHOOSE_NONE = {
    "en": [
        "not A but B or C", "Not A. Not B. Not C.", "Not A. B or C.", "not only A but also B",
        "A is wrong and B is unclear",
        "Not A. B. C.", "not A, B or C", "Neither A nor B",
        "A is wrong. B is wrong too. C is wrong.", "I think A and B",
        "Not A, but I think so", "A: wrong. C: wrong.", "I would not say B.", "Anything but B",
        "B can't be it", "A is not the answer", "It is not B.", "Not a but I",
    ],
    "de": [
        "Weder A noch B", "Nicht B.", "Es ist nicht B", "A oder B",
        "Nicht A, sondern B oder C", "B ist falsch.",
    ],
    "fr": ["Ni A ni B", "Ce n'est pas B", "B est faux.", "pas A mais B ou C"],
    "es": ["Ni A ni B", "No es B", "No es la letra B.", "B es incorrecta", "A o B"],
    "pt": ["Não é a letra B", "B está errada", "Nem A nem B"],
    "it": ["Non è B", "B è sbagliata"],
    "nl": ["Niet B", "B is fout"],
    "pl": ["Nie B"],
    "ru": [
        "Не B", "Это не B", "A или B", "Ответ B неверный", "B неверный.", "Ответ B неправильный",
        "Ответ B неверен", "Ответ B является неверным", "Вариант B ошибочный",
    ],
    "uk": ["Відповідь B неправильна", "Відповідь B є невірною.", "B хибна"],
    "tr": ["B değil", "A değil, B değil", "B yanlış"],
    "id": ["Bukan B", "B salah"],
    "vi": ["Không phải B", "B sai"],
    "sw": ["Si B", "Sio B"],
    "th": ["ไม่ใช่ B"],
    "ar": ["ليس B", "ليس A وليس B", "B خاطئة", "الإجابة ليست B"],
    "hi": ["B नहीं", "A नहीं, B नहीं", "B गलत है"],
    "bn": ["B নয়"],
    "te": ["B కాదు"],
    "zh": ["不是A也不是B", "B是错的", "正确的不是B", "我认为不是B", "A和B都是对的", "B不对", "不是A而是B或C"],
    "ja": [
        "AでもBでもない", "Bではないと思います", "Bではないでしょう",
        "正解はBではなく", "Bは違うと思います", "Bでしょうか？",
    ],
    "ko": ["B가 아닙니다", "B는 아니다", "B는 틀렸습니다"],
}  # fmt: skip


RULED_OUT_ASIDE = {
    "en": [
        "The answer is B — not C.", "The answer is B - not A.", "Answer: B – not D.",
        "The answer is B, not C.", "The answer is B; not A.", "The answer is B (not A).",
        "The answer is **B** - not **A**.", "I pick (B) — not (A).", r"\boxed{B} - not A",
        "**B** — not **A**", "B — not C.", "B - not A", "B; not A", "B (not A)", "Answer: B\nNot A.",
        "The answer is B. Neither A nor C fits.", "The answer is B) False, not A) True.",
    ],
    "de": [
        "Die richtige Antwort ist B – nicht A.", "Antwort: B; nicht A", "Antwort: B (nicht A)",
        "B – nicht A",
    ],
    "fr": ["La bonne réponse est B — pas A.", "La réponse est B, pas A.", "B - pas C"],
    "es": ["La respuesta es B — no A.", "La respuesta es B, no es A.", "B – no A"],
    "pt": ["A resposta é B – não A.", "B - não A"],
    "it": ["La risposta è B - non A.", "B – non A"],
    "nl": ["Het antwoord is B – niet A.", "B – niet A"],
    "pl": ["Odpowiedź: B – nie A.", "B – nie A"],
    "ru": ["Ответ: B — не A.", "Ответ: B, не A", "Ответ: B (не A)", "Ответ: B не A", "B — не A", "B, не A"],
    "uk": ["Відповідь: B — не A."],
    "tr": ["Cevap: B — A değil"],
    "id": ["Jawaban: B - bukan A", "Jawaban: B, bukan A."],
    "vi": ["Đáp án: B – không phải A", "B - không phải A"],
    "sw": ["Jibu: B - si A", "B - si A"],
    "ar": ["الإجابة: B - ليس A", "B - ليس A"],
    "hi": ["उत्तर: B - A नहीं"],
    "zh": ["答案：B——不是A", "答案是B，不是A。", "B，不是A", "B（不是A）"],
    "ja": ["答え：B（Aではない）"],
    "ko": ["정답: B - A가 아니라"],
}  # fmt: skip
"""Another one is ruled out behind a dash, a comma, a semicolon or a parenthesis."""

ITS_OWN_TEXT = {
    "en": [
        "B) False", "(B) False", "B: False", "**B) False**", "B) No", "B. No", "B: No", "B) None",
        "B: Not stated", "B) Neither", "B. Neither of them", "B) Incorrect, the man is tall",
        "The answer is B) False.", "Answer: B - False", "The answer is B - Not stated.",
        "Answer: **B) False**", "Answer: B: No", "(B) - Not stated",
        "B: No. A is wrong because it is red.", "B) False, not A) True",
        "B. is not affected by pressure.", "B. Is not affected by pressure", "B) isn't changed by heat",
        "**B.** was not seen by anyone",
    ],
    "de": [
        "Die Antwort ist B) Falsch.", "B) Nein", "B: Falsch", "Antwort: B - Falsch",
        "B) Nicht angegeben",
    ],
    "fr": ["B) Non", "B: Faux", "Réponse : B) Faux", "La bonne réponse est B) Faux."],
    "es": [
        "B) No es correcto", "La respuesta es B) No es correcto.", "B) Falso", "Respuesta: B - Falso",
    ],
    "pt": ["B) Não", "Resposta: B - Falso"],
    "it": ["Risposta: B) Falso", "B) No"],
    "nl": ["B) Niet waar", "Antwoord: B) Fout"],
    "pl": ["B) Nie"],
    "ru": ["B) Неверно", "Ответ: B — Неверно", "B) Не указано", "Ответ: B) Не указано"],
    "uk": ["Відповідь: B) Ні"],
    "tr": ["B) Yanlış", "Cevap: B) Yanlış"],
    "id": ["B) Salah", "Jawaban: B) Salah"],
    "vi": ["B) Sai", "Đáp án: B. Không đúng"],
    "sw": ["B) Si sahihi", "Jibu: B) Makosa"],
    "th": ["B) ผิด", "คำตอบคือ B) ไม่ใช่"],
    "ar": ["B) لا", "B) خطأ", "الإجابة: B) لا", "الإجابة هي B) خطأ"],
    "hi": ["B) नहीं", "उत्तर: B) नहीं"],
    "bn": ["সঠিক উত্তর: B) ভুল"],
    "te": ["సరైన సమాధానం: B) తప్పు"],
    "zh": ["B. 否", "答案：B. 否", "答案是B：错误", "B、错误", "（B）错误", "答案：B（错误）"],
    "ja": ["B) いいえ", "正解：B いいえ", "答え：B) 間違い"],
    "ko": ["B. 아니오", "정답: B. 아니요", "정답: B) 틀림"],
}  # fmt: skip
"""What follows the label is a negation because the option says so."""

VERDICTS = {
    "en": [
        "A: no. B: yes.", "B: no. A: yes.", "B) No. C) Yes.", "B: no, C.", "B - wrong; C - right.",
        "Answer: B - wrong; C - right.", "B: no\nC: yes", "Option B: wrong. Option C: right.",
        "(B) no, (C) yes", "B: No, because A is better", "B) No — C) Yes", "(B) is wrong",
        "I say **B** is wrong", "I would say B is wrong", "B. is not correct.", "B. Isn't right.",
        "B. is not the answer", "B) is not a valid choice", "B. is not.",
        "Option B – not plausible. C fits.",
        "The answer is not B — not C.", "B) False. A) True.",
    ],
    "de": ["B) nein, C) ja", "B: falsch. C: richtig.", "B – falsch; C – richtig"],
    "fr": ["B: faux. C: vrai.", "B) Non. C) Oui."],
    "es": ["B: falso. C: correcto."],
    "pt": ["B: não, C."],
    "it": ["B: sbagliato. C: giusto."],
    "nl": ["B: nee. C: ja."],
    "pl": ["B: nie. C: tak."],
    "ru": ["B — неверно.", "B — не правильный ответ.", "B: нет. C: да."],
    "vi": ["Phương án (B) sai."],
    "ar": ["الخيار (B) خطأ", "B: لا. C: نعم."],
    "hi": ["विकल्प (B) गलत है"],
    "zh": ["B：错误。C：正确。", "B：否；C：是", "选项（B）错误", "（B）是错误的"],
    "ja": ["B：いいえ。C：はい。", "答えはB、ではなくC"],
    "ko": ["(B)번은 틀렸습니다.", "B: 아니오. C: 예."],
}  # fmt: skip
"""Verdicts on several choices, or on one that is called wrong in a sentence."""


def table(rows: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(language, text) for language, texts in rows.items() for text in texts]


@pytest.mark.parametrize(
    ("language", "text"), table(CHOOSE_B) + table(RULED_OUT_ASIDE) + table(ITS_OWN_TEXT)
)
def test_a_choice_is_read_and_no_other(language: str, text: str) -> None:
    grade = pure_grader("choice").grade(text, expecting("B"))
    assert grade.correct, grade.reason
    assert grade.canonical == "choice B"
    for other in "AC":
        assert not pure_grader("choice").grade(text, expecting(other)).correct


@pytest.mark.parametrize(("language", "text"), table(CHOOSE_NONE) + table(VERDICTS))
def test_an_answer_that_names_none_or_several_stays_unread(language: str, text: str) -> None:
    for label in "ABC":
        grade = pure_grader("choice").grade(text, expecting(label))
        assert not grade.correct
        assert not grade.canonical.startswith("choice "), grade.canonical


def test_a_lone_label_with_a_negation_is_that_option() -> None:
    assert pure_grader("choice").grade("A) No", expecting("A")).correct


def test_the_text_that_the_question_gives_an_option_is_no_verdict_on_it() -> None:
    text = "B) False, as figure C shows."
    asked = Message(role="user", content="Do all animals fly?\nA) True\nB) False")
    grader = pure_grader("choice")

    assert grader.grade(text, expecting("B", messages=(asked,))).correct
    assert not grader.grade(text, expecting("B")).correct
    assert not grader.grade("B) False. A) True.", expecting("B", messages=(asked,))).correct


def test_the_table_is_as_large_as_it_should_be() -> None:
    assert len(table(CHOOSE_B)) + len(table(CHOOSE_NONE)) >= 120
    assert len(CHOOSE_B) == 22
