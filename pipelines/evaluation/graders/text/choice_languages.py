"""How answers in languages other than English declare a choice.

Patterns for text whose characters have ordinary width and whose runs of whitespace are one character.
"""
# ruff: noqa: RUF001 - the characters are what texts are written in

_FINAL = "(?:正确|正確|最终|最終|最佳|最合适|最合適|最恰当)的?"
_CHINESE_NOUN = (
    f"(?:{_FINAL})?(?:答案|选项|選項|选择|選擇)|正解"
    "|(?:正确|正確|对|對|最合适|最合適|最恰当)的(?=应|應|就|是|为|為|:)"
)
_CHINESE_IS = " ?(?:(?:就|应该?|應該?|只能|当然)?(?:是|为|為|选|選)|[:=])"
_CHINESE_CHOOSES = "(?<![不别別勿])(?:选择|選擇|选|選)(?![项項])[项項]?"
_ITEM = "(?:选项|選項|選択肢|答案|[项項])"

_JAPANESE_NOUN = (
    "(?:(?:正しい|最終的な|最も適切な|適切な)(?:答え?|回答|解答|選択肢|もの|の)"
    "|(?:私の|この問題の)?(?:答え?|回答|解答|正解|選択肢))"
)

_ARABIC_NOUN = "(?:الإجابة|الاجابة|الجواب|الخيار|الاختيار|الحل|إجابتي|جوابي|اختياري|خياري)"
_ARABIC_IT_IS = "(?:إنها|إنه|هي|هو)"
_ARABIC_RIGHT = "(?:الصحيحة?|النهائية?|الأصحّ?|الأنسب|المناسبة?)"

_ROMANCE = (
    "(?:(?:la |le |il |a |o )?"
    "(?:respuesta|réponse|risposta|resposta|opción|opção|opzione|letra|lettre|lettera|alternativ[ae])"
    "(?: (?:correcta|correcte|corretta|correta|exacte|juste|giusta|certa|final|finale))?"
    "(?: (?:es|est|è|é|sería|seria|serait|sarebbe))(?: (?:la|el|l'option|a|o|le|il))?"
    "(?: (?:opción|opção|opzione|letra|lettre|lettera|alternativa))?)"
    "|(?:(?<!no )(?<!não )(?<!non )(?:es|è|é|c'est|sería|seria|serait|sarebbe) (?:la |a |l'|il |le |el )?"
    "(?:réponse|letra|lettre|lettera|opción|opção|opzione|option|alternativa|respuesta|resposta|risposta))"
)
_OTHERS = (
    "es ist(?: die| option| antwort)?",
    "(?:ich (?:wähle|nehme)|(?:je|j'ai) choisi[st]?|elijo|escolho|scelgo|ik kies|wybieram|выбираю|обираю"
    "|seçiyorum|saya (?:memilih|pilih)|ninachagua|tôi chọn|chọn|ตอบ(?:ข้อ)?|เลือก(?:ข้อ)?)"
    "(?: (?:la|a|l'))?"
    "(?: ?(?:option|opción|opção|opzione|optie|opcję|вариант|варіант|pilihan|opsi|chaguo|đáp án"
    "|phương án))?",
    "c'est(?: la| l'option| le)?",
    "(?:het|dit) is(?: optie| antwoord| de)?",
    "to (?:jest )?(?:odpowiedź|opcja)",
    "(?:poprawn[ay]|prawidłow[ay]) (?:odpowiedź|opcja)(?: to| jest|:)?",
    "(?:это|це)(?: вариант| варіант| ответ| відповідь)?",
    "(?:правильн(?:ый|ая)|верный|правильна|вірна) (?:вариант|ответ|варіант|відповідь) ?[—–:-]?",
    "doğru (?:cevap|yanıt|şık|seçenek)(?: ise|:)?",
    "(?:jawaban|pilihan|opsi)(?:nya|ku| saya)?(?: yang)? (?:benar|tepat)?(?: ?adalah| ?ialah)?"
    "(?: pilihan| opsi)?",
    "(?:chaguo|jibu)(?: sahihi| langu)?(?: ni)?(?: chaguo)?",
    "(?:đáp án|câu trả lời|phương án|lựa chọn)(?: đúng| chính xác| của tôi)? (?:là|:)(?: đáp án| phương án)?",
    "सही (?:उत्तर|विकल्प|जवाब)(?: है)?(?: विकल्प)?",
    "সঠিক (?:উত্তর|বিকল্প)(?: হল| হলো)?(?: বিকল্প)?",
    "సరైన (?:సమాధానం|ఎంపిక)(?: ఎంపిక)?",
    "(?:정답|답)(?:은|는)? ?(?:보기|선택지)?",
    "(?:odpowiedź|odpowiedzią) (?:to|jest)",
    "(?:jawabannya|jawaban(?: yang)? (?:benar|tepat)) (?:adalah|ialah)",
    "jibu (?:sahihi|ni sahihi) ni",
    "(?:đáp án|câu trả lời) (?:đúng|chính xác) là",
    "คำตอบ(?:ที่ถูกต้อง|ที่ถูก|สุดท้าย)? ?(?:คือ|:)(?: ?ข้อ)?",
    "(?:ответ|відповідь) ?[—–]",
)

