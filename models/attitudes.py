"""Generated pairs of attitudes, in the words that extraction gives to them.

"Putin's interest in peace talks" becomes the claim "Vladimir Putin is interested in peace talks." Such claims are
shorter and plainer than written statements, so a model that saw only those takes two ways of saying yes for a
conflict. The pairs here show yes and yes, no and no, yes and no, and two different questions, over invented people
and many matters, with conditions and negation words on every side.
"""

from __future__ import annotations

import random

from contradict.training import Example

# (ways to name the matter, ways to do it, area): the first list are noun phrases without "a" where "no" can stand before them.
_MATTERS: tuple[tuple[tuple[str, ...], tuple[str, ...], str], ...] = (
    (("truce", "cease-fire", "armistice", "halt to the fighting"), ("stop the fighting", "lay down arms", "halt the offensive"), "war"),
    (("peace talks", "negotiations with the rebels", "talks on peace"), ("negotiate with the rebels", "sit down with the enemy"), "war"),
    (("withdrawal from the valley", "pull-out from the valley"), ("withdraw from the valley", "pull the troops out of the valley"), "war"),
    (("prisoner exchange", "swap of prisoners"), ("exchange prisoners", "free the captives in a swap"), "war"),
    (("mobilisation", "draft of reservists"), ("call up reservists", "mobilise the reserves"), "war"),
    (("tax rise", "higher taxes", "increase in taxes"), ("raise taxes", "put taxes up"), "budget"),
    (("cut in pensions", "lower pensions"), ("cut pensions", "reduce pensions"), "budget"),
    (("wealth tax", "levy on fortunes"), ("tax large fortunes", "introduce a wealth tax"), "budget"),
    (("early election", "snap election"), ("call an early election", "go to the polls early"), "power"),
    (("coalition with the Greens", "alliance with the Greens"), ("govern with the Greens", "form a coalition with the Greens"), "power"),
    (("third term", "another term in office"), ("run for a third term", "seek another term"), "power"),
    (("referendum on independence", "vote on independence"), ("hold a referendum on independence", "ask the people"), "power"),
    (("sale of the airline", "privatisation of the airline"), ("sell the airline", "privatise the airline"), "business"),
    (("merger with Norvane", "tie-up with Norvane"), ("merge with Norvane", "join forces with Norvane"), "business"),
    (("job cuts", "layoffs at the plant"), ("cut jobs", "lay off workers at the plant"), "business"),
    (("closure of the mine", "shutdown of the mine"), ("close the mine", "shut the mine down"), "business"),
    (("price increase", "higher prices"), ("raise prices", "charge customers more"), "business"),
    (("bonus for the board", "extra pay for the board"), ("pay the board a bonus", "reward the board"), "business"),
    (("recall of the heater", "recall of the device"), ("recall the heater", "take the device off the market"), "safety"),
    (("moratorium on drilling", "halt to drilling"), ("stop the drilling", "suspend drilling"), "energy"),
    (("new reactor", "second nuclear plant"), ("build a new reactor", "build a second nuclear plant"), "energy"),
    (("carbon tax", "levy on emissions"), ("tax emissions", "put a price on carbon"), "energy"),
    (("ban on the pesticide", "prohibition of the pesticide"), ("ban the pesticide", "outlaw the pesticide"), "safety"),
    (("amnesty for the rebels", "pardon for the rebels"), ("pardon the rebels", "grant the rebels an amnesty"), "law"),
    (("return of the death penalty", "restoration of hanging"), ("bring back the death penalty", "restore capital punishment"), "law"),
    (("wiretapping of reporters", "surveillance of reporters"), ("tap the phones of reporters", "spy on reporters"), "law"),
    (("border closure", "closing of the border"), ("close the border", "seal the border"), "borders"),
    (("quota for refugees", "fixed intake of refugees"), ("take in a fixed number of refugees", "accept a refugee quota"), "borders"),
    (("visa-free travel", "end to visas"), ("abolish visas", "let visitors in without visas"), "borders"),
    (("membership of the alliance", "entry into the alliance"), ("join the alliance", "enter the alliance"), "abroad"),
    (("trade deal with Karsia", "trade pact with Karsia"), ("sign a trade deal with Karsia", "open trade with Karsia"), "abroad"),
    (("sanctions on Velmora", "embargo against Velmora"), ("impose sanctions on Velmora", "keep up the embargo against Velmora"), "abroad"),
    (("loan from the fund", "bailout by the fund"), ("ask the fund for a loan", "take a bailout"), "abroad"),
    (("interest rate cut", "lower interest rates"), ("cut interest rates", "lower rates"), "money"),
    (("devaluation", "weaker currency"), ("devalue the currency", "let the currency fall"), "money"),
    (("rescue of the bank", "bailout of the bank"), ("rescue the bank", "save the bank with public money"), "money"),
    (("strike", "walkout"), ("go on strike", "walk out"), "labour"),
    (("four-day week", "shorter working week"), ("introduce a four-day week", "shorten the working week"), "labour"),
    (("school closures", "closing of village schools"), ("close village schools", "shut small schools"), "schools"),
    (("tuition fees", "charges for students"), ("charge tuition fees", "make students pay"), "schools"),
    (("stadium in the park", "arena in the park"), ("build a stadium in the park", "put an arena in the park"), "city"),
    (("toll on the bridge", "charge for crossing the bridge"), ("put a toll on the bridge", "charge drivers on the bridge"), "city"),
    (("curfew", "night-time lockdown"), ("impose a curfew", "keep people indoors at night"), "health"),
    (("vaccine mandate", "compulsory vaccination"), ("make vaccination compulsory", "force people to be vaccinated"), "health"),
    (("transfer of the striker", "sale of the striker"), ("sell the striker", "let the striker go"), "sport"),
    (("boycott of the games", "withdrawal from the games"), ("boycott the games", "stay away from the games"), "sport"),
)  # fmt: skip

