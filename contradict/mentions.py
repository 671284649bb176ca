"""Whom the words of an article mean: names, titles, roles, groups and pronouns, read in text order.

A pronoun means the most salient mention before it, or nobody when the second best is close. A name that fits two
people means nobody. Outlets and documents are told from people, because they report and never hold a view themselves.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .actors import Cast, lexicon, read_speaker
from .frames import QUOTES, Paragraph, child_of, clause_break, own_clause, parse, split_paragraphs, word_set
from .schema import Article

__all__ = ["Reading", "Source", "characters", "core_end", "describe", "is_outlet", "read", "whom"]


@dataclass(frozen=True, slots=True)
class _Mention:
    """A place where an actor is named, described or meant by a pronoun."""

    paragraph: int
    sentence: int
    token: int
    actor: str
    gender: str | None
    plural: bool
    subject: bool


@dataclass(frozen=True, slots=True)
class Source:
    """Whom the words of a source mean.

    Attributes:
        actor: Canonical name, None if unresolved.
        speaker: The words.
        kind: "person", "individual" (unnamed), "group", "body", "outlet", "document" or "other".
    """

    actor: str | None
    speaker: str
    kind: str


@dataclass(slots=True)
class Reading:
    """An article while it is read: the parse and what is known so far."""

    article: Article
    paragraphs: list[Paragraph]
    docs: list[Any]
    cast: Cast
    mentions: list[_Mention] = field(default_factory=list)
    pronouns: dict[tuple[int, int], str] = field(default_factory=dict)
    outlet: str | None = None
    outlets: frozenset[str] = frozenset()
    authors: dict[str, str] = field(default_factory=dict)
    leak: str | None = None

    def is_outlet(self, text: str) -> bool:
        """Whether the words name a newspaper, station or agency, by the lexicon or by what this article says of it."""
        return is_outlet(text) or re.sub(r"^the ", "", text, flags=re.IGNORECASE) in self.outlets

    def slice(self, paragraph: int, start: int, end: int) -> tuple[int, int]:
        """Character offsets in the article of a token range."""
        return characters(self.docs[paragraph], self.paragraphs[paragraph], start, end)

    def words(self, paragraph: int, start: int, end: int) -> str:
        """The printed words of a token range."""
        a, b = self.slice(paragraph, start, end)
        return self.article.text[a:b]


def read(article: Article, aliases: Mapping[str, Sequence[str]] | None) -> Reading:
    """Parse an article and find out whom its names, roles and pronouns mean."""
    paragraphs = list(split_paragraphs(article.text))
    reading = Reading(article, paragraphs, parse(paragraphs, article.text), Cast(aliases))
    reading.outlets = frozenset(_named_outlets(reading))
    places = _places(reading.docs)
    runs = [(p, run) for p, doc in enumerate(reading.docs) for run in _name_runs(doc)]
    # Full names first: "Clinton" must not become a person of its own before "Hillary Clinton" is known.
    for full in (True, False):
        for p, (start, end) in runs:
            text = _plain(reading.words(p, start, end))
            token = reading.docs[p][end - 1]
            if end - start == 1 and token.dep_ == "pobj" and token.head.lower_ in ("of", "in", "at", "from", "to", "into"):
                continue  # more often a place that the tagger does not know
            name = read_speaker(text).name
            if (len(name) > 1) is full and not reading.is_outlet(text) and not (name and name[-1] in places):
                reading.cast.add(text)
    for p, doc in enumerate(reading.docs):
        _note_appositions(reading, p, doc)
    _note_delayed_name(reading)
    reading.leak = _leaked_document(reading)
    sentence = 0
    for p, doc in enumerate(reading.docs):
        for sent in doc.sents:
            for token in sent:
                _note_mention(reading, p, sentence, token)
            sentence += 1
        sentence += 1
    return reading


def _named_outlets(reading: Reading) -> Iterator[str]:
    """Names that the article calls a newspaper or a station ("the broadcaster Kanal Ost"), and the short forms of outlets."""
    for doc in reading.docs:
        for token in doc:
            if token.pos_ != "PROPN" or (token.i + 1 < len(doc) and doc[token.i + 1].pos_ == "PROPN"):
                continue
            start = token.i
            while start > 0 and doc[start - 1].pos_ == "PROPN":
                start -= 1
            name = doc[start : token.i + 1].text
            if start > 0 and doc[start - 1].lower_ in word_set("reports"):
                yield name
            elif is_outlet(name) and len(name.split()) > 1 and not name.startswith("The "):
                yield name.split()[-1]


_STATE = frozenset(["ambassador", "embassy", "envoy", "official", "minister", "government", "parliament", "army", "border", "delegation"])
"""What a country, a region or a town has: a bare name in front of it is that of a place."""
_RULED = frozenset(["president", "minister", "governor", "mayor", "king", "queen", "capital", "city", "town", "island", "port", "people"])
"""Of what there is one in a country or town: a bare name after "of" is that of a place."""


def _places(docs: Sequence[Any]) -> frozenset[str]:
    """Single names that are used as a place ("in Kelmar", "the Kelmar ambassador") more often than in a person's name."""
    uses: Counter[str] = Counter()  # as a place, less those as a person
    for token in (t for doc in docs for t in doc if t.pos_ == "PROPN"):
        before = token.nbor(-1) if token.i > 0 else None
        in_name = before is not None and (before.pos_ == "PROPN" or before.lower_ in lexicon()["titles"])
        owned = token.dep_ in ("compound", "amod", "nmod") and token.head.lemma_.lower() in _STATE and token.head.i == token.i + 1
        ruled = token.dep_ == "pobj" and token.head.lower_ == "of" and token.head.head.lower_ in _RULED
        located = token.dep_ == "pobj" and token.head.lower_ == "in" and token.ent_type_ != "PERSON" and child_of(token, "det") is None
        if in_name:
            uses[token.text] -= 1
        elif owned or located or ruled:
            uses[token.text] += 1
    return frozenset(name for name, count in uses.items() if count > 0)


