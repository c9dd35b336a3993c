"""Languages that can be told apart, and the scripts that write them, counted by Unicode's script property."""

import regex

_BY_SCRIPT = {
    "Latn": "af az bs ca cs cy da de en eo es et eu fi fr ga gl ha hr ht hu id ig is it jv la lt lv"
    " lb mg ms mt nl nn no oc pl pt ro rw sk sl sn so sq st sv sw tl tr uz vi xh yo zu sr ku tk",
    "Cyrl": "be bg kk ky mk mn ru sr tg tt uk ba uz",
    "Arab": "ar arz ary fa ku ps ug ur",
    "Deva": "hi mr ne sa",
    "Beng": "bn as",
    "Hani": "zh yue wuu ja",
    "Hira": "ja",
    "Kana": "ja",
    "Hang": "ko",
    "Thai": "th",
    "Laoo": "lo",
    "Khmr": "km",
    "Mymr": "my",
    "Telu": "te",
    "Taml": "ta",
    "Mlym": "ml",
    "Knda": "kn",
    "Gujr": "gu",
    "Guru": "pa",
    "Orya": "or",
    "Sinh": "si",
    "Grek": "el",
    "Hebr": "he",
    "Geor": "ka",
    "Armn": "hy",
    "Ethi": "am",
}
_UNICODE_NAMES = {
    "Latn": "Latin",
    "Cyrl": "Cyrillic",
    "Arab": "Arabic",
    "Deva": "Devanagari",
    "Beng": "Bengali",
    "Hani": "Han",
    "Hira": "Hiragana",
    "Kana": "Katakana",
    "Hang": "Hangul",
    "Thai": "Thai",
    "Laoo": "Lao",
    "Khmr": "Khmer",
    "Mymr": "Myanmar",
    "Telu": "Telugu",
    "Taml": "Tamil",
    "Mlym": "Malayalam",
    "Knda": "Kannada",
    "Gujr": "Gujarati",
    "Guru": "Gurmukhi",
    "Orya": "Oriya",
    "Sinh": "Sinhala",
    "Grek": "Greek",
    "Hebr": "Hebrew",
    "Geor": "Georgian",
    "Armn": "Armenian",
    "Ethi": "Ethiopic",
}
_WRITTEN_TOGETHER = {
    "Hans": ("Hani",),
    "Hant": ("Hani",),
    "Jpan": ("Hani", "Hira", "Kana"),
    "Kore": ("Hang", "Hani"),
}
_NEAR = (
    "zh wuu yue",
    "no nn da",
    "hr bs sr",
    "id ms jv",
    "ar arz ary",
    "gl pt",
    "hi mr ne sa",
    "xh zu",
    "tt ba",
    "cs sk",
    "nl af",
    "ru uk be bg",
)
"""Languages that a sentence often cannot tell apart; one of them for another is not called drift
unless the other is much likelier."""

_WIDELY_WRITTEN = frozenset(
    "en zh ja ko de fr es pt it ru ar nl pl tr sv cs vi id und".split()  # noqa: SIM905 - nineteen codes in a line
)
"""Languages with much text on the web; what cannot be told is not called small."""

SCRIPTS = frozenset(_UNICODE_NAMES) | frozenset(_WRITTEN_TOGETHER)
_OF_SCRIPT = {script: tuple(codes.split()) for script, codes in _BY_SCRIPT.items()}
LANGUAGES = frozenset(code for codes in _OF_SCRIPT.values() for code in codes)
_LETTERS = regex.compile(
    "|".join(rf"(?P<{code}>\p{{Script={name}}}+)" for code, name in _UNICODE_NAMES.items())
)


def scripts_of(language: str) -> frozenset[str]:
    """Return the ISO 15924 codes of the scripts that a language is written in."""
    scripts = frozenset(script for script, codes in _OF_SCRIPT.items() if language in codes)
    return scripts | {"Hani"} if language == "ko" else scripts


def unicode_scripts(script: str) -> frozenset[str]:
    """Return the scripts that a code stands for: `Jpan` is three of them."""
    return frozenset(_WRITTEN_TOGETHER.get(script, (script,)))


def letters_by_script(text: str) -> dict[str, int]:
    """Count the letters of every script; what belongs to none of them is not counted."""
    counts: dict[str, int] = {}
    for match in _LETTERS.finditer(text):
        script = str(match.lastgroup)
        counts[script] = counts.get(script, 0) + len(match[0])
    return counts


def kin(language: str) -> frozenset[str]:
    """Return a language and those that a sentence often cannot tell from it."""
    near = next((group.split() for group in _NEAR if language in group.split()), [])
    return frozenset((language, *near))


def is_low_resource(language: str) -> bool:
    """Whether a language has little text on the web, by a coarse list of those that have much."""
    return language not in _WIDELY_WRITTEN
