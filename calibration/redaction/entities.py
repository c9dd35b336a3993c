"""What can be looked for: presidio's entities, the class that recognizes each, national ones by country.

Chosen are entities that name a person or reach one. Company numbers, licence plates and postal codes are not
among them.
"""

import re
from dataclasses import dataclass
from types import MappingProxyType

from quantgate.calibration.redaction.options import DEFAULT_ENTITIES, RedactionOptions
from quantgate.pipelines.specs.loading import did_you_mean

GENERIC = MappingProxyType(
    {
        "EMAIL_ADDRESS": "EmailRecognizer",
        "PHONE_NUMBER": "PhoneRecognizer",
        "CREDIT_CARD": "CreditCardRecognizer",
        "IBAN_CODE": "IbanRecognizer",
        "IP_ADDRESS": "IpRecognizer",
        "MAC_ADDRESS": "MacAddressRecognizer",
        "CRYPTO": "CryptoRecognizer",
        "URL": "UrlRecognizer",
    }
)
NATIONAL = MappingProxyType(
    {
        "au": {"AU_TFN": "AuTfnRecognizer", "AU_MEDICARE": "AuMedicareRecognizer"},
        "ca": {"CA_SIN": "CaSinRecognizer"},
        "de": {
            "DE_TAX_ID": "DeTaxIdRecognizer",
            "DE_ID_CARD": "DeIdCardRecognizer",
            "DE_PASSPORT": "DePassportRecognizer",
            "DE_SOCIAL_SECURITY": "DeSocialSecurityRecognizer",
            "DE_HEALTH_INSURANCE": "DeHealthInsuranceRecognizer",
        },
        "es": {"ES_NIF": "EsNifRecognizer", "ES_NIE": "EsNieRecognizer"},
        "fi": {"FI_PERSONAL_IDENTITY_CODE": "FiPersonalIdentityCodeRecognizer"},
        "gb": {
            "UK_NHS": "NhsRecognizer",
            "UK_NINO": "UkNinoRecognizer",
            "UK_PASSPORT": "UkPassportRecognizer",
        },
        "in": {"IN_AADHAAR": "InAadhaarRecognizer", "IN_PAN": "InPanRecognizer"},
        "it": {
            "IT_FISCAL_CODE": "ItFiscalCodeRecognizer",
            "IT_IDENTITY_CARD": "ItIdentityCardRecognizer",
            "IT_PASSPORT": "ItPassportRecognizer",
        },
        "kr": {"KR_RRN": "KrRrnRecognizer", "KR_FRN": "KrFrnRecognizer"},
        "ng": {"NG_NIN": "NgNinRecognizer"},
        "pl": {"PL_PESEL": "PlPeselRecognizer"},
        "se": {"SE_PERSONNUMMER": "SePersonnummerRecognizer"},
        "sg": {"SG_NRIC_FIN": "SgFinRecognizer"},
        "th": {"TH_TNIN": "ThTninRecognizer"},
        "tr": {"TR_NATIONAL_ID": "TrNationalIdRecognizer"},
        "us": {
            "US_SSN": "UsSsnRecognizer",
            "US_ITIN": "UsItinRecognizer",
            "US_PASSPORT": "UsPassportRecognizer",
        },
        "za": {"ZA_ID_NUMBER": "ZaIdNumberRecognizer"},
    }
)
NAMES = ("PERSON", "LOCATION", "NRP", "ORGANIZATION")
"""What only a model finds: people, places, nationalities and religions, organizations."""

