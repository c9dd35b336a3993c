"""How answers rule choices out, and name another in the same breath, in the languages that are promised.

`Not A but B`, `nicht A, sondern B`, `AではなくBです`, `ليس A بل B`, `A değil, B`: patterns for text whose
characters have ordinary width and whose runs of whitespace are one character.
"""
# ruff: noqa: RUF001 - the characters are what texts are written in

_BRACKETS = r"[(\[*_`]{0,4} ?"
_CLOSED = r"[)\]*_`]{0,4}"
_NOUN_WORDS = (
    "option|choice|letter|answer|antwort|lösung|réponse|lettre|opción|letra|respuesta|opção"
    "|resposta|alternativa|opzione|lettera|risposta|optie|antwoord|opcja|odpowiedź|вариант|ответ"
    "|варіант"
    "|відповідь"
    "|şık|seçenek|pilihan|opsi|jawaban|đáp án|phương án|câu|chaguo|jibu|الخيار|الإجابة|विकल्प|বিকল্প"
)
_NOUN = f"(?: (?:{_NOUN_WORDS}))?"
_ARTICLE = "(?: (?:the|die|der|das|la|le|el|il|lo|a|o|de|het|l'option|l'opzione))?"
_NOT = (
    "(?:not|nor|neither|nicht|weder|noch|kein(?:e|er|es)?|pas|non|né|no|não|nem|niet|geen|nie|ani"
    "|не|ни|ні"
    "|bukan(?:lah)?|tidak|không phải|si|sio)"
)
_ITEM = "(?:选项|選項|選択肢|答案|[项項])"
_IS = "(?: (?:be|es|est|é|è|jest|to|là|it|sería|seria))?"
_BEFORE = f"(?:\\b{_NOT}|n't){_IS}{_ARTICLE}{_NOUN}"
_BEFORE_UNSPACED = (
    "ไม่ใช่(?:ข้อ)?|(?:ليست?|وليست?|غير)(?: الخيار| الإجابة| الحرف)?"
    "|[不非](?:是|为|為|选|選|选择|選擇)?(?:选项|選項)?"
)
_AFTER = (
    "değil(?:dir)?|नहीं(?: है)?|নয়|না|కాదు|(?:이|가|은|는)? ?아니(?:라|고|며|ㄹ|다)|(?:이|가|은|는)? ?아닙니다"
    "|(?:では|じゃ)なくて?|(?:では|じゃ)ありません"
)
_BUT = (
    "(?:but(?: rather| instead| actually)?|rather|instead|sondern|mais(?: plutôt| bien)?|plutôt"
    "|sino(?: que)?"
    "|mas(?: sim)?|e sim|ma(?: bensì)?|bensì|maar(?: wel)?|lecz|tylko|ale|а|но|але|melainkan|tetapi"
    "|tapi"
    "|mà(?: là)?|nhưng(?: là)?|bali|lakini|แต่(?:เป็น|คือ)?|بل(?: هو| هي)?|وإنما|ولكن|لكن|而是|而应(?:该)?选)"
)
_ITS_NAME = "it is|it's|is|es ist|ist es|es|c'est|est|é|è|to|jest|это|це|ni|adalah|là|هو|هي"
_IT_IS = f"(?: (?:{_ITS_NAME}))?"
_OR = (
    "(?:or|nor|and|oder|und|noch|ou|et|o|y|e|u|ni|né|nem|ani|lub|или|и|ни|або|ні|atau|dan|hoặc|au|na|wala"
    "|ولا|أو|و)"
)
_AND_NOT = (
    "(?:rather than|instead of|(?:and|und|et|y|e|en|i|a|и|а|dan)? ?(?:not|nicht|non|pas|no|não|niet"
    "|nie|не|bukan)"
    "|statt|anstelle von|plutôt que|au lieu de|en lugar de|em vez de|invece di|in plaats van"
    "|zamiast|вместо"
    "|daripada|thay vì|badala ya|وليس|وليست|而不是|而非)"
)
_NOT_SAID_FIRST = "không phải(?: là)?|sio?|ليست?|[不非](?:是|选|選)?(?:选项|選項)?|ไม่ใช่(?:ข้อ)?"
_AFTER_ALL = "(?: ?(?:बल्कि|বরং|aksine|बल्की|むしろ|오히려))?"