def _leaked_document(reading: Reading) -> str | None:
    """Words of the first inside document that the article rests on: "a memorandum", "leaked emails"."""
    lists = lexicon()["channels"]["private"]
    for p, doc in enumerate(reading.docs):
        for token in doc:
            words = {token.lower_, token.lemma_.lower()}  # "minutes" are no minute
            if token.pos_ != "NOUN" or words.isdisjoint(word_set("documents")) or token.dep_ == "compound":
                continue
            marks = [c for c in token.children if c.lower_ in lists["adjectives"] and c.dep_ in ("amod", "acl")]
            cited = token.dep_ in ("nsubj", "nsubjpass", "dobj", "npadvmod") or (
                token.dep_ == "pobj" and token.head.head.lower_ == "according"
            )
            if marks or (cited and not words.isdisjoint(lists["documents"])):
                first, last = min([token.i, *(c.i for c in marks)]), max([token.i, *(c.i for c in marks)])
                return reading.words(p, first, last + 1)
    return None


def _plain(text: str) -> str:
    return re.sub(r"^[-–—―\s]+|['’]s?$", "", " ".join(text.split()).translate(QUOTES))


def is_outlet(text: str) -> bool:
    """Whether the name is that of a newspaper, station or agency."""
    bare = re.sub(r"^the ", "", text, flags=re.IGNORECASE)
    return text in word_set("outlets") or bare in word_set("outlets") or (" " in bare and bare.split()[-1] in word_set("outlet_suffixes"))


