"""How answers in Chinese, Japanese, Arabic and some European languages declare and rule out a choice.

Patterns for text whose characters have ordinary width and whose runs of whitespace are one character.
"""

_FINAL = "(?:正确|正確|最终|最終|最佳|最合适|最合適|最恰当)的?"
_CHINESE_NOUN = f"(?:{_FINAL})?(?:答案|选项|選項|选择|選擇)|正解"
_CHINESE_IS = " ?(?:(?:就|应该?|應該?|只能|当然)?(?:是|为|為|选|選)|[:=])"
_CHINESE_CHOOSES = "(?<![不别別勿])(?:选择|選擇|选|選)(?![项項])[项項]?"
_ITEM = "(?:选项|選項|選択肢|答案|[项項])"

_JAPANESE_NOUN = (
    "(?:(?:正しい|最終的な|最も適切な|適切な)(?:答え?|回答|解答|選択肢|もの|の)"
    "|(?:私の|この問題の)?(?:答え?|回答|解答|正解|選択肢))"
)

_ARABIC_NOUN = "(?:الإجابة|الاجابة|الجواب|الخيار|الاختيار|الحل|إجابتي|جوابي|اختياري|خياري)"
_ARABIC_RIGHT = "(?:الصحيحة?|النهائية?|الأصحّ?|الأنسب|المناسبة?)"

_ROMANCE = (
    "(?:(?:la |le |il |a |o )?(?:respuesta|réponse|risposta|resposta|opción|opção|opzione)"
    " (?:correcta|correcte|corretta|correta|exacte|juste|giusta|certa)"
    " (?:es|est|è|é)(?: (?:la|el|l'option|a|o|la opción|a opção|l'opzione))?)"
)
_OTHERS = (
    "(?:odpowiedź|odpowiedzią) (?:to|jest)",
    "(?:jawabannya|jawaban(?: yang)? (?:benar|tepat)) (?:adalah|ialah)",
    "jibu (?:sahihi|ni sahihi) ni",
    "(?:đáp án|câu trả lời) (?:đúng|chính xác) là",
    "คำตอบ(?:ที่ถูกต้อง|ที่ถูก|สุดท้าย)? ?(?:คือ|:)",
    "(?:ответ|відповідь) ?[—–]",
)

RULED_OUT_BEFORE = (
    "[不非别別勿](?:应该?|應該?|能|可|该|會|会)?(?:选择|選擇|选|選|是|为|為)?(?:选项|選項)?\\W{0,4}"
    "|排除(?:了)?(?:选项|選項)?\\W{0,4}"
    "|(?:ليست?|لا أختار|لن أختار|وليس|غير) ?(?:الخيار )?\\W{0,4}"
)
"""What stands directly before a choice that is not meant."""

RULED_OUT_AFTER = (
    f" ?{_ITEM}?(?:是|明显|显然)?(?:不正确|不正確|错|錯|不对|不對|有误|有誤)"
    "|(?:は|が|も)(?:正解|正しい答え|答え)?(?:では|でも|じゃ)(?:ない|ありません)"
    "|(?:は|が|も)(?:間違|誤|不正解|不適切|正しくな|違)|(?:では|じゃ)(?:ない|ありません|なく)"
    "|\\W{0,3} (?:ليست?|خاطئة?|خطأ|غير صحيحة?)(?!\\w)"
)
"""What stands directly after one."""


def declared_in_other_languages(label: str) -> tuple[str, ...]:
    """Return patterns of declarations; `label` is the pattern of any label, as a group called `label`."""
    opened = r" ?[(\[*_`]{0,4} ?"
    return (
        f"(?:{_CHINESE_NOUN})(?:{_CHINESE_IS})+ ?{_ITEM}?{opened}{label}",
        f"{_CHINESE_CHOOSES}[::]?{opened}{label}",
        f"(?:而是|[,;]是|[,;] ?应?选){opened}{label}",
        f"{label}[)\\]*_`]{{0,4}} ?{_ITEM}?(?:是|为|為)?{_FINAL}(?:{_ITEM}|$|[。.!,;\\s])",
        f"{_JAPANESE_NOUN}(?:は|:|=)(?:選択肢)?{opened}{label}",
        f"{label}[)\\]*_`]{{0,4}} ?(?:が|は)(?:正解|正しい|答え|適切|最適)(?!く|では|でも|じゃ|とは)",
        f"{label}[)\\]*_`]{{0,4}} ?を(?:選[びぶん]|選択)(?!せ|ま?せん)",
        f"^ ?[(\\[*_`]{{0,4}}{label}[)\\]*_`]{{0,4}}(?:です|だ|である|となります)[。.]?$",
        f"{_ARABIC_NOUN}(?: {_ARABIC_RIGHT})?(?: ?(?:هي|هو|:|=)){{0,2}}"
        f" ?(?:{_ARABIC_NOUN} |الحرف )?{opened}{label}",
        f"(?<!لا )(?<!لن )(?:أختار|اخترت|نختار)(?: الخيار| الإجابة)?{opened}{label}",
        f"{label}[)\\]*_`]{{0,4}} (?:هي|هو) (?:{_ARABIC_NOUN}|{_ARABIC_RIGHT})",
        f"(?i:\\b{_ROMANCE}){opened}{label}",
        f"(?i:(?<!\\w)(?:{'|'.join(_OTHERS)})){opened}{label}",
    )