RULED_OUT_BEFORE = (
    f"{_BEFORE} ?[(\\[*_`]{{0,4}}|(?:\\bexcept|\\bunlike|\\bwithout)(?: option| choice"
    f"| answer)?\\W{{0,4}}"
    f"|(?:{_BEFORE_UNSPACED}) ?[(\\[*_`]{{0,4}}"
    "|[不非别別勿](?:应该?|應該?|能|可|该|會|会)?(?:选择|選擇|选|選|是|为|為)?(?:选项|選項)?\\W{0,4}"
    "|排除(?:了)?(?:选项|選項)?\\W{0,4}"
    "|(?:ليست?|لا أختار|لن أختار|وليس|غير) ?(?:الخيار )?\\W{0,4}"
)
"""What stands directly before a choice that is not meant."""

_FALSE = (
    "not\\b|n't\\b|wrong|incorrect|false|ruled out|impossible|nicht\\b|falsch|inkorrekt|ausgeschlossen"
    "|pas\\b|fau(?:x|sse)|incorrecte?|incorrect[ao]|fals[ao]|errónea?|errad[ao]|sbagliat[ao]"
    "|errat[ao]|scorrett[ao]"
    "|incorret[ao]|niet\\b|fout|onjuist|błędn|niepoprawn|nieprawidłow|неверн|неправил|невірн|yanlış"
    "|salah"
    "|sai\\b|không đúng|si sahihi|si\\b|makosa"
)
_VERB = "(?:is|are|was|isn|wasn|ist|est|es|é|è|está|jest|to|là|ni|adalah)"
_ADVERB = (
    "(?: (?:also|clearly|definitely|likewise|auch|aussi|também|también|anche|ook|też|тоже|juga|cũng"
    "|pia))?"
)
_VERDICT = (
    "no|not (?:correct|right|true)|nein|non|não|nie|nee|нет|ні|wrong|incorrect|false|falsch|faux|fals[ao]"
    "|incorrect[ao]|sbagliat[ao]|errad[ao]|fout|onjuist|błędn[aey]|неверно|невірно|yanlış|salah|sai|makosa"
    "|否|いいえ|لا|아니[오요]|नहीं|না|ไม่"
)
_NEGATION = "(?:not\\b|n't\\b|nicht\\b|pas\\b|niet\\b)"
_ON_THE_CHOICE = (
    "(?: ?(?:an?|the|die|das|eine?|la|une|de|het|een)\\b)?"
    "(?: ?(?:quite|really|right|correct|richtige|korrekte|bonne|juiste))?"
    " ?(?:correct|right|true|valid|accurate|possible|plausible|best\\b|it\\b|answer|option|choice"
    "|richtig|korrekt|wahr|möglich|antwort|lösung|juste|vrai|bon|réponse|juist|goed|waar|mogelijk|antwoord"
    "|[^\\w ]|$)"
)
"""What makes a sentence behind a choice one about the choice: `is not correct`, not `is not affected`."""