def _name_runs(doc: Any) -> Iterator[tuple[int, int]]:
    """Token ranges of personal names with their titles: by the tagger, by a title in front, by a known first name."""
    titles = lexicon()["titles"]
    first_names = word_set("first_names", "m") | word_set("first_names", "f")
    done = 0
    for token in doc:
        if token.i < done or not token.text[:1].isupper() or (token.pos_ != "PROPN" and token.ent_type_ != "PERSON"):
            continue
        start = token.i
        if token.ent_type_ == "PERSON":
            end = start + 1
            while end < len(doc) and doc[end].ent_type_ == "PERSON" and doc[end].ent_iob_ == "I":
                end += 1
            if end < len(doc) and doc[end].pos_ == "PROPN" and doc[end].ent_type_ == "" and doc[end - 1].head == doc[end]:
                end += 1  # "Shirin Vaziri", of which the tagger took only the first name
        else:
            end = start + 1
            while end < len(doc) and doc[end].pos_ == "PROPN" and doc[end].text[:1].isupper() and doc[end].ent_type_ != "PERSON":
                end += 1
            before = doc[start - 1].lower_ if start else ""
            inner = next((i for i in range(end - 2, start - 1, -1) if doc[i].lower_ in titles), None)
            if inner is not None and end - inner >= 3 and doc[inner].lower_ in _PERSONAL:
                start = inner
            elif not (
                end - start >= 2
                and (before in _PERSONAL or (doc[start].text in first_names and end - start <= 3) or _spoken_of_as_person(doc, start, end))
            ):
                continue
        while doc[end - 1].tag_ == "POS" or doc[end - 1].text in ("'s", "'"):
            end -= 1
        if end <= start or any(t.like_num or t.text in ("-", "/", "@") for t in doc[start:end]) or not doc[end - 1].text[:1].isupper():
            continue
        if doc[start:end].text in lexicon()["demonyms"].values():
            continue
        while start > 0 and (
            doc[start - 1].lower_ in titles
            or doc[start - 1].text in lexicon()["demonyms"]
            or doc[start - 1].lower_ in ("prime", "foreign", "finance")
        ):
            start -= 1
        done = end
        yield start, end


def _spoken_of_as_person(doc: Any, start: int, end: int) -> bool:
    """Whether a two-word name that speaks is taken up by "he" or "she": the tagger takes rare names for organisations."""
    name, verb = doc[end - 1], doc[end - 1].head
    if end - start != 2 or name.dep_ != "nsubj" or child_of(name, "det") is not None or name.text in word_set("outlet_suffixes"):
        return False
    if verb.lemma_.lower() not in word_set("verbs", "say") | word_set("verbs", "want") | word_set("light_verbs"):
        return False
    sent = doc[end - 1].sent
    following = doc[sent.end : sent.end + 1]
    return any(t.lower_ in ("he", "she", "his", "her") for t in (*doc[end : sent.end], *following))


_PERSONAL = frozenset(
    [
        "president",
        "minister",
        "premier",
        "chancellor",
        "secretary",
        "senator",
        "sen.",
        "rep.",
        "congressman",
        "congresswoman",
        "governor",
        "gov.",
        "mayor",
        "mr.",
        "mrs.",
        "ms.",
        "dr.",
        "gen.",
        "col.",
        "marshal",
        "judge",
        "ambassador",
    ]
)


def _note_appositions(reading: Reading, p: int, doc: Any) -> None:
    for token in doc:
        if token.dep_ != "appos":
            continue
        name, noun = (token, token.head) if token.pos_ == "PROPN" else (token.head, token)
        if (
            noun.pos_ != "NOUN"
            or noun.lemma_.lower() not in word_set("person_nouns")
            or name.pos_ != "PROPN"
            or not reading.cast.knows(name.text)
        ):
            continue
        actor = reading.cast.find(_name_text(reading, p, name), roles=False)
        if actor is not None:
            reading.cast.note_role(
                actor, _plain(reading.words(p, noun.left_edge.i, min(core_end(noun), noun.doc[noun.i].right_edge.i + 1)))
            )