_DEFAULT_NAMES = ("PERSON", "LOCATION")
_COUNTRIES_OF = MappingProxyType(
    {
        "ar": "ae eg sa",
        "de": "de at ch",
        "en": "us gb",
        "es": "es mx",
        "fi": "fi",
        "fr": "fr be",
        "hi": "in",
        "it": "it",
        "ja": "jp",
        "ko": "kr",
        "nl": "nl be",
        "pl": "pl",
        "pt": "pt br",
        "ru": "ru",
        "sv": "se",
        "sw": "ke tz",
        "th": "th",
        "tr": "tr",
        "zh": "cn tw",
    }
)
PHONE_WORDS = MappingProxyType(
    {
        "ar": "هاتف جوال اتصل",
        "de": "telefon telefonnummer tel handy handynummer mobil mobilnummer rufnummer anrufen ruf rufen",
        "en": "phone telephone tel cell cellphone mobile call calling dial ring whatsapp fax",
        "es": "teléfono telefono tel móvil movil celular llame llamen llámeme llámenme llamar whatsapp",
        "fi": "puhelin puhelinnumero puh soita soittakaa matkapuhelin",
        "fr": "téléphone telephone tél tel portable mobile appelez appeler rappelez rappeler joindre",
        "hi": "फोन फ़ोन मोबाइल",
        "it": "telefono tel cellulare cell chiamare chiamate chiamatemi richiamare",
        "ja": "電話 携帯",
        "ko": "전화 휴대폰",
        "nl": "telefoon telefoonnummer tel mobiel bel bellen",
        "pl": "telefon tel komórka zadzwoń zadzwońcie dzwonić",
        "pt": "telefone tel telemóvel celular ligue ligar",
        "ru": "телефон тел позвоните звоните мобильный",
        "sv": "telefon telefonnummer tel mobil ring ringa",
        "sw": "simu piga pigia nipigie nipigieni",
        "th": "โทร โทรศัพท์ มือถือ",
        "tr": "telefon tel cep arayın ara",  # noqa: RUF001  # Turkish is written so
        "zh": "电话 手机 電話 手機",
    }
)
"""Words that announce a phone number, as sentences have them."""

_CODE = re.compile(r"[a-z]{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class EntitySelection:
    """What is looked for, resolved: class names by entity, phone regions, words that announce a phone."""

    recognizers: dict[str, str]
    names: tuple[str, ...]
    phone_regions: tuple[str, ...]
    phone_words: tuple[str, ...]


def selected_entities(options: RedactionOptions) -> EntitySelection:
    """Resolve options: countries follow from languages, entities from countries, where not named."""
    countries = _countries(options)
    national = {e: c for country in countries for e, c in NATIONAL.get(country, {}).items()}
    everywhere = {e: c for table in NATIONAL.values() for e, c in table.items()} | dict(GENERIC)
    default_names = _DEFAULT_NAMES if options.ner_model else ()
    named = options.entities or (*DEFAULT_ENTITIES, *national, *default_names)
    words = [w for language in options.languages for w in PHONE_WORDS.get(language, "").split()]
    return EntitySelection(
        recognizers={entity: everywhere[entity] for entity in named if entity in everywhere},
        names=tuple(entity for entity in named if entity in NAMES),
        phone_regions=tuple(country.upper() for country in countries),
        phone_words=tuple(dict.fromkeys(words)),
    )


def problems_of(options: RedactionOptions) -> list[str]:
    """Return one sentence for each thing in options that cannot be meant, near misses named."""
    entities = [*GENERIC, *(e for table in NATIONAL.values() for e in table), *NAMES]
    problems = [
        f"entity '{entity}' is not known{did_you_mean(entity, entities)}"
        for entity in options.entities
        if entity not in entities
    ]
    problems += [
        f"language '{language}' has no words for redaction; there are {', '.join(PHONE_WORDS)}"
        for language in options.languages
        if language not in PHONE_WORDS
    ]
    for country in options.countries:
        if not _CODE.fullmatch(country) or country == "uk":
            hint = " (did you mean 'gb'?)" if country.lower() == "uk" else ""
            problems.append(f"country '{country}' is not an ISO 3166 code such as 'de'{hint}")
    if not 0 <= options.threshold <= 1:
        problems.append(f"threshold {options.threshold:g} is not between 0 and 1")
    if options.ner_model is None:
        problems += [
            f"{entity} is found by a model alone: name one with `ner_model`"
            for entity in options.entities
            if entity in NAMES
        ]
    return problems


def _countries(options: RedactionOptions) -> tuple[str, ...]:
    if options.countries:
        return options.countries
    codes = [c for language in options.languages for c in _COUNTRIES_OF.get(language, "").split()]
    return tuple(dict.fromkeys(codes))