_ENDS = "(?=[.!;,。、،]| ?[—–-] |$)"
RULED_OUT_AFTER = (
    f"(?P<sentence>{_VERB}{_ADVERB} ?{_NEGATION}(?!{_ON_THE_CHOICE}))"
    f"|(?:{_VERB}{_ADVERB} ?)(?:{_FALSE})"
    "|(?P<verb>[—–-] ?(?:неверн|неправил|невірн|не\\b)|(?<= )ليست?(?!\\w))"
    "|(?<= )(?:n'est pas|no está|não é|não está|non è|nie jest|не является)"
    "|(?P<particle>(?:は|が|も)(?:正解|正しい答え|答え)?(?:では|でも|じゃ)(?:ない|ありません)"
    "|(?:は|が|も)(?:間違|誤|不正解|不適切|正しくな|違)|(?:では|じゃ)(?:ない|ありません|なく)"
    "|(?:번 ?(?:(?:이|가|은|는) ?)?|(?:이|가|은|는) ?)(?:아니|아닙|틀[렸리린]))"
    f"|{_ITEM}?(?:是|明显|显然)(?:不正确|不正確|错|錯|不对|不對|有误|有誤)"
    "|(?P<text>"
    "(?<= )(?:no es|не\\b|bukan|salah|tidak benar"
    "|(?:(?:является|є) )?(?:невер(?:н|ен\\b)|неправил|невірн|ошибоч|хибн)"
    "|sai\\b|không đúng|không phải|si sahihi|yanlış|değil|नहीं|गलत|ভুল|নয়|కాదు|తప్పు|neither"
    "|either\\b|non plus|auch nicht"
    "|tampoco|também não|neanche)"
    f"|{_ITEM}?(?:不正确|不正確|错|錯|不对|不對|有误|有誤)"
    "|(?<= )(?:خاطئة?|خطأ|غير صحيحة?)(?!\\w)"
    "|(?:아니|아닙|틀[렸리린])|(?:ไม่ใช่|ไม่ถูก|ผิด)"
    f"|(?:(?<=[:)—–-])|(?<=[:)—–-] ))(?:{_VERDICT}){_ENDS}"
    f"|(?<=[—–-] )(?:{_FALSE})"
    ")"
)
"""What stands after one, punctuation aside.

`text` is what may be the option's own text as well, and so is `sentence`, of which only the beginning is
read; `verb` is what may rule out another choice that follows, `particle` what belongs to the
label before it whatever stands between.
"""

LISTED = (
    f"{_CLOSED} ?[:)—–-] ?(?:{_VERDICT}|yes|ja|oui|s[íiì]|sim|tak|да|так|(?:in)?correct[aeo]?|right|true"
    "|richtig|korrekt|wahr|vrai|juste|verdader[ao]|verdadeir[ao]|cert[ao]|corrett[ao]|ver[ao]|juist|goed"
    "|верно|правильно|вірно|doğru|benar|đúng|sahihi|正确|正確|对|對|错误?|錯誤?|是|はい|نعم|예|네"
    f"|हाँ|হ্যাঁ|ใช่){_ENDS}"
)
"""What stands after a choice in a list of choices with a verdict on each: `A: no. B: yes.`"""

CONTRASTED = f"{_IS}{_ARTICLE}{_NOUN} ?{_BRACKETS}"
"""What stands between a `not` and the choice that it rules out."""

NOUN_BEFORE = f"(?:^|\\W)(?:{_NOUN_WORDS}|الحرف|{_ITEM}|選択肢|ข้อ|보기)s?[ (\\[*_`]{{0,5}}$"
"""What stands before a choice that is only called an option: the `Option` of `Option B is wrong`."""


def named_against_another(any_label: str, label: str) -> tuple[str, ...]:
    """Return patterns of a choice that is named against one ruled out just before.

    `any_label` is the pattern of any label, `label` the same as a group called `label`.
    """
    other = f"{_BRACKETS}{any_label}{_CLOSED}"
    others = f"{other}(?:(?:,? {_OR}|,)(?: {_NOT})?{_ARTICLE}{_NOUN} ?{other}){{0,4}}"
    named = f"{_IT_IS}{_ARTICLE}{_NOUN} ?{_BRACKETS}{label}"
    before = f"(?:(?i:{_BEFORE}|\\bni{_ARTICLE}{_NOUN}) ?|(?:{_BEFORE_UNSPACED}) ?)"
    return (
        f"{before}{others}[,;.،]? ?(?i:{_BUT}){named}",
        f"{before}{others}[,;.،] ?(?i:{_ITS_NAME}){_ARTICLE}{_NOUN} ?{_BRACKETS}{label}",
        f"^{_BRACKETS}{label}{_CLOSED} ?[,;—–-]? ?\\(?(?i:{_AND_NOT}{_IS}{_ARTICLE}{_NOUN}) ?{other}",
        f"^{_BRACKETS}{label}{_CLOSED} ?[,;،—–(-]{{1,2}} ?(?i:{_NOT_SAID_FIRST}) ?{other}",
        f"{other} ?(?:{_AFTER})[,;.、،。]? ?{_AFTER_ALL}{named}",
    )