def core_end(noun: Any) -> int:
    """End of the noun phrase without clauses and appositions; "of", "for" and "to" stay."""
    end = noun.i + 1
    for child in noun.children:
        if child.i > noun.i and child.dep_ == "prep" and child.i <= end and child.lower_ in ("of", "for", "to", "in", "at", "from"):
            inner = child_of(child, "pobj")
            end = core_end(inner) if inner is not None else end
        elif child.i > noun.i and child.dep_ in ("conj",) and noun.i < child.i <= end + 2:
            end = child.i + 1
    return int(end)


def _note_delayed_name(reading: Reading) -> None:
    """News leads often describe ("the president of Karsia") and name the person at the head of the next paragraph."""
    if len(reading.docs) < 2:
        return
    lead, following = reading.docs[0], reading.docs[1]
    if any(t.pos_ == "PROPN" and reading.cast.knows(t.text) for t in lead):
        return
    titles = lexicon()["titles"]
    roles = [t for t in lead if t.pos_ == "NOUN" and t.tag_ == "NN" and t.lower_ in titles and t.dep_ not in ("compound", "appos")]
    name = next((t for t in following if t.pos_ == "PROPN" and reading.cast.knows(t.text) and t.dep_ not in ("compound", "poss")), None)
    if name is None or not roles:
        return
    text = _name_text(reading, 1, name)
    actor = reading.cast.find(text, roles=False)
    own = read_speaker(text).role
    named = own in titles and own not in ("marshal", "general")
    fits = [r for r in roles if own == r.lower_] or [r for r in roles if not named or r.lower_ in ("head", "boss", "chief", "leader")]
    if actor is not None and len({r.lower_ for r in fits}) == 1 and name.dep_ in ("nsubj", "nsubjpass", "pobj"):
        reading.cast.note_role(actor, _plain(reading.words(0, fits[0].left_edge.i, core_end(fits[0]))))


def _name_text(reading: Reading, p: int, token: Any) -> str:
    """The name around a token with its title, as printed."""
    doc, start = token.doc, token.i
    titles = lexicon()["titles"]
    while start > 0 and (
        (
            doc[start - 1].pos_ == "PROPN"
            and doc[start - 1].head.i <= token.i
            and doc[start - 1].dep_ in ("compound", "nmod", "amod", "flat")
        )
        or (doc[start - 1].lower_ in titles and doc[start - 1].dep_ in ("compound", "nmod", "amod"))
        or doc[start - 1].text in ("Mr.", "Mrs.", "Ms.", "Dr.")
    ):
        start -= 1
    return _plain(reading.words(p, start, token.i + 1))


def _note_mention(reading: Reading, p: int, sentence: int, token: Any) -> None:
    actor: str | None = None
    gender: str | None = None
    plural = body = False
    if token.tag_ in ("PRP", "PRP$") and token.lower_ in ("he", "she", "they", "his", "her", "their", "him", "them"):
        actor = _antecedent(reading, p, sentence, token)
        if actor is None:
            return
        reading.pronouns[(p, token.i)] = actor
        gender, plural = _pronoun_gender(token), token.lower_.startswith("the")
        if gender is not None and token.dep_ in ("nsubj", "nsubjpass"):
            reading.cast.note_gender(actor, gender)
    elif (token.pos_ == "PROPN" and token.dep_ != "compound" and reading.cast.knows(token.text)) or (
        token.ent_type_ == "PERSON" and token.dep_ != "compound"
    ):
        actor = _by_recency(reading, reading.cast.candidates(_name_text(reading, p, token), roles=False), p, token)
        gender = reading.cast.gender(actor) if actor is not None else None
    elif (
        token.pos_ == "NOUN"
        and (token.lemma_.lower() in word_set("person_nouns") or token.lower_ in word_set("group_nouns"))
        and token.dep_ not in ("compound", "appos")
    ):
        source = describe(reading, p, token)
        actor, plural, body = source.actor, source.kind in ("group", "body"), source.kind == "body"
        gender = reading.cast.gender(actor or "") or read_speaker(token.text).gender
    elif token.lower_ == "one" and token.dep_ in ("nsubj", "pobj") and any(c.lower_ == "of" for c in token.children):
        actor = describe(reading, p, token).actor
    if actor is not None:
        subject = token.dep_ in ("nsubj", "nsubjpass") and not body  # "they" rather means people than an army
        reading.mentions.append(_Mention(p, sentence, token.i, actor, gender, plural, subject))


