"""Well-known facts: of each relation three wordings and twelve pairs, of which the last two are its neighbours."""

#: relation -> (wordings, "subject = object; ...")
RELATIONS: dict[str, tuple[tuple[str, str, str], str]] = {
    "capital": (
        ("The capital of {} is", "The capital city of {} is called", "The government of {} sits in the city of"),
        "France = Paris; Japan = Tokyo; Italy = Rome; Spain = Madrid; Germany = Berlin; Russia = Moscow; "
        "Egypt = Cairo; Greece = Athens; Poland = Warsaw; Austria = Vienna; Ireland = Dublin; Cuba = Havana",
    ),
    "language": (
        ("The main language of {} is", "In {}, most people speak", "The official language of {} is"),
        "France = French; Japan = Japanese; Italy = Italian; Spain = Spanish; Germany = German; Russia = Russian; "
        "Greece = Greek; Poland = Polish; Brazil = Portuguese; Sweden = Swedish; Turkey = Turkish; Hungary = Hungarian",
    ),
    "continent": (
        ("The country {} is in", "{} lies on the continent of", "On a map of the world, {} is found in"),
        "Nigeria = Africa; Egypt = Africa; Ghana = Africa; Morocco = Africa; India = Asia; Thailand = Asia; "
        "Vietnam = Asia; Norway = Europe; Poland = Europe; Hungary = Europe; Kenya = Africa; Nepal = Asia",
    ),
    "currency": (
        ("The currency of {} is the", "In {}, people pay with the", "The money used in {} is called the"),
        "Japan = yen; India = rupee; Russia = ruble; Mexico = peso; China = yuan; Switzerland = franc; "
        "Thailand = baht; Germany = euro; Canada = dollar; England = pound; Brazil = real; Israel = shekel",
    ),
    "young animal": (
        ("A young {} is called a", "The baby of a {} is known as a", "When a {} has just been born it is called a"),
        "dog = puppy; cat = kitten; cow = calf; horse = foal; sheep = lamb; duck = duckling; bear = cub; deer = fawn; "
        "frog = tadpole; kangaroo = joey; goose = gosling; goat = kid",
    ),
    "color": (
        ("The color of {} is", "If you look at {}, the color that you see is", "Children paint {} in the color"),
        "snow = white; coal = black; a ripe banana = yellow; grass = green; blood = red; the clear sky = blue; "
        "a ripe tomato = red; milk = white; a lemon = yellow; a raven = black; a ruby = red; an emerald = green",
    ),
    "opposite": (
        ("The opposite of {} is", "The word that means the reverse of {} is", "Something that is not {} may be called"),
        "hot = cold; big = small; fast = slow; full = empty; open = closed; wet = dry; light = dark; strong = weak; "
        "happy = sad; rich = poor; high = low; clean = dirty",
    ),
    "chemical symbol": (
        ("The chemical symbol for {} is", "In the periodic table, {} is written as", "Chemists abbreviate {} as"),
        "gold = Au; silver = Ag; iron = Fe; sodium = Na; helium = He; lead = Pb; copper = Cu; calcium = Ca; "
        "zinc = Zn; tin = Sn; magnesium = Mg; mercury = Hg",
    ),
    "author": (
        ("The author of {} is", "{} was written by", "The writer who gave us {} was"),
        "Hamlet = William Shakespeare; Pride and Prejudice = Jane Austen; Oliver Twist = Charles Dickens; "
        "War and Peace = Leo Tolstoy; the Odyssey = Homer; Don Quixote = Miguel de Cervantes; "
        "Frankenstein = Mary Shelley; Moby-Dick = Herman Melville; The Metamorphosis = Franz Kafka; "
        "The Adventures of Tom Sawyer = Mark Twain; "
        "Nineteen Eighty-Four = George Orwell; The Hobbit = J. R. R. Tolkien",
    ),
    "composer": (
        ("The composer of {} is", "{} was composed by", "The music of {} was written by"),
        "The Four Seasons = Antonio Vivaldi; The Magic Flute = Wolfgang Amadeus Mozart; "
        "the Moonlight Sonata = Ludwig van Beethoven; Swan Lake = Pyotr Tchaikovsky; "
        "Tristan and Isolde = Richard Wagner; "
        "the Brandenburg Concertos = Johann Sebastian Bach; La traviata = Giuseppe Verdi; Boléro = Maurice Ravel; "
        "Peer Gynt = Edvard Grieg; Rhapsody in Blue = George Gershwin; The Planets = Gustav Holst; "
        "Clair de lune = Claude Debussy",
    ),
    "field": (
        ("The field in which {} worked is", "{} is best known for work in", "Students read about {} in courses on"),
        "Albert Einstein = physics; Charles Darwin = biology; Sigmund Freud = psychology; Adam Smith = economics; "
        "Leonhard Euler = mathematics; Gregor Mendel = genetics; Dmitri Mendeleev = chemistry; "
        "Edwin Hubble = astronomy; "
        "Immanuel Kant = philosophy; Noam Chomsky = linguistics; Antoine Lavoisier = chemistry; "
        "John Maynard Keynes = economics",
    ),
    "landmark": (
        ("The city where you can visit {} is", "{} stands in the city of", "To see {}, travel to"),
        "the Eiffel Tower = Paris; the Colosseum = Rome; the Brandenburg Gate = Berlin; the Acropolis = Athens; "
        "the Kremlin = Moscow; the Statue of Liberty = New York; the Forbidden City = Beijing; "
        "the Blue Mosque = Istanbul; the Prado Museum = Madrid; Buckingham Palace = London; "
        "the Golden Gate Bridge = San Francisco; the Sagrada Família = Barcelona",
    ),
    "maker": (
        ("The company that makes the {} is", "The {} is a product of", "The {} is made by a company named"),
        "iPhone = Apple; PlayStation = Sony; Xbox = Microsoft; Galaxy phone = Samsung; Mustang car = Ford; "
        "Corolla car = Toyota; Civic car = Honda; Switch console = Nintendo; Kindle reader = Amazon; "
        "Pixel phone = Google; Golf car = Volkswagen; ThinkPad laptop = Lenovo",
    ),
    "next month": (
        ("The month after {} is", "When {} is over, the next month is", "On the calendar, {} is followed by"),
        "January = February; February = March; March = April; April = May; May = June; June = July; July = August; "
        "August = September; September = October; October = November; November = December; December = January",
    ),
    "next number": (
        ("The number after {} is", "When you count, after {} comes", "Adding one to {} makes"),
        "one = two; two = three; three = four; four = five; five = six; six = seven; seven = eight; eight = nine; "
        "nine = ten; ten = eleven; eleven = twelve; twelve = thirteen",
    ),
    "past tense": (
        ("The past tense of the verb {} is", "Today I {}, and yesterday I", "In the past, the verb {} becomes"),
        "go = went; eat = ate; run = ran; sing = sang; take = took; give = gave; write = wrote; think = thought; "
        "buy = bought; teach = taught; fly = flew; speak = spoke",
    ),
    "plural": (
        ("The plural of the word {} is", "There was one {}, and then there were two", "More than one {} are called"),
        "mouse = mice; child = children; foot = feet; tooth = teeth; man = men; woman = women; goose = geese; "
        "leaf = leaves; wolf = wolves; knife = knives; loaf = loaves; person = people",
    ),
    "occupation": (
        ("A person who {} is called a", "Someone who {} for a living is a", "The job of one who {} is that of a"),
        "flies planes = pilot; bakes bread = baker; teaches children = teacher; repairs pipes = plumber; "
        "paints pictures = painter; drives a bus = driver; grows crops = farmer; cuts hair = barber; "
        "sings songs = singer; takes photographs = photographer; plays music = musician; catches fish = fisherman",
    ),
    "kind": (
        ("A {} is a kind of", "We say that the {} is a type of", "In a picture book, a {} is shown as a"),
        "salmon = fish; sparrow = bird; beetle = insect; cobra = snake; maple = tree; rose = flower; poodle = dog; "
        "trout = fish; pigeon = bird; python = snake; tulip = flower; birch = tree",
    ),
    "made from": (
        ("The main ingredient of {} is", "{} is made from", "To make {} you begin with"),
        "bread = flour; cheese = milk; wine = grapes; paper = wood; glass = sand; chocolate = cocoa; tofu = soybeans; "
        "butter = milk; popcorn = corn; an omelette = eggs; yogurt = milk; guacamole = avocados",
    ),
    "country of a city": (
        ("The city of {} is in the country of", "{} is a large city in", "If you travel to {}, you visit"),
        "Munich = Germany; Barcelona = Spain; Milan = Italy; Osaka = Japan; Lyon = France; Mumbai = India; "
        "Shanghai = China; Toronto = Canada; Kraków = Poland; Gothenburg = Sweden; "
        "Porto = Portugal; Alexandria = Egypt",
    ),
}
