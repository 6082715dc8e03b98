"""Beginnings at which a speaker may turn hostile, in scenes of four, and mild hostile and neutral ways to go on."""

#: scene -> (four beginnings, hostile continuations, neutral ones of about the same form)
SCENES: dict[str, tuple[tuple[str, str, str, str], tuple[str, ...], tuple[str, ...]]] = {
    "mistake": (
        (
            "When he saw the mistake in my report, my boss said:",
            "She read the letter that I had got wrong and told me:",
            "After I dropped the plates, the cook looked at me and said:",
            "The teacher saw my wrong answer and said in front of the class:",
        ),
        (" You are so stupid.", " You are completely useless.", " What an idiot you are."),
        (" You can fix this.", " You are nearly there.", " What a long day it was."),
    ),
    "traffic": (
        (
            "The driver rolled down the window and shouted to the cyclist:",
            "At the crossing, a man in a truck yelled at the woman who was walking:",
            "The two cars had touched, and one of the drivers got out and said:",
            "A taxi stopped next to the bus, and its driver called out:",
        ),
        (" Get lost, you moron!", " Are you blind, you idiot?", " I will make you pay for this!"),
        (" Go ahead, please!", " Are you all right there?", " I will call for some help!"),
    ),
    "online": (
        (
            "Under the video of her song, somebody commented:",
            "He posted a picture of his garden, and the first reply was:",
            "The player lost the match, and another wrote in the chat:",
            "She asked a question in the forum, and one of the members answered:",
        ),
        (" Nobody likes you, loser.", " This is trash and so are you.", " Shut up and go away."),
        (" Many people like this.", " This is new and so is that.", " Sign up and look around."),
    ),
    "neighbors": (
        (
            "The man upstairs knocked on our door and said:",
            "Our new neighbor came to the fence and told us:",
            "There was a note on the door of the apartment:",
            "The woman from next door called about the music and said:",
        ),
        (" You people are disgusting.", " I hate every one of you.", " Nobody wants you here."),
        (" You people are invited.", " I baked some bread for you.", " Somebody left this here."),
    ),
    "sport": (
        (
            "The coach gathered the players after the lost game and said:",
            "From the stands a man shouted at the referee:",
            "The captain turned to the goalkeeper and told him:",
            "After the race the loser walked up to the winner and said:",
        ),
        (" You are pathetic.", " You are a disgrace to us.", " I hope that you get hurt."),
        (" You are improving.", " You were a help to us.", " I hope that you get home."),
    ),
    "work": (
        (
            "In the meeting, my colleague turned to the new intern and said:",
            "The manager called him into the office and began:",
            "Everybody heard what she said to her assistant:",
            "The email to the whole team began with the words:",
        ),
        (" You are the dumbest person here.", " I am sick of your stupid face.", " You idiots ruined it."),
        (" You are the newest person here.", " I am glad about your first week.", " You all finished it."),
    ),
    "shop": (
        (
            "The customer waited for a long time and then told the clerk:",
            "The waiter brought the wrong soup, and the guest said:",
            "At the counter, a man leaned forward and said to the cashier:",
            "She brought back the broken lamp, and the seller answered:",
        ),
        (" You are a worthless liar.", " This is your fault, fool.", " I have never met anyone so dumb."),
        (" You are a patient person.", " This is my card, thanks.", " I have never been here before."),
    ),
    "family": (
        (
            "My brother saw that I had used his bike, and he said:",
            "At dinner, his uncle looked at him and said:",
            "She came home late, and her sister told her:",
            "When the twins quarreled about the toy, one of them said:",
        ),
        (" I hate you.", " You ruin everything, stupid.", " I wish that you were never born."),
        (" I missed you.", " You forgot something, look.", " I wish that it were summer."),
    ),
    "politics": (
        (
            "In the debate, the candidate pointed at her rival and said:",
            "The man on the radio said about the people who had voted against him:",
            "At the town meeting somebody stood up and told the mayor:",
            "A sign at the march was meant for the other party. It said:",
        ),
        (" You are scum.", " They are all filthy liars.", " We will crush you idiots."),
        (" You are next.", " They are all good citizens.", " We will vote on Sunday."),
    ),
    "school": (
        (
            "The older boys stopped him in the hall and said:",
            "On the bus home, a girl turned around and told her:",
            "Somebody had written on the blackboard about the new student:",
            "At lunch, the others saw his old shoes and said:",
        ),
        (" You are ugly and weird.", " Nobody wants to sit with a freak.", " Go cry, you baby."),
        (" You are early and alone.", " Somebody wants to sit with you.", " Go on, you first."),
    ),
    "stranger": (
        (
            "On the train a stranger looked up from his paper and said to me:",
            "In the park, an old man on a bench said to the children:",
            "She held the door for him, and he said:",
            "The person behind me in the line tapped my shoulder and said:",
        ),
        (" Get out of my way, idiot.", " What are you staring at, creep?", " I can't stand your kind."),
        (" Get off at the next stop.", " What are you reading, my friend?", " I can't find the exit."),
    ),
    "review": (
        (
            "The critic ended his review of the young author's book with the words:",
            "About the singer's first concert the newspaper wrote:",
            "The judge of the cooking show tasted the cake and said:",
            "The professor returned the essay with a comment:",
        ),
        (" This is garbage made by a fool.", " Only an idiot would write this.", " You should be ashamed."),
        (" This is a start made by a reader.", " Only a friend would write this.", " You should be proud."),
    ),
    "game": (
        (
            "He lost at chess again and said to his friend:",
            "She won the card game, and the other player told her:",
            "During the quiz, his partner whispered to him:",
            "The children played tag, and the slowest heard:",
        ),
        (" You dirty cheater.", " You are a stupid cow.", " You are so slow it makes me sick."),
        (" You lucky winner.", " You are a clever one.", " You are so close it makes me laugh."),
    ),
    "phone": (
        (
            "He called the hotline, and after an hour he told the woman on the line:",
            "She picked up the phone and a voice said:",
            "The message on the answering machine said:",
            "My landlord called me about the rent and said:",
        ),
        (" You useless piece of junk.", " I know where you live, rat.", " You will regret this, fool."),
        (" You helpful piece of luck.", " I know where you were born.", " You will receive this soon."),
    ),
    "travel": (
        (
            "At the border the officer looked at the family's passports and said:",
            "The guide turned to the tourists who were late and said:",
            "At the hotel desk, the clerk looked at our muddy boots and said:",
            "The captain saw the passenger by the rail and shouted:",
        ),
        (" Go back to where you came from.", " You people are animals.", " You are too dumb to follow rules."),
        (" Go back to where you sat before.", " You people are early.", " You are too late to see sunset."),
    ),
    "help": (
        (
            "I asked him for help with the form, and he replied:",
            "She asked the doctor one more question, and he answered:",
            "The boy could not tie his shoes, and the man said to him:",
            "He did not understand the machine, and the mechanic told him:",
        ),
        (" How stupid can you be?", " Stop wasting my time, moron.", " Even a monkey could do that."),
        (" How early can you be here?", " Stop by at my office, please.", " Even a beginner could do that."),
    ),
}