def _pronoun_gender(token: Any) -> str | None:
    return {"he": "m", "his": "m", "him": "m", "she": "f", "her": "f"}.get(token.lower_)


def _by_recency(reading: Reading, candidates: Sequence[str], p: int, token: Any) -> str | None:
    """The one candidate, or the one that was named last before the token if the others are out of sight."""
    if len(candidates) < 2:
        return candidates[0] if candidates else None
    seen = [m for m in reading.mentions if m.actor in candidates and (m.paragraph, m.token) < (p, token.i)]
    if not seen:
        return None
    latest = seen[-1]
    others = [m for m in seen if m.actor != latest.actor]
    return latest.actor if not others or latest.sentence - others[-1].sentence >= 2 else None


_MARGIN = 0.5


def _antecedent(reading: Reading, p: int, sentence: int, token: Any) -> str | None:
    """Whom a pronoun means: the most salient mention before it, None if the second is too close."""
    gender, plural = _pronoun_gender(token), token.lower_.startswith("the")
    barred = _barred(token)
    excluded = {m.actor for m in reading.mentions[-20:] if m.paragraph == p and m.token in barred and m.subject}
    bound = _bound(token)
    excluded |= {m.actor for m in reading.mentions[-20:] if m.paragraph == p and m.token in bound}
    scores: dict[str, float] = {}
    for m in reversed(reading.mentions):
        distance = sentence - m.sentence
        if distance > 5:
            break
        if m.plural is not plural or m.actor in excluded or (m.paragraph == p and m.token in barred):
            continue
        known = m.gender or reading.cast.gender(m.actor)
        if gender is not None and known not in (None, gender):
            continue
        score = max(3.0 - 0.8 * distance, 0.3) + (1.0 if m.subject else 0.0) + (0.4 if known is not None and gender is not None else 0.0)
        score -= 0.6 * (p - m.paragraph)
        scores[m.actor] = max(scores.get(m.actor, 0.0), score)
    ranked = sorted(scores.items(), key=lambda item: -item[1])
    if not ranked or (len(ranked) > 1 and ranked[0][1] - ranked[1][1] < _MARGIN):
        return None
    return ranked[0][0]


def _barred(token: Any) -> frozenset[int]:
    """Tokens that cannot be the antecedent: the content that ", he said" follows or interrupts, and "according to X"."""
    verb = token.head if token.dep_ == "nsubj" else None
    barred: set[int] = set()
    if verb is not None:
        for child in verb.children:
            if child.i < token.i and child.dep_ in ("ccomp", "dep") and not clause_break(child, verb):
                barred.update(t.i for t in child.subtree)
            elif child.i < token.i and child.dep_ == "prep":
                # "In a letter to the mediator, she wrote": what stands in the verb's own phrase is not its subject.
                barred.update(t.i for t in own_clause(child, None))
        if verb.dep_ == "parataxis":
            barred.update(t.i for t in verb.head.subtree if t.i < token.i)
    for other in token.sent:
        if other.lower_ == "according" and other.i < token.i:
            barred.update(t.i for t in other.subtree)
    return frozenset(barred)


