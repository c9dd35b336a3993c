"""Units of measurement: which stand for the same dimension, and how they convert.

Factors are exact by definition: the SI brochure (9th edition), the international yard and pound
agreement of 1959, IEC 80000-13 for kibi and its kin. Money is as given: nothing converts currencies.
"""
# ruff: noqa: RUF001 - the characters are what texts are written in

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A unit; a value in base units of its dimension is `value * factor + offset`."""

    name: str
    dimension: str
    factor: Fraction = Fraction(1)
    offset: Fraction = Fraction(0)


_TABLE: dict[str, tuple[tuple[str, str], ...]] = {
    "length": (
        ("1e-9", "nm nanometer nanometre"),
        ("1e-6", "µm um micrometer micrometre micron"),
        ("1e-3", "mm millimeter millimetre"),
        ("1e-2", "cm centimeter centimetre zentimeter"),
        ("1", "m meter metre metro mètre metr м метр 米 メートル mita"),
        (
            "1000",
            "km kilometer kilometre kilómetro kilomètre км километр 公里 キロメートル kilomita",
        ),
        ("0.0254", "in inch inches"),
        ("0.3048", "ft foot feet"),
        ("0.9144", "yd yard"),
        ("1609.344", "mi mile"),
    ),
    "mass": (
        ("1e-9", "µg ug mcg microgram"),
        ("1e-6", "mg milligram"),
        ("1e-3", "g gram gramm gramme gramo г грамм"),
        ("1", "kg kilogram kilogramm kilogramme kilo кг килограмм 公斤 千克"),
        ("1000", "t tonne"),
        ("0.45359237", "lb lbs pound"),
        ("0.028349523125", "oz ounce"),
    ),
    "time": (
        ("1e-9", "ns nanosecond"),
        ("1e-6", "µs us microsecond"),
        ("1e-3", "ms millisecond"),
        ("1", "s sec second sekunde sekunden segundo seconde сек секунд 秒"),
        ("60", "min mins minute minuten minuto мин минут 分 分钟"),
        ("3600", "h hr hrs hour stunde stunden hora heure час часа часов 小时 時間"),
        ("86400", "d day tag tage día jour день дня дней 天 日"),
        ("604800", "wk week woche wochen semana semaine неделя недели недель"),
    ),
    "calendar months": (
        ("1", "month monat monate mes meses mois месяц месяца месяцев"),
        ("12", "yr year jahr jahre año ans année год года лет 年"),
    ),
    "data": (
        ("0.125", "bit"),
        ("125", "kbit"),
        ("125e3", "Mbit"),
        ("125e6", "Gbit"),
        ("1", "B byte"),
        ("1e3", "kB KB kilobyte"),
        ("1e6", "MB megabyte"),
        ("1e9", "GB gigabyte"),
        ("1e12", "TB terabyte"),
        ("1e15", "PB petabyte"),
        ("1024", "KiB kibibyte"),
        ("1048576", "MiB mebibyte"),
        ("1073741824", "GiB gibibyte"),
        ("1099511627776", "TiB tebibyte"),
    ),
    "volume": (
        ("1e-3", "ml mL milliliter millilitre"),
        ("1e-2", "cl cL centiliter centilitre"),
        ("1", "l L liter litre litro л литр литра литров 升"),
        ("1000", "m3 m³"),
        ("1e-3", "cm3 cm³"),
        ("3.785411784", "gal gallon"),
    ),
    "area": (
        ("1", "m2 m²"),
        ("1e-4", "cm2 cm²"),
        ("1e6", "km2 km²"),
        ("10000", "ha hectare hektar"),
        ("0.09290304", "ft2 ft²"),
        ("4046.8564224", "acre"),
    ),
    "speed": (("1", "m/s"), ("1000/3600", "km/h kph kmh"), ("0.44704", "mph mi/h")),
    "frequency": (("1", "Hz hertz"), ("1e3", "kHz"), ("1e6", "MHz"), ("1e9", "GHz")),
    "energy": (
        ("1", "J joule"),
        ("1e3", "kJ kilojoule"),
        ("4184", "kcal"),
        ("3600", "Wh"),
        ("3.6e6", "kWh"),
    ),
    "power": (("1", "W watt"), ("1e3", "kW kilowatt"), ("1e6", "MW megawatt"), ("1e9", "GW")),
    "share": (
        ("0.01", "% percent prozent porcento pourcent процент процента процентов 百分"),
        ("0.001", "‰"),
        ("0.0001", "bp bps"),
        ("1e-6", "ppm"),
    ),
    "temperature": (("1", "K kelvin"),),
    "angle": (("1", "° degree grad"),),
}
_CURRENCIES = {
    "USD": "$ US$ usd dollar dólar dolar доллар доллара долларов ดอลลาร์ ডলার డాలర్లు 美元 美金 ドル 달러",
    "EUR": "€ eur euro евро 欧元 ユーロ",
    "GBP": "£ gbp",
    "JPY": "¥ jpy yen 円 日元",
    "CNY": "cny rmb yuan 元 人民币",
    "INR": "₹ inr rs rupee रुपये টাকা",
    "RUB": "₽ rub руб рубль рубля рублей",
    "KRW": "₩ krw won 원",
    "THB": "฿ thb baht บาท",
    "CHF": "chf franken",
    "BRL": "R$ brl reais",
    "TRY": "₺ try lira",
    "NGN": "₦ ngn naira",
    "ILS": "₪ ils",
    "VND": "₫ vnd",
    "UAH": "₴ uah",
    "CAD": "C$ cad",
    "AUD": "A$ aud",
}
_CELSIUS = Unit(name="°C", dimension="temperature", offset=Fraction("273.15"))
_FAHRENHEIT = Unit(
    name="°F",
    dimension="temperature",
    factor=Fraction(5, 9),
    offset=Fraction("459.67") * Fraction(5, 9),
)
CURRENCY_SIGNS = tuple(
    sorted(
        (
            sign
            for signs in _CURRENCIES.values()
            for sign in signs.split()
            if not sign.isalpha() or sign in ("usd", "eur", "gbp", "jpy", "cny", "inr", "rs", "chf")
        ),
        key=len,
        reverse=True,
    )
)
"""What may stand before a number, the longest first; letters in any case."""


@lru_cache(maxsize=1)
def _units() -> dict[str, Unit]:
    units = {"°C": _CELSIUS, "℃": _CELSIUS, "celsius": _CELSIUS}
    units |= {"°F": _FAHRENHEIT, "℉": _FAHRENHEIT, "fahrenheit": _FAHRENHEIT}
    for dimension, rows in _TABLE.items():
        for factor, names in rows:
            first = names.split()[0]
            unit = Unit(name=first, dimension=dimension, factor=_exact(factor))
            units |= dict.fromkeys(names.split(), unit)
    for currency, names in _CURRENCIES.items():
        unit = Unit(name=currency, dimension=f"money in {currency}")
        units |= dict.fromkeys((currency, *names.split()), unit)
    return units


def _exact(factor: str) -> Fraction:
    above, _, below = factor.partition("/")
    return Fraction(above) / Fraction(below or 1)


def known_unit(name: str) -> Unit | None:
    """Return the unit that `name` stands for, or None.

    Symbols count by case (`mB` is no `MB`); words of three letters and more do not, and may end in a
    plural `s` or in `en`.
    """
    units = _units()
    name = name.replace("μ", "µ")
    if name in units:
        return units[name]
    word = name.casefold()
    if len(word) < 3:  # shorter ones are symbols
        return units[word] if word == "rs" else None
    for form in (word, word.removesuffix("s"), word.removesuffix("es"), word.removesuffix("en")):
        if len(form) > 2 and form in units:  # `ms` is no plural of `m`
            return units[form]
    return None


def unit_named(name: str) -> Unit:
    """Return the known unit, or a dimension of its own for any other word: apples convert to nothing."""
    unit = known_unit(name)
    if unit:
        return unit
    word = name.casefold()
    singular = word.removesuffix("s") if len(word) > 3 else word  # `gas` is whole
    return Unit(name=singular, dimension=f"number of {singular}")


def in_base(value: Fraction, unit: Unit) -> Fraction:
    """Return `value` in base units of the unit's dimension."""
    return value * unit.factor + unit.offset
