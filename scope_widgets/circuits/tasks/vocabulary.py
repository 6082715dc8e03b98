"""The words and sentences that the tasks are made of; each tokenizer decides which of them can be used."""

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

# --- induction ------------------------------------------------------------------------------------------------------

_COMMON = """
able above across action after again against air almost alone along already also always among animal answer any area arm
army around art ask baby back bad ball bank base beach bear beautiful because become before begin behind best better big
bird black blood blue board boat body book born both bottle bottom box boy bread break bring brother brown build burn
business busy buy call camp car card care carry case cat catch center certain chair chance change cheap child church
circle city class clean clear climb clock close clothes cloud coast coat cold color common cook cool copper corner
correct cost cotton count country course cover cross crowd cry cup cut dance danger dark daughter day dead deal deep
desert different dinner direction dirty doctor dog dollar door doubt down draw dream dress drink drive drop dry each
early earth east easy eat edge egg eight empty energy engine enjoy enough enter equal even evening ever every exact
eye face fact fall family famous far farm fast father fear feel few field fight fill final find finger finish fire
first fish five floor flower fly follow food foot force foreign forest forget free fresh friend from front fruit full
game garden gas gave general gentle girl give glass gold good grand grass gray great green ground group grow guess hair
half hand happy hard hat head hear heart heat heavy help here high hill history hold home hope horse hospital hot hotel
hour house huge human hundred hungry hurry husband ice idea inch inside iron island join joy jump just keep key kill
kind king kitchen knife know lady lake land language large last late laugh law lead leader learn leave left leg lemon
length less letter level library lift light like lion list listen little long look lose loud love low lucky lunch
machine many map market matter meal measure meat meet member metal middle milk million mind minute mirror miss modern
moment money month moon morning mother motion mountain mouth move much music name narrow nation near neck needle never
new next night nine noise none north nose note nothing notice now number object ocean off offer office often oil old
once one open orange other outside oven page pain paint pair paper parent park part party pass path pay peace pen
pencil people perhaps person phone piano picture piece pilot pink place plain plan plane plant plate play please pocket
point police poor possible potato pound power press price print prison private promise proper public pull push put
queen question quick quiet rabbit race radio rain raise reach read ready real reason red remember report rest result
return rice rich ride right ring rise river road rock roof room root rope rose round rule run sad safe sail salt same
sand save school science sea season seat second secret see seed seem sell send sense sentence separate serve seven
shade shake shape share sharp ship shirt shoe shop short shoulder show sick side sign silver simple since sing sister
six size skin sky sleep slow small smell smile smoke snow soap soft soldier son song soon sound soup south space speak
special speed spell spend spoon sport spring square stand star start station stay steel step stick still stone stop
store storm story strange street strong student study such sudden sugar suit summer sun sweet swim table tail take tall
taste teach team tell ten tent test thick thin thing think third thousand three ticket tiger time tired today together
tomorrow tool top total touch toward tower town toy track trade train travel tree trip trouble true trust turn twenty
two uncle under unit until use valley value various very village visit voice wait walk wall want war warm wash watch
water wave weak wear weather week weight west wet wheel white whole why wide wife wild win wind window wine wing winter
wire wise wish without woman wonder wood wool word work world write wrong yard year yellow yes yesterday yet young zero
"""
#: words of all kinds, so that none follows from another
COMMON: tuple[str, ...] = tuple(_COMMON.split())

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
Wales Cardiff, Ireland Dublin, Belgium Brussels, the Netherlands Amsterdam, Denmark Copenhagen, Norway Oslo,
Sweden Stockholm, Finland Helsinki, Poland Warsaw, Austria Vienna, Hungary Budapest, Switzerland Bern,
Greece Athens, Turkey Ankara, Russia Moscow, Ukraine Kyiv, Romania Bucharest, Bulgaria Sofia, Serbia Belgrade,
Croatia Zagreb, Albania Tirana, Iceland Reykjavik, Estonia Tallinn, Latvia Riga, Lithuania Vilnius, Belarus Minsk,
Georgia Tbilisi, Armenia Yerevan, Cyprus Nicosia, Japan Tokyo, China Beijing, Thailand Bangkok, Vietnam Hanoi,
Indonesia Jakarta, the Philippines Manila, Nepal Kathmandu, Bangladesh Dhaka, Pakistan Islamabad, Afghanistan Kabul,
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
    "Question: What is the capital of {country}? Answer:",
    "The embassy is in the capital of {country}, the city of",
)