def _bound(token: Any) -> frozenset[int]:
    """Tokens that an object cannot mean, being its subject ("X called her"), or that it helps to describe ("X, a critic of hers")."""
    bound: set[int] = set()
    for above in token.ancestors:
        if above.dep_ == "appos":
            bound |= {above.i, above.head.i}
        if above.pos_ in ("VERB", "AUX"):
            break
    verb = token.head if token.dep_ in ("dobj", "dative") else token.head.head if token.dep_ == "pobj" else None
    while token.tag_ == "PRP" and verb is not None and verb.pos_ in ("VERB", "AUX"):
        subject = child_of(verb, "nsubj", "nsubjpass")
        if subject is not None:
            bound.add(subject.i)
            break
        verb = verb.head if verb.dep_ in ("xcomp", "conj", "advcl") and verb.head.i != verb.i else None
    return frozenset(bound)


def describe(reading: Reading, p: int, token: Any) -> Source:
    """Resolve a noun phrase without looking at pronouns: names, roles, groups, bodies, outlets, documents."""
    start = token.left_edge.i
    full = _plain(reading.words(p, start, token.i + 1))
    lemma = token.lemma_.lower()
    if reading.is_outlet(full) or (
        lemma in word_set("reports")
        and not (reading.leak and lemma in word_set("documents"))
        and token.pos_ == "NOUN"
        and token.tag_ == "NN"
        and full.lower().startswith(("the ", "a ", "this "))
    ):
        return Source(None, full, "outlet")
    if token.pos_ == "PROPN" or token.ent_type_ == "PERSON":
        text = _name_text(reading, p, token)
        if reading.cast.knows(token.text):
            actor = _by_recency(reading, reading.cast.candidates(text, roles=False), p, token)
            if actor is None and len(reading.cast.candidates(text, roles=False)) > 1:
                return Source(None, full, "person")
            if actor is not None:
                return Source(actor, full if len(full) < 80 else text, "person")
        end = core_end(token)
        return Source(_bare(_plain(reading.words(p, start, end))), full, "body")
    named = next((c for c in token.children if c.dep_ == "appos" and c.pos_ == "PROPN" and reading.cast.knows(c.text)), None)
    if named is not None:
        return Source(_by_recency(reading, reading.cast.candidates(_name_text(reading, p, named), roles=False), p, token), full, "person")
    if lemma in word_set("documents") and lemma not in word_set("person_nouns"):
        return Source(None, _bare(full), "document")
    if lemma not in word_set("person_nouns") and token.lower_ not in word_set("group_nouns") and token.lower_ != "one":
        return Source(None, full, "other")
    end = max(core_end(token), token.i + 1)
    clause = next((c for c in token.children if c.dep_ in ("acl", "relcl") and c.left_edge.i == end and c.right_edge.i - end < 8), None)
    phrase = _plain(reading.words(p, start, end))
    if clause is not None:
        # "People briefed on the matter": without the clause the words name nobody.
        phrase = _plain(reading.words(p, start, clause.right_edge.i + 1)).rstrip(" ,")
    plural = token.tag_ in ("NNS", "NNPS") or token.lower_ in word_set("group_nouns")
    first = token.left_edge.lower_
    if token.lower_ in word_set("bodies"):
        return Source(_bare(phrase), phrase, "body")
    if plural:
        return Source(_bare(phrase), phrase, "group")
    if token.lower_ == "one" or first in ("a", "an", "another", "some", "one"):
        return Source(_anchored(reading, p, token), phrase, "individual")
    actor = _role_holder(reading, p, token, phrase)
    if actor is not None:
        reading.cast.note_role(actor, phrase)
        return Source(actor, phrase, "person")
    again = [m for m in reading.mentions if not m.plural and m.actor.split()[:1] == [lemma]]
    if again and first in ("the", "that"):
        return Source(again[-1].actor, phrase, "individual")
    return Source(_anchored(reading, p, token), phrase, "individual")


