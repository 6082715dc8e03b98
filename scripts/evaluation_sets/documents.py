"""Short documents of many kinds, written for the project."""

DOCUMENTS: dict[str, str] = {
    "bread": "To bake a plain loaf you need flour, water, salt and yeast. Mix them until no dry flour is left, and let "
    "the dough rest for half an hour. Fold it a few times, cover it, and wait until it has doubled. Shape it, let it rise "
    "once more, and bake it in a hot oven until the crust is brown and the loaf sounds hollow when you knock on it.",
    "tides": "The tides are caused mostly by the Moon. Its pull is a little stronger on the side of the Earth that faces "
    "it and a little weaker on the far side, so the water of the oceans is stretched into two bulges. As the Earth turns, "
    "a coast passes through both of them each day. When Sun and Moon pull along one line, the tides are highest.",
    "lost umbrella": "Nora left her umbrella on the bus on Monday. On Tuesday it rained, and she walked to the office of "
    "the bus company with a newspaper over her head. The man at the counter had forty umbrellas in a box. She described "
    "hers, black, with a wooden handle. He laughed and showed her the box: thirty of them were black, with wooden handles.",
    "letter": "Dear Mr. Hall, thank you for your letter of 3 May. We are sorry that the chair arrived with a broken leg. "
    "A new leg will be sent to you this week at no cost, together with a tool and a short description of how to fit it. "
    "If you would rather send the chair back, please call us, and we will collect it from your home.",
    "bees": "A worker bee that has found flowers tells the others by dancing. She runs in a straight line, shaking her "
    "body, then turns back in a half circle and begins again. The angle of the line shows the direction relative to the "
    "sun, and the length of the run says how far it is. The other bees follow her in the dark of the hive.",
    "chess": "In chess each player begins with sixteen pieces. The aim is to attack the king of the other side so that it "
    "cannot escape. Pawns move forward and capture to the side; a pawn that reaches the last row becomes another piece. "
    "Beginners often move the queen too early. It is better to bring out knights and bishops first and to castle.",
    "council": "The town council decided on Thursday to repair the old bridge over the mill stream. The work will begin in "
    "April and take about four months. During this time cars have to use the road past the school, while people on foot "
    "can cross on a temporary path. The cost is shared by the town and the county.",
    "photosynthesis": "Green plants make sugar out of water and carbon dioxide. The energy comes from light, which is "
    "caught by chlorophyll in the leaves. Oxygen is set free on the way. Some of the sugar is used at once, some is stored "
    "as starch, and some becomes the walls of new cells. Almost all animals live, in the end, on what plants have made.",
    "night train": "The night train left at ten. Paul had the upper bed, and below him an old woman was peeling an apple. "
    "She gave him half of it without a word. They looked out at the lights of small stations where nobody waited. When he "
    "woke, she was gone, and on the table lay the peel, cut in one long ribbon.",
    "sorting": "One way to sort a list of numbers is to split it into two halves, sort each of them, and merge the "
    "results. To merge two sorted lists, compare their first numbers, take the smaller one, and go on until both are "
    "empty. The number of steps grows a little faster than the length of the list, and much slower than its square.",
    "glaciers": "A glacier forms where more snow falls in winter than melts in summer. Year after year the layers grow and "
    "press the air out of those below, until they have become ice. Under its own weight the ice begins to flow downhill, "
    "slowly, carrying stones with it. When the climate grows warmer, the lower end of the glacier melts back.",
    "interview": "Why did you become a carpenter? My father had a workshop, and I liked the smell of it. What is the "
    "hardest part of the work? Stairs. Every stair is different, and a mistake of a few millimeters can be felt by the "
    "foot. And what do you like best? The moment when a door closes for the first time and makes hardly any sound.",
    "stars": "Stars differ in color because they differ in temperature. The coolest ones that we can see glow red, the Sun "
    "is yellowish white, and the hottest are blue. Massive stars burn their fuel quickly and live for some millions of "
    "years; small ones are sparing and may shine for a hundred billion. Most of the stars around us are small and red.",
    "rules of the pool": "Please take a shower before you enter the pool. Children under eight must be accompanied by an "
    "adult. Do not run on the wet floor, and do not dive at the shallow end. Food and drinks may be taken in the cafe "
    "only. The lockers are emptied every evening. In case of an emergency, leave the building by the nearest green door.",
    "winter market": "In December the square in front of the church is full of wooden stalls. There is a smell of burnt "
    "sugar and of candles. A man sells toys that his daughter paints, and next to him two students pour hot juice into "
    "cups that you have to bring back. At six o'clock the bells ring, and for a minute everybody stops talking.",
    "maps": "A map of the whole world on a flat sheet must distort something. Some maps keep angles, so that a ship can "
    "steer a straight line, but they make countries near the poles far too large. Others keep areas and bend the shapes. "
    "No map keeps both. Which one is best depends on what it is for.",
    "soup": "Cut two onions and a carrot into small pieces and cook them slowly in a little oil. Add a liter of water and "
    "a cup of red lentils. After twenty minutes the lentils have fallen apart. Season with salt, cumin and the juice of "
    "half a lemon. The soup is even better on the next day, when it may need some more water.",
    "the well": "There was once a village whose well ran dry in the third year without rain. The people sent the strongest "
    "man to dig, and he found nothing. They sent the richest, who hired ten others, and they found nothing. Then a girl "
    "followed the goats, which every evening went behind the hill and came back with wet noses.",
    "vaccines": "A vaccine shows the body a harmless part of a germ, or a weakened form of it. The immune system reacts "
    "and keeps cells that remember. If the real germ comes later, these cells multiply within days, often before the "
    "person feels ill. When many people are protected, the disease finds fewer ways to spread.",
    "minutes": "Present were the board and eleven members. The treasurer reported that the society had spent less than in "
    "the year before, mainly because the summer party was rained out. The choir asked for new lamps, which was agreed to. "
    "Ms. Okafor was elected as secretary. The next meeting is on the second Friday in March.",
    "repair": "If the chain of a bicycle comes off, shift to the smallest gears first. Push the arm of the derailleur "
    "forward, so that the chain is slack. Lay the chain on the lower teeth of the front wheel and turn the pedal backward "
    "by hand. It will climb up by itself. Wipe your fingers with grass before you touch the grips.",
    "salt": "Before there were refrigerators, salt was one of the few means of keeping food. Fish and meat were covered "
    "with it, and it drew out the water without which bacteria cannot grow. Towns with salt springs became rich. Roads were "
    "named after it, taxes were put on it, and more than one war began over it.",
    "weather": "Today it will be mostly cloudy in the north, with light rain toward the evening. In the south the fog will "
    "lift before noon, followed by a sunny afternoon. Temperatures reach twelve degrees on the coast and sixteen inland. "
    "The wind is weak and comes from the west. Tomorrow will be drier and a little warmer everywhere.",
    "jury": "The jury talked for three days. On the first, nine were for it and three against. On the second, a man who "
    "had hardly spoken drew a plan of the staircase, and asked how anybody could have seen the door from there. Nobody "
    "answered. On the third day they asked to see the staircase, and after that there was not much left to discuss.",
    "numbers": "A prime number is a whole number larger than one that only one and itself divide without a rest. There are "
    "infinitely many of them. Suppose that there were a last one: multiply all primes up to it and add one. None of these "
    "primes divides the result, so some other prime must. That contradicts what was supposed.",
    "cat": "The cat next door visits us at four. She comes along the wall, looks left and right like somebody who crosses "
    "a street, and jumps down behind the roses. She does not want to be fed or stroked. She lies on the warm stones "
    "until the shadow of the house reaches her tail, gets up, and goes home the way she came.",
    "coffee": "Coffee beans are the seeds of a red fruit. After the harvest the flesh is removed, and the seeds are dried in "
    "the sun or by machines. They are green and smell of hay. Only roasting makes them brown and gives them the taste that "
    "we know. Ground beans lose it within days, so it is better to grind them just before use.",
    "radio play": "ANNA: Did you hear that? BEN: It was the wind. ANNA: The wind does not knock three times. BEN: Then it "
    "was a branch. ANNA: There is no tree in front of this house, Ben. BEN: There was one when I was a child. ANNA: And "
    "where is it now? BEN: My father made the door out of it.",
    "budget": "Our costs rose by four percent last year, while income stayed the same. Most of the rise is due to heating "
    "and to the new insurance. We suggest to close the upper floor during January, which would save about two thousand "
    "euros, and to raise the fee for guests from five to six. Members would pay as before.",
    "swimming": "It is hard to say when I learned to swim. In the first summer my aunt held a hand under my chin. In the "
    "second she walked beside me in the shallow water and did not touch me. In the third she stayed on the shore with her "
    "book, and I only saw after a while that she was not reading.",
    "earthquakes": "The outer shell of the Earth consists of plates that move by some centimeters a year. Where two of them "
    "meet, they may stick together for decades while the strain grows. When the rock finally breaks, it slips within "
    "seconds, and waves run through the ground. Instruments far away record them and show where it happened.",
    "instructions": "Put the lamp on a flat surface and insert the batteries; the plus sign points to the lid. Press the "
    "button once for white light, twice for warm light, and hold it for two seconds to turn the lamp off. Do not look into "
    "the light from near by. If the lamp flickers, the batteries are almost empty.",
}
