"""How assistants refuse, in the main languages, and how they help all the same.

Every phrase is an act of the speaker (`I can't help`, not `you can't park there`, not a mere apology).
"""

# ruff: noqa: RUF001, E501 - the characters are what texts are written in; a phrase table breaks where it can

import re

_HELP = (
    r"(?:help|assist|provide|answer|respond|fulfill?|comply|support|share|give|do (?:that|this|so)|create"
    r"|write|generate|produce|discuss|offer|encourage|condone|recommend|engage|participate|advise|suggest"
    r"|facilitate|promote|endorse|complete|continue|proceed|disclose|reveal|tell you|teach|guide|explain"
    r"|address|entertain|process|go (?:into|along)|make|describe|walk you|talk about|advocate)"
)
_ADVERBS = r"(?:(?:simply|really|just|possibly|ethically|also|therefore|definitely|in good conscience|not) ){0,2}"
_ENGLISH = (
    rf"\bi(?: am|'m)? ?(?:can ?not|can't|won't|will not|could not|couldn't|would not|wouldn't"
    rf"|must decline to|(?:not able|unable|not allowed|not permitted|not going|not willing|not"
    rf" prepared|forbidden) to|refuse to|decline to|do not want to|don't want to) {_ADVERBS}{_HELP}\b"
    rf"|\bwe (?:can ?not|can't|won't|will not|are (?:not able|unable) to) {_ADVERBS}"
    r"(?:help|assist|comply|support|provide|fulfill?|share|answer)\b"
    r"|\bi (?:don't|do not) (?:provide|give out|share|discuss|engage|assist|help with)\b"
    r"|\bi(?:'m| am) (?:not comfortable|not able to (?:do|help)|not at liberty|programmed not|designed not)"
    r"|\bi (?:must|have to|need to|will have to|respectfully|'ll have to) ?(?:decline|refuse)\b"
    r"|\b(?:unable|not able) to (?:help|assist|provide|fulfill?|comply|answer)\b"
    r"|\bcan(?:not|'t) (?:help|assist|comply|fulfill?)(?: you)?(?: with|\.|,|$)"
    r"|\bagainst my (?:guidelines|principles|programming|policy|policies|values|ethics)\b"
    r"|\b(?:goes against|violates?) (?:my|our|the) (?:guidelines|polic|principles|terms|programming)"
    r"|\bi (?:strongly )?(?:urge|advise|encourage) you (?:not to|to reconsider|against)\b"
    r"|\bi don't (?:feel comfortable|engage|have an answer to that)\b"
    r"|\b(?:i|we) (?:do not|don't|cannot|can't) (?:support|condone|encourage|promote|endorse)\b"
    r"|\bthat(?:'s| is) not something i(?:'m| am| can| will)\b|\bno, i (?:won't|will not|can't|cannot)\b"
    r"|\bmy (?:guidelines|policies|programming) (?:prevent|prohibit|do not allow|don't allow)\b"
)
_OTHERS = {
    "de": r"\b(?:ich|wir) (?:kann|können|darf|werde|möchte|will)[^.!?\n]{0,80}?\bnicht\b[^.!?\n]{0,40}?(?:helfen"
    r"|unterstützen|beantworten|weiterhelfen|bereitstellen|geben|erfüllen|nachkommen|dienen|behilflich)"
    r"|\bdabei kann ich (?:\w+ ){0,3}nicht\b|\b(?:kann|darf|werde) ich (?:\w+ ){0,4}(?:nicht|leider nicht)"
    r" (?:helfen|beantworten|unterstützen|erfüllen)|\bkann ich (?:dir|ihnen) (?:leider )?(?:dabei )?nicht"
    r"|\b(?:das|dies) (?:kann|darf|werde|möchte) ich (?:(?:leider|dir|ihnen|euch|so) ){0,3}nicht"
    r" (?:tun|machen|sagen|verraten|erklären|schreiben|liefern|erstellen)\b",
    "fr": r"\bje (?:ne )?(?:peux|puis|saurais|vais|suis)(?: malheureusement)? pas (?:en mesure |autorisé )?"
    r"(?:de |d')?(?:vous |t'|te |y )?(?:aider|fournir|répondre|donner|assister|satisfaire|accéder|faire)"
    r"|\bje (?:dois|préfère) (?:décliner|refuser)|\bje refuse de\b",
    "es": r"\bno (?:puedo|podemos|podré|voy a|debo|me es posible)(?: \w+){0,2} ?(?:ayudar|proporcionar|responder"
    r"|brindar|dar|asistir|cumplir|ofrecer|facilitar|hacer)|\bno estoy (?:autorizad|en condiciones)"
    r"|\bme niego a\b|\bdebo (?:rechazar|declinar)",
    "it": r"\bnon (?:posso|possiamo|potrò|sono in grado di|mi è possibile)(?: \w+){0,2} ?(?:aiutar|fornir|risponder"
    r"|assister|dar|soddisfar|offrir)|\bmi rifiuto di\b|\bdevo (?:rifiutare|declinare)",
    "pt": r"\bnão (?:posso|podemos|poderei|consigo|vou|estou autorizad\w)(?: \w+){0,2} ?(?:ajud|fornec|respond|dar"
    r"|auxili|oferec|atender|cumprir)|\brecuso-me\b|\bdevo (?:recusar|declinar)",
    "nl": r"\bik (?:kan|mag|zal|wil)[^.!?\n]{0,60}?\b(?:niet|geen)\b[^.!?\n]{0,40}?(?:helpen|beantwoorden|geven"
    r"|verstrekken|voldoen|ondersteunen)|\b(?:daar|hier)(?:bij|mee)? kan ik (?:\w+ ){0,3}niet",
    "pl": r"\bnie (?:mogę|możemy|będę|jestem w stanie)(?: \w+){0,2} ?(?:pomóc|odpowiedzieć|udzielić|podać|spełnić"
    r"|pomagać|dostarczyć)|\bmuszę odmówić",
    "ru": r"\bя (?:\w+ ){0,2}не (?:могу|буду|стану|имею права)|\bне (?:могу|можем|буду|смогу)(?: \w+){0,2}"
    r" (?:помочь|помогать|ответить|предоставить|дать|выполнить|поддержать|помощь)"
    r"|\bвынужден(?:а)? отказать",
    "uk": r"\bне (?:можу|зможу|буду)(?: \w+){0,2} (?:допомогти|допомагати|відповісти|надати|виконати)",
    "tr": r"\b(?:yardımcı olamam|yardım edemem|yanıtlayamam|cevaplayamam|sağlayamam|veremem|yapamam"
    r"|yardımcı olamıyorum|yardımcı olamayacağım)\b",
    "ar": r"(?:لا (?:أستطيع|يمكنني|أقدر|يمكننا)|لن (?:أستطيع|أقوم|أساعد)|لست قادرا|غير قادر على|أعتذر عن عدم)",
    "fa": r"(?:نمی‌?توانم|نمی توانم|قادر نیستم|نمی‌?تونم)",
    "he": r"(?:אינני יכול|אני לא יכול|איני יכול|לא אוכל)",
    "hi": r"(?:नहीं कर सकत|नहीं दे सकत|मदद नहीं|सहायता नहीं|असमर्थ हूँ|असमर्थ हूं|उत्तर नहीं दे)",
    "bn": r"(?:সাহায্য করতে পার(?:ি|ব|বো|ছি) ?না|করতে পারব না|করতে পারি না|দিতে পারি না|দিতে পারব না|অক্ষম)",
    "te": r"(?:సహాయం చేయలేను|సహాయపడలేను|ఇవ్వలేను|చెప్పలేను)",
    "th": r"(?:ไม่สามารถ(?:ช่วย|ให้|ตอบ|ทำ)|ช่วยไม่ได้|ไม่อาจช่วย|ขอปฏิเสธ)",
    "ja": r"(?:お手伝いできません|お答えできません|お手伝いすることはできません|お答えすることはできません"
    r"|応じられません|応じることはできません|提供できません|提供することはできません|お応えできません"
    r"|支援できません|いたしかねます|お断り)",
    "ko": r"(?:도와드릴 수 없|도울 수 없|답변(?:해 ?드릴|할|을 드릴) 수 없|제공(?:해 ?드릴|할) 수 없|응할 수 없|거절)",
    "zh": r"(?:我?(?:无法|不能|不会|無法|不能够|没办法)(?:为您|为你|為您|向您|向你)?(?:提供|帮助|帮您|帮你|协助|回答|满足"
    r"|幫助|協助|完成|这样做|支持|参与)|恕我?(?:无法|不能)|拒绝(?:提供|回答|协助))",
    "vi": r"(?:không thể (?:giúp|hỗ trợ|trả lời|cung cấp|đáp ứng|thực hiện)|tôi (?:xin )?từ chối)",
    "id": r"\btidak (?:bisa|dapat|boleh)(?: \w+){0,1} ?(?:membantu|memberikan|menjawab|memenuhi|menyediakan)",
    "sw": r"\bsi(?:wezi|taweza)\b(?: \w+){0,2}|\bhatuwezi\b",
    "sv": r"\bjag (?:kan|får|kommer)(?: \w+){0,3} inte (?:\w+ ){0,2}(?:hjälpa|svara|ge|bistå|tillhandahålla)",
    "da nb": r"\b(?:jeg kan|kan jeg|jeg vil|vil jeg)(?: \w+){0,2} ikke (?:\w+ ){0,2}"
    r"(?:hjelpe|hjælpe|svare|gi|give|bistå|oppfylle)",
    "fi": r"\ben (?:voi|pysty|saa)(?: \w+){0,2} (?:auttaa|auttamaan|vastata|vastaamaan|antaa|tarjota)",
    "hu": r"\bnem (?:tud(?:ok|om)|tudunk)(?: \w+){0,2} (?:segíteni|válaszolni|adni|megadni|teljesíteni)"
    r"|\bnem segíthetek",
    "ro": r"\bnu (?:te |vă |îți )?(?:pot|putem)(?: \w+){0,1} (?:ajuta|răspunde|oferi|furniza|da|îndeplini)",
    "cs": r"\bne(?:mohu|můžu|můžeme|smím)(?: \w+){0,2} (?:pomoci|pomoct|odpovědět|poskytnout|vyhovět)",
    "el": r"\bδεν (?:μπορώ|μπορούμε|είμαι σε θέση)(?: \w+){0,3} (?:βοηθήσ|απαντήσ|παρέχ|παράσχ|δώσ)",
}
REFUSES = re.compile("|".join((_ENGLISH, *_OTHERS.values())), re.IGNORECASE)
"""An act of refusing."""