_IS_RIGHT = (
    " ist (?:die |der )?(?:richtig|korrekt|antwort)\\w*",
    " est (?:la |l'|le )?(?:bonne|correcte?|exacte?|juste)\\b",
    " (?:es|é|è) (?:la |a |o |el |l')?(?:respuesta |resposta |risposta |opción |opção |opzione )?"
    "(?:correct[ao]|corrett[ao]|corret[ao]|cert[ao]|giust[ao]|esatt[ao])\\b",
    " is (?:het )?(?:juist|goed|correct)\\w*",
    " (?:jest|to) (?:poprawn|prawidłow|właściw)\\w*",
    " ?[—–-] ?(?:правильн|верн|вірн|это правильн)\\w*",
    " (?:верно|вірно|правильно)\\b",
    " (?:doğru|doğrudur|doğru cevaptır)(?!\\w)",
    " (?:adalah jawaban(?: yang)? (?:benar|tepat)|benar)\\b",
    " (?:là đáp án (?:đúng|chính xác)|đúng|là đúng|là câu trả lời đúng)(?!\\w)",
    " ?(?:ถูกต้อง|คือคำตอบ|เป็นคำตอบ)",
    " (?:ni sahihi|ndilo jibu|ndiyo sahihi|ni jibu sahihi)\\b",
    " सही (?:है|उत्तर है|विकल्प है)",
    " (?:সঠিক|ঠিক)(?: উত্তর)?(?!\\w)",
    " సరైన(?:ది| సమాధానం)",
    "(?: ?번)?(?:이|가) ?(?:정답|답|맞|옳)",
    " (?:صحيحة?|هي الصحيحة|هو الصحيح)(?!\\w)",
)
"""What stands after a choice that is called right."""


def declared_in_other_languages(label: str, spelled: str) -> tuple[str, ...]:
    """Return patterns of declarations; `label` is the pattern of any label, as a group called `label`.

    `spelled` is the same of labels as they are spelled, for words that ordinary sentences have as well.
    """
    opened = r" ?[(\[*_`]{0,4} ?"
    closed = f"{label}[)\\]*_`]{{0,4}}"
    return (
        f"(?:{_CHINESE_NOUN})(?:{_CHINESE_IS})+ ?{_ITEM}?{opened}{label}",
        f"(?:应该|應該|应当|應當|我认为|我認為|我觉得|我覺得|我想)(?:是|选|選)?(?:{_ITEM})?{opened}{label}",
        f"{closed} ?{_ITEM}?(?:是|才是)?(?:对|對|正确|正確)的?(?![错錯])(?=$|[。.!,;\\s])",
        f"{_CHINESE_CHOOSES}[::]?{opened}{label}",
        f"(?:而是|[,;]是|[,;] ?应?选){opened}{label}",
        f"{label}[)\\]*_`]{{0,4}} ?{_ITEM}?(?:是|为|為)?{_FINAL}(?:{_ITEM}|$|[。.!,;\\s])",
        f"{_JAPANESE_NOUN}(?:は|:|=)(?:選択肢)?{opened}{label}",
        f"{label}[)\\]*_`]{{0,4}} ?(?:が|は)(?:正解|正しい|答え|適切|最適)(?!く|では|でも|じゃ|とは)",
        f"{label}[)\\]*_`]{{0,4}} ?を(?:選[びぶん]|選択)(?!せ|ま?せん)",
        f"{closed}(?: ?번)?(?:입니다|이에요|예요|이다|(?:이)?라고 (?:생각|봅))",
        f"(?:^|[。、\\s]) ?[(\\[*_`]{{0,4}}{closed} ?(?:です|だ|である|となります|になります)[。.]?$",
        f"{closed} ?(?:だ|かな?|である)?と(?:思(?:います|う)|考え(?:ます|る)|判断します)",
        f"{closed} ?(?:でしょう|だろう)(?!か)",
        f"{_ARABIC_NOUN}(?: {_ARABIC_RIGHT})?(?: ?(?:هي|هو|:|=)){{0,2}}"
        f" ?(?:{_ARABIC_NOUN} |الحرف )?{opened}{label}",
        f"(?<!لا )(?<!لن )(?:أختار|اخترت|نختار)(?: الخيار| الإجابة)?{opened}{label}",
        f"(?:^|[.!،,] ){_ARABIC_IT_IS} (?:الخيار |الحرف |الإجابة )?{opened}{label}[)\\]*_`]{{0,4}}[.!]?$",
        f"{label}[)\\]*_`]{{0,4}} (?:هي|هو) (?:{_ARABIC_NOUN}|{_ARABIC_RIGHT})",
        f"(?i:\\b(?:{_ROMANCE})){opened}{label}",
        f"(?i:(?<!\\w)(?:{'|'.join(_OTHERS)})){opened}{label}",
        f"{spelled}[)\\]*_`]{{0,4}}(?i:{'|'.join(_IS_RIGHT)})",
    )