_YES = (
    "{who} is interested in {a}.", "{who} is open to {a}.", "{who} is willing to {do}.", "{who} is ready to {do}.", "{who} wants to {do}.",
    "{who} would accept {a}.", "{who} favours {a}.", "{who} is prepared to {do}.", "{who} has signalled interest in {a}.",
    "{who} hopes to {do}.",
    "{who} would settle for {a}.", "{who} will {do}.", "{who} is not opposed to {a}.",
    "{who} considered {a}.", "{who} is considering {a}.", "{who} explored the possibility of {a}.", "{who} weighed {a}.",
    "{who} has raised the idea of {a}.", "{who} is exploring {a}.", "{who} sought {a}.", "{who} proposed {a}.",
    "{who} was ready for {a}.", "{who} is satisfied with the way things stand and ready for {a}.",
    "{who} has nothing against {a}.", "{who} sees no reason not to {do}.", "It is time to {do}.", "I am ready to {do}.", "We want {a}.",
)  # fmt: skip
_NO = (
    "There will be no {n}.", "There would be no {n} until {when}.", "{who} rules out {a}.", "{who} will not {do}.",
    "{who} will never {do}.",
    "{who} rejects {a}.", "{who} is opposed to {a}.", "{who} refuses to {do}.", "Nobody is going to {do}.", "It would be wrong to {do}.",
    "{who} has no plan to {do}.", "No {n} is possible until {when}.", "Any talk of {a} is out of the question.", "I shall not {do}.",
    "{who} is against {a}.", "We have no intention to {do}.", "{who} excludes {a} before {when2}.",
)  # fmt: skip
_IF = (" if {when}", " provided that {when}", " as long as {when}", " on condition that {when}")
_WHEN = (
    "our goals are achieved", "the other side gives way", "the budget is balanced", "parliament agrees", "the voters have spoken",
    "the country keeps what it has", "the debt is paid", "safety is proved", "the inquiry is over", "everybody is paid",
)  # fmt: skip
_WHEN2 = ("the autumn", "next year", "the election", "the end of the war", "June")
_ASIDE = (
    "{who} is confident of success.", "{who} is worried about the costs.", "{who} has not been told of any date.",
    "No date has been fixed.", "{who} wants to keep what has been won.", "{who} does not trust the other side.",
)  # fmt: skip
_NAMES = ("Oren Vask", "Ana Lor", "Milo Tarn", "Petra Quill", "Dov Askel", "Ruth Imber", "Jon Sarre", "Lena Moro", "Karl Oste", "Mira Dane")

_MASS = ("higher", "lower", "visa-free", "compulsory", "mobilisation", "devaluation", "negotiations", "layoffs", "sanctions", "charges")
_PLURAL = ("talks", "cuts", "closures", "fees", "prices", "taxes", "rates", "pensions")


def _say(templates: tuple[str, ...], matter: tuple[tuple[str, ...], tuple[str, ...], str], who: str, rng: random.Random) -> str:
    noun, when = rng.choice(matter[0]), rng.choice(_WHEN)
    article = (
        "" if noun.split()[0].endswith("s") or noun.startswith(_MASS) or noun.endswith(_PLURAL) else "an " if noun[0] in "aeiou" else "a "
    )
    text = rng.choice(templates).format(who=who, a=article + noun, n=noun, do=rng.choice(matter[1]), when=when, when2=rng.choice(_WHEN2))
    if templates is _YES and rng.random() < 0.25:
        text = text[:-1] + rng.choice(_IF).format(when=when) + "."
    return text


def attitude_pairs(count: int, seed: int) -> list[Example]:
    """Pairs of attitudes of one actor.

    Two ways of saying yes, or of saying no, never conflict; yes and no do, as a contradiction or, under a
    condition, a tension; two matters are unrelated.

    Args:
        count: How many pairs.
        seed: Seed of the choice.
    """
    rng = random.Random(seed)
    out: list[Example] = []
    while len(out) < count:
        matter, other = rng.sample(_MATTERS, 2)
        who = rng.choice(_NAMES)
        kind = rng.random()
        if kind < 0.3:
            side = rng.choice((_YES, _NO))
            pair = (_say(side, matter, who, rng), _say(side, matter, who, rng))
            allowed: tuple[str, ...] = ("entailment", "neutral")
        elif kind < 0.62:
            pair = (_say(_YES, matter, who, rng), _say(_NO, matter, who, rng))
            allowed = ("contradiction", "tension")
        elif kind < 0.88:
            pair = (_say(rng.choice((_YES, _NO)), matter, who, rng), _say(rng.choice((_YES, _NO)), other, who, rng))
            allowed = ("unrelated", "neutral") if matter[2] == other[2] else ("unrelated",)
        else:
            pair = (_say(rng.choice((_YES, _NO)), matter, who, rng), rng.choice(_ASIDE).format(who=who))
            allowed = ("neutral", "unrelated")
        if pair[0] != pair[1]:
            if rng.random() < 0.5:
                pair = (pair[1], pair[0])
            out.append(Example(*pair, allowed, symmetric=True))
    return out