def _role_holder(reading: Reading, p: int, token: Any, phrase: str) -> str | None:
    """Whom a role without a name means: "the president", "the Russian leader"; None rather than somebody near enough.

    A title that the text gives only later, or gives without a country, does not answer for a role that somebody
    named before may hold as well.
    """
    said = read_speaker(phrase)
    fits = reading.cast.candidates(phrase)
    before = dict.fromkeys(m.actor for m in reading.mentions if (m.paragraph, m.token) < (p, token.i) and not m.plural)
    named = [actor for actor in before if reading.cast.find(actor, roles=False) == actor]
    if said.country is not None and (sure := reading.cast.candidates(phrase, strict=True)):
        return _by_recency(reading, sure, p, token)
    if said.country is None and (seen := [actor for actor in fits if actor in named]):
        return _by_recency(reading, seen, p, token)
    if not named:
        return _by_recency(reading, fits, p, token)
    # Nobody named so far has the role: it can only be the one person there is, if he has no other.
    leading = said.role == "leader" or said.role in word_set("leaders")
    only = named[0] if len(named) == 1 else None
    if only is not None and leading and (only in fits or reading.cast.roles(only) <= word_set("leaders") | {"leader"}):
        return only
    return only if only in fits else None


def _bare(phrase: str) -> str:
    return re.sub(r"^(?:the|a|an|some|one|another|his|her|their|its) (?!of )(?=\w)", "", phrase, flags=re.IGNORECASE)


def _anchored(reading: Reading, p: int, token: Any) -> str:
    """Name of somebody without a name, tied to the person it depends on: "An aide to the marshal" -> "aide to Dovrin Askel"."""
    start, end = token.left_edge.i, core_end(token)
    link = next((c for c in token.children if c.dep_ == "prep" and c.lower_ in ("to", "for", "of")), None)
    inner = child_of(link, "pobj") if link is not None else None
    clause = next((c for c in token.children if c.dep_ in ("acl", "relcl") and c.left_edge.i == end and c.right_edge.i - end < 8), None)
    if link is not None and inner is not None and inner.i < end:
        person = describe(reading, p, inner) if inner.tag_ != "PRP" else None
        if person is not None and person.kind == "person" and person.actor is not None:
            return _bare(_plain(reading.words(p, start, link.i + 1))) + " " + person.actor
    owner = child_of(token, "poss")
    if owner is not None:
        name = reading.pronouns.get((p, owner.i)) or describe(reading, p, owner).actor
        if name is not None and owner.i < token.i:
            after = owner.i + 1
            while after < token.i and token.doc[after].tag_ == "POS":
                after += 1
            return f"{name}'s " + _plain(reading.words(p, after, end))
    return _bare(_plain(reading.words(p, start, clause.right_edge.i + 1 if clause is not None else end)).rstrip(" ,"))


def whom(reading: Reading, p: int, token: Any) -> Source:
    """Whom the head of a source means."""
    if token is None:
        return Source(None, "", "other")
    if token.tag_ in ("PRP", "PRP$"):
        actor = reading.pronouns.get((p, token.i))
        plural = token.lower_ in ("they", "their", "we", "our")
        if actor is None and token.lower_ in ("it", "its"):
            document = next(
                (
                    t
                    for t in reversed(token.doc[: token.sent.start])
                    if t.dep_ == "nsubj" and describe(reading, p, t).kind in ("document", "outlet")
                ),
                None,
            )
            if document is not None:
                return describe(reading, p, document)
        if actor is not None and not plural:
            last = next((m for m in reversed(reading.mentions) if m.actor == actor), None)
            kind = "person" if actor in {*reading.cast.candidates(actor, roles=False)} or last is None else "individual"
            return Source(actor, token.text, kind)
        return Source(actor, token.text, "group" if plural else "other")
    if token.tag_ in ("WP", "WDT", "DT", "EX"):
        return Source(None, token.text, "other")
    return describe(reading, p, token)


def characters(doc: Any, paragraph: Paragraph, start: int, end: int) -> tuple[int, int]:
    """Offsets in the article of a token range of one paragraph."""
    return paragraph.start + doc[start].idx, paragraph.start + doc[end - 1].idx + len(doc[end - 1])