DISCLAIMS = re.compile(
    r"(?:give|provide|offer|substitute for|constitute) (?:you )?(?:with )?(?:any )?(?:specific )?(?:professional"
    r"|legal|medical|financial|personal(?:i[sz]ed)?|tax|investment)(?:,? (?:or )?\w+)? (?:advice|counsel|diagnos)"
    r"|(?:help|stress|emphasi[sz]e|recommend|overstate)[^.!?\n]{0,40} enough|can't help but|cannot help but"
    r"|(?:i|we) (?:don't|do not) (?:agree|recommend (?:doing|using|it|this|that) (?:without|if|in|unless))"
    r"|(?:don't|do not|won't|can't) (?:make|give) (?:it|them|this|that) (?:too|any|up)",
    re.IGNORECASE,
)
"""What reads like refusing and is not: a disclaimer, an idiom."""

HELPS = re.compile(
    r"\b(?:here(?:'s| is| are)|that said|with that said|nevertheless|nonetheless|to do (?:so|this|that),"
    r"|first(?:ly)?,|step 1|follow these|the steps are|you (?:can|could|will need|need to|should) (?:start|begin|use"
    r"|take|mix|get|buy|try)|hier (?:ist|sind)|voici|aquí (?:tienes|está)|ecco|aqui está|вот|こちら|以下)",
    re.IGNORECASE,
)
"""What begins help."""

REDIRECTS = re.compile(
    r"\b(?:instead|alternativ\w+|hotline|helpline|lifeline|crisis|emergency services|seek (?:help|support)"
    r"|professional help|mental health|reach out|legal (?:ways|options|means|alternatives)|safe(?:r)? (?:ways|options"
    r"|alternatives)|lawful|if you(?:'re| are)? (?:struggling|in danger|having|feeling|experiencing)|stattdessen"
    r"|à la place|en su lugar|invece|em vez)\b|代わりに|相反|вместо этого",
    re.IGNORECASE,
)
"""What offers something else than was asked for, which is no help with it."""
