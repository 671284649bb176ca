"""Rule-made pairs: negated hypotheses, exchanged words, and numbers under another bound.

Each rule rewrites one sentence and knows what that does to the label:

- A negated hypothesis turns entailment into contradiction, lifts a contradiction and leaves a neutral pair neutral,
  so that "not" says nothing by itself.
- A word exchanged for one that excludes it (a colour for another, an opposite) contradicts the sentence; a synonym keeps it.
- A number stands to "at least", "more than", "fewer than" and "about" another number as arithmetic has it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from contradict.training import Example

_NEGATION = re.compile(r"\b(?:not?|never|nobody|nothing|none|nor|neither|cannot|without|hardly|\w+n['’]t)\b", re.IGNORECASE)
_CLAUSE = re.compile(r"\b(?:who|which|that|if|because|when|while|and|but|or|as|since|unless|until|than)\b|[,;:?\"“]", re.IGNORECASE)
_AUXILIARY = re.compile(r"\b(?:is|are|was|were|will|would|can|could|should|must|(?:has|have|had)(?= (?:been|\w+ed)\b))\b")
_EXISTS = re.compile(r"^(There (?:is|are|was|were|will be) )(?:an?|some|any|several|many|two|three)\b ")


def negate(sentence: str) -> str | None:
    """The sentence with its main verb negated, or None when it is negated already or no rule fits.

    Only an auxiliary before any other clause is negated: further on, "not" would deny something else.
    """
    if _NEGATION.search(sentence) or sentence.rstrip().endswith("?"):
        return None
    if _EXISTS.match(sentence):
        return _EXISTS.sub(r"\1no ", sentence)
    auxiliary = _AUXILIARY.search(sentence)
    if auxiliary is None or auxiliary.start() == 0 or _CLAUSE.search(sentence[: auxiliary.start()]):
        return None
    word = "cannot" if auxiliary.group() == "can" else f"{auxiliary.group()} not"
    return sentence[: auxiliary.start()] + word + sentence[auxiliary.end() :]


# Words of one row exclude each other where the sentence speaks of one thing.
_EXCLUSIVE = (
    "red blue green yellow black white brown orange purple pink gray",
    "wooden metal plastic glass stone brick leather",
    "guitar piano violin drum trumpet flute saxophone accordion cello",
    "coffee tea beer wine milk juice lemonade",
    "carrots tomatoes potatoes onions cucumbers peppers cabbage mushrooms",
    "apple banana pear peach melon lemon",
    "kitchen bedroom bathroom garage basement attic hallway",
    "American Japanese Italian French German Spanish Russian Chinese Indian Mexican Swedish",
    "dog cat horse cow sheep goat pig rabbit",
    "car bicycle motorcycle truck bus tractor",
    "soccer basketball baseball tennis hockey volleyball cricket",
    "summer winter autumn spring",
    "doctor teacher farmer soldier lawyer carpenter",
    "first second third fourth fifth sixth seventh",
    "brother sister father mother uncle aunt",
    "north south east west",
)  # fmt: skip
# Opposites, and synonyms, in the form in which they stand.
_OPPOSITES = (
    "open/closed", "empty/full", "old/young", "tall/short", "happy/sad", "hot/cold", "wet/dry", "fast/slow", "rich/poor", "strong/weak",
    "early/late", "loud/quiet", "safe/dangerous", "guilty/innocent", "legal/illegal", "cheap/expensive", "easy/difficult", "true/false",
    "public/secret", "alive/dead", "asleep/awake", "inside/outside", "above/below", "before/after", "more/less", "most/few", "all/none of",
    "everyone/no one", "always/never", "often/rarely", "rises/falls", "rose/fell", "rising/falling", "raise/cut", "raised/cut",
    "increase/decrease", "increased/decreased", "supports/opposes", "support/oppose", "supported/opposed", "accept/reject",
    "accepted/rejected", "accepts/rejects", "win/lose", "won/lost", "begin/end", "began/ended", "expand/shrink", "approve/veto",
    "approved/vetoed", "allow/forbid", "allowed/forbidden", "praised/condemned", "praise/condemn", "confirmed/denied", "confirms/denies",
    "succeed/fail", "succeeded/failed", "remember/forget", "arrive/leave", "arrived/left", "stay/leave", "agree/disagree", "trust/distrust",
    "better/worse", "higher/lower", "larger/smaller", "stronger/weaker", "abundant/scarce", "temporary/permanent", "voluntary/compulsory",
    "hire/dismiss", "hired/dismissed", "tighten/loosen", "buy/sell", "bought/sold", "public/private", "ally/enemy", "profit/loss",
    "victory/defeat", "success/failure", "surplus/deficit", "hire/lay off", "protect/endanger", "ready/unwilling", "united/divided",
)  # fmt: skip
_SYNONYMS = (
    "begin/start", "began/started", "large/big", "quick/fast", "help/assist", "buy/purchase", "bought/purchased", "end/finish", "ill/sick",
    "sofa/couch", "child/kid", "children/kids", "woman/lady", "car/automobile", "road/street", "talks/speaks", "talking/speaking",
    "reject/turn down", "rejected/turned down", "raise/increase", "raised/increased", "rose/went up", "fell/went down", "fix/repair",
    "enough/sufficient", "almost/nearly", "about/roughly", "choose/select", "get/obtain", "allow/permit", "allowed/permitted", "ban/outlaw",
    "delay/postpone", "delayed/postponed", "abolish/scrap", "abolished/scrapped", "dismissed/fired", "support/back", "supported/backed",
    "condemned/denounced", "agreement/accord", "armistice/truce", "soldiers/troops", "firm/company", "wages/pay", "lawyer/attorney",
    "autumn/fall", "doctor/physician", "error/mistake", "also/too", "dead/deceased", "rich/wealthy", "important/vital",
    "whole/entire", "needs/requires", "need/require", "shut/closed", "photo/picture", "jacket/coat", "jogging/running", "happy/glad",
)  # fmt: skip


def _tables() -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    conflict: dict[str, list[str]] = {}
    same: dict[str, list[str]] = {}
    for row in _EXCLUSIVE:
        words = row.split()
        for word in words:
            conflict[word] = [w for w in words if w != word]
    for table, rows in ((conflict, _OPPOSITES), (same, _SYNONYMS)):
        for row in rows:
            a, b = row.split("/")
            table.setdefault(a, []).append(b)
            table.setdefault(b, []).append(a)
    return conflict, same


_CONFLICT, _SAME = _tables()
_WORD = re.compile(r"[A-Za-z]+")


def exchange(sentence: str, rng: random.Random) -> tuple[str, str] | None:
    """The sentence with one word exchanged, and the label of the pair, or None when no listed word stands in it.

    A word that stands twice is left alone: one of the two would still be true.
    """
    words = _WORD.findall(sentence)
    for table, label in rng.sample([(_CONFLICT, "contradiction"), (_SAME, "entailment")], 2):
        known = [w for w in dict.fromkeys(words) if w in table and words.count(w) == 1]
        if known and not _NEGATION.search(sentence):
            word = rng.choice(known)
            new = rng.choice(table[word])
            out = re.sub(rf"\b{word}\b", new, sentence)
            return re.sub(r"\b([Aa])n? (?=" + new[0] + ")", r"\1n " if new[0].lower() in "aeio" else r"\1 ", out), label
    return None


_SPELT = {w: n for n, w in enumerate(("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"), 2)}
_NUMBER = re.compile(
    r"(?<![\d.,$€£/:-])\b(\d{1,3}(?:,\d{3})+|\d{1,4}|" + "|".join(_SPELT) + r")"
    r"(?= (?:[a-z]+s|percent|per cent|people|men|women|children|million|billion)\b)",
    re.IGNORECASE,
)
_BOUND = re.compile(
    r"\b(?:least|most|than|about|around|nearly|almost|over|under|to|roughly|some|only|just|or|between|of|the|these|those|this|other|another|"
    r"next|last|first|my|his|her|its|our|their|your|no|every|figure|chapter|one|half|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|"
    r"hundred|thousand|\d+)[\s-]+$",
    re.IGNORECASE,
)


def recount(sentence: str, rng: random.Random) -> tuple[str, str, str] | None:
    """Two versions of a sentence with a number, each under some bound, and the label of the pair; None without a number.

    Years and numbers that stand under a bound already are left alone.
    """
    found = [
        m
        for m in _NUMBER.finditer(sentence)
        if not _BOUND.search(sentence[: m.start()]) and not re.fullmatch(r"1[5-9]\d\d|20\d\d", m.group())
    ]
    if len(found) != 1:
        return None
    match = found[0]
    word = match.group().lower()
    value = _SPELT.get(word) or int(word.replace(",", ""))
    step = max(1, round(value * rng.choice((0.2, 0.4, 0.6))))
    higher, lower = value + step, value - step
    if lower < 2 or match.start() == 0:
        return None

    def put(text: str, number: int) -> str:
        spelt = next((w for w, n in _SPELT.items() if n == number and word in _SPELT), None)
        shown = spelt or (f"{number:,}" if "," in word or number > 9999 else str(number))
        return sentence[: match.start()] + text + shown + sentence[match.end() :]

    return rng.choice(
        (
            (put("", value), put("", higher), "contradiction"),
            (put("", value), put("", lower), "contradiction"),
            (put("", value), put("more than ", higher), "contradiction"),
            (put("", value), put("fewer than ", lower), "contradiction"),
            (put("", value), put("at least ", higher), "contradiction"),
            (put("at least ", higher), put("at most ", value), "contradiction"),
            (put("", value), put("at least ", lower), "entailment"),
            (put("", value), put("more than ", lower), "entailment"),
            (put("", value), put("fewer than ", higher), "entailment"),
            (put("", value), put("at most ", higher), "entailment"),
            (put("at least ", higher), put("more than ", lower), "entailment"),
            (put("", value), put("about ", value), "entailment"),
            (put("at least ", lower), put("", value), "neutral"),
            (put("at most ", higher), put("", value), "neutral"),
            (put("at least ", lower), put("more than ", value), "neutral"),
        )
    )


_NEGATED = {"entailment": ("contradiction",), "contradiction": ("entailment", "neutral"), "neutral": ("neutral", "unrelated")}
_PLAIN = {"entailment": ("entailment",), "neutral": ("neutral",), "contradiction": ("contradiction",)}


def rewritten_pairs(pairs: Sequence[tuple[str, str, str]], texts: Sequence[str], seed: int) -> dict[str, list[Example]]:
    """All pairs that the rules make, by rule: `negated`, `exchanged`, `recounted`.

    Args:
        pairs: (premise, hypothesis, entailment | neutral | contradiction) rows of an NLI corpus.
        texts: Sentences in which words and numbers are exchanged.
        seed: Seed of the choices.
    """
    rng = random.Random(seed)
    out: dict[str, list[Example]] = {"negated": [], "exchanged": [], "recounted": []}
    for premise, hypothesis, label in pairs:
        denied = negate(hypothesis)
        if denied is None:
            continue
        out["negated"].append(Example(premise, denied, _NEGATED[label]))
        if label == "neutral" and (opposite := negate(premise)):
            # Two negatives on one matter, neither of which follows from the other.
            out["negated"].append(Example(opposite, denied, ("neutral", "unrelated")))
    for text in texts:
        if changed := exchange(text, rng):
            new, label = changed
            out["exchanged"].append(Example(text, new, _PLAIN[label], symmetric=True))
        if counted := recount(text, rng):
            premise, hypothesis, label = counted
            out["recounted"].append(Example(premise, hypothesis, _PLAIN[label], symmetric=label == "contradiction"))
    return out
