"""The words and sentences that the shipped tasks are made of; which of them will do, each tokenizer decides."""

from __future__ import annotations

# --- greater-than ---------------------------------------------------------------------------------------------------

_EVENTS = """
war conflict battle siege campaign crisis revolution rebellion revolt conquest occupation invasion struggle dispute
feud peace truce alliance treaty plague epidemic famine drought depression boom trial reign rule project program
expedition journey voyage tour construction restoration investigation negotiation debate study experiment tradition
"""
#: what lasts for years
EVENTS: tuple[str, ...] = tuple(_EVENTS.split())
#: ends before the digits that are to come
LASTED = "The {event} lasted from the year {start} to the year {shown}"
CENTURIES: tuple[str, ...] = tuple(str(century) for century in range(11, 18))

# --- agreement ------------------------------------------------------------------------------------------------------

_BEINGS = """
dog dogs cat cats bird birds horse horses cow cows duck ducks rabbit rabbits lion lions bear bears goat goats boy boys
girl girls farmer farmers teacher teachers doctor doctors student students friend friends artist artists writer writers
singer singers lawyer lawyers officer officers soldier soldiers king kings son sons brother brothers sister sisters
guest guests worker workers neighbor neighbors actor actors player players driver drivers
"""
_THINGS = """
key keys book books table tables chair chairs picture pictures letter letters box boxes cup cups lamp lamps door doors
window windows car cars boat boats house houses tree trees flower flowers stone stones coin coins bag bags bottle
bottles painting paintings ring rings
"""


def _numbers(text: str) -> tuple[tuple[str, str], ...]:
    words = text.split()
    return tuple(zip(words[::2], words[1::2], strict=True))


#: singular and plural
NOUNS: dict[str, tuple[tuple[str, str], ...]] = {"being": _numbers(_BEINGS), "thing": _numbers(_THINGS)}

#: the first slot is the subject's, the second the attractor's
AGREEMENT: tuple[str, ...] = (
    "The {thing} near the {thing}",
    "The {thing} behind the {thing}",
    "The {thing} next to the {thing}",
    "The {thing} in front of the {thing}",
    "I know that the {thing} on the left of the {thing}",
    "The {thing} that the {being} found",
    "The {being} near the {thing}",
    "The {being} behind the {being}",
    "The {being} next to the {being}",
    "The {being} that the {being} saw",
    "The {being} who met the {being}",
    "Today the {being} with the {thing}",
    "I think that the {being} near the {being}",
)
#: for one and for several
VERBS: tuple[tuple[str, str], ...] = (("is", "are"), ("was", "were"), ("has", "have"))

# --- capitals -------------------------------------------------------------------------------------------------------

_CAPITALS = """
France Paris, Germany Berlin, Italy Rome, Spain Madrid, Portugal Lisbon, England London, Scotland Edinburgh,
Wales Cardiff, Ireland Dublin, Belgium Brussels, Netherlands Amsterdam, Denmark Copenhagen, Norway Oslo,
Sweden Stockholm, Finland Helsinki, Poland Warsaw, Austria Vienna, Hungary Budapest, Switzerland Bern,
Greece Athens, Turkey Ankara, Russia Moscow, Ukraine Kyiv, Romania Bucharest, Bulgaria Sofia, Serbia Belgrade,
Croatia Zagreb, Albania Tirana, Iceland Reykjavik, Estonia Tallinn, Latvia Riga, Lithuania Vilnius, Belarus Minsk,
Georgia Tbilisi, Armenia Yerevan, Cyprus Nicosia, Japan Tokyo, China Beijing, Thailand Bangkok, Vietnam Hanoi,
Indonesia Jakarta, Philippines Manila, Nepal Kathmandu, Bangladesh Dhaka, Pakistan Islamabad, Afghanistan Kabul,
Iran Tehran, Iraq Baghdad, Syria Damascus, Lebanon Beirut, Jordan Amman, Qatar Doha, Egypt Cairo, Libya Tripoli,
Tunisia Tunis, Morocco Rabat, Algeria Algiers, Sudan Khartoum, Kenya Nairobi, Uganda Kampala, Rwanda Kigali,
Ghana Accra, Senegal Dakar, Angola Luanda, Zimbabwe Harare, Zambia Lusaka, Cuba Havana, Jamaica Kingston, Peru Lima,
Chile Santiago, Ecuador Quito, Venezuela Caracas, Argentina Buenos, Canada Ottawa, Australia Canberra,
Uruguay Montevideo, South Korea Seoul, North Korea Pyongyang, Saudi Arabia Riyadh, New Zealand Wellington
"""
#: country and capital; Buenos Aires by its first word
CAPITALS: tuple[tuple[str, str], ...] = tuple(
    (country, capital) for country, capital in (pair.strip().rsplit(" ", 1) for pair in _CAPITALS.split(","))
)
CITIES: tuple[str, ...] = (
    "The capital of {country} is the city of",
    "The capital and seat of government of {country} is the city of",
    "As everyone knows, the capital city of {country} is called",
)
