"""Article -> statements: who says what, on which channel, when, as reported by whom.

The way of an article: paragraphs (layout) -> parse (spaCy) -> frames (cue, source, content; one per attribution) ->
mentions (whom a name, role or pronoun means) -> statements (channel, date, chain of reporters, proposition).
Everything above the parse is rules over the word lists in `lexicon.json`.

What it does not do: it finds no statement without a cue word, reads no headline, guesses no pronoun whose two best
antecedents are close, and gives no year that neither the text nor the article's date supports.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .actors import lexicon, resolve_actors
from .dates import DatePhrase, find_dates
from .frames import (
    Frame,
    Paragraph,
    announcement,
    carried_speech,
    child_of,
    find_frames,
    has_to,
    own_clause,
    parse,
    source_of,
    split_paragraphs,
    trimmed,
    word_set,
)
from .mentions import Reading, Source, characters, core_end, describe, is_outlet, read, whom
from .schema import Article, DateRange, Statement

__all__ = ["Attribution", "extract_statements", "find_attributions"]


@dataclass(frozen=True, slots=True)
class Attribution:
    """One place where a text says who holds what, before anyone is resolved.

    Attributes:
        source: Characters of the source in the article.
        cue: Characters of the cue word.
        content: Characters of what is attributed; several spans where the cue interrupts it.
        kind: "say", "think", "want", "stance", "attitude", "quote" or "question".
    """

    source: tuple[int, int]
    cue: tuple[int, int]
    content: tuple[tuple[int, int], ...]
    kind: str


def find_attributions(article: Article) -> list[Attribution]:
    """All attributions of an article as character spans, nested ones and those of outlets included.

    Raises:
        MissingDependencyError: spaCy or an English model is not installed.
    """
    paragraphs = list(split_paragraphs(article.text))
    found: list[Attribution] = []
    before: list[Attribution] = []  # of the paragraph before
    opened: Attribution | None = None  # by "She added:" at its end
    speaks = False  # whether its last words are a quote of the last of them
    for paragraph, doc in zip(paragraphs, parse(paragraphs, article.text), strict=True):
        frames = find_frames(doc)
        here = _attributions(paragraph, doc, frames)
        whole = carried_speech(doc, frames, block=opened is not None)
        if opened is not None and whole is not None:
            here = [replace(opened, content=(characters(doc, paragraph, *whole),)), *here]
        elif whole is not None and speaks and before:
            carried = replace(before[-1], content=(*before[-1].content, characters(doc, paragraph, *whole)))
            found[found.index(before[-1])] = carried
            before, here = [carried], []
            continue
        found += here
        said = announcement(doc)
        opened = _attributions(paragraph, doc, [said])[0] if said is not None else None
        speaks = _last_quote(frames, doc) is not None
        before = here
    return found


def _attributions(paragraph: Paragraph, doc: Any, frames: Sequence[Frame]) -> list[Attribution]:
    """One attribution per cue that has a source."""
    by_cue: dict[int, list[Frame]] = {}
    for frame in frames:
        by_cue.setdefault(frame.cue.i, []).append(frame)
    found = []
    for parts in by_cue.values():
        source = parts[0].source
        if source is None:
            continue
        content = sorted({_complement(f) for f in parts} | {f.lead for f in parts if f.lead is not None and f.lead[1] - f.lead[0] > 1})
        found.append(
            Attribution(
                characters(doc, paragraph, *_source_words(source, parts[0].cue)),
                characters(doc, paragraph, parts[0].cue.i, parts[0].cue.i + 1),
                tuple(characters(doc, paragraph, *part) for part in content),
                parts[0].kind,
            )
        )
    return found


def _last_quote(frames: Sequence[Frame], doc: Any) -> Frame | None:
    """The quote with which a paragraph ends: a paragraph of quotes without a speaker goes on with it."""
    last = max(frames, key=lambda f: max(f.end, f.cue.i), default=None)
    goes_on = last is not None and last.quoted and last is frames[-1] and max(last.end, last.cue.i) >= len(doc) - _AFTER_QUOTE
    return last if goes_on else None


_AFTER_QUOTE = 14  # tokens that may follow the quote or its verb at the end of a paragraph ("he said in a telephone interview.")


def _source_words(source: Any, cue: Any) -> tuple[int, int]:
    """The noun phrase of a source, up to the relative pronoun when the cue stands in its relative clause."""
    end = max(core_end(source), source.i + 1)
    relative = child_of(cue, "nsubj")
    if relative is not None and relative.tag_ in ("WP", "WDT"):
        if not 0 <= relative.i - end < 4:
            return relative.i, relative.i + 1
        end = relative.i + 1
    return source.left_edge.i, end


def _complement(frame: Frame) -> tuple[int, int]:
    """What is held, without the noun that says how: "Clinton" of "his endorsement of Clinton"."""
    if frame.form == "naming":
        return min(frame.start, frame.head.left_edge.i), frame.end
    if frame.form != "noun" and frame.cue.pos_ != "ADJ":
        return frame.start, frame.end
    head = frame.head if frame.head.dep_ != "prep" else child_of(frame.head, "pobj", "pcomp") or frame.head
    return head.left_edge.i, min(head.right_edge.i + 1, frame.end)


def extract_statements(
    article: Article | Iterable[Article], *, aliases: Mapping[str, Sequence[str]] | None = None, explain: bool = False
) -> list[Statement]:
    """Find the attributed statements of one or more articles.

    Args:
        article: One article or several. `Article.date` anchors "Thursday"; without it such dates stay None.
        aliases: Canonical name -> other names of an actor; see `actors.read_aliases`.
        explain: Whether `extra["why"]` tells which rule read which words: `frame` and `cue` (what attributes), `actor`
            (how the speaker was found), `channel` (the rule; its words are `channel_evidence`) and `date` (the phrase, or
            where the date was taken from).

    Returns:
        Statements in text order, ids `"<article id>:<n>"`. `extra` holds `channel_rule` (the rule that gave the
        channel) and, for unnamed people or bodies such as "US officials" or "the committee", `group: True`.

    Raises:
        MissingDependencyError: spaCy or an English model is not installed.
    """
    articles = [article] if isinstance(article, Article) else list(article)
    statements: list[Statement] = []
    for one in articles:
        told = _statements(read(one, aliases))
        statements += told if explain else [replace(s, extra={k: v for k, v in s.extra.items() if k != "why"}) for s in told]
    return resolve_actors(statements, aliases) if aliases else statements


@dataclass(slots=True)
class _Candidate:
    """A frame with its source resolved."""

    paragraph: int
    frame: Frame
    source: Source
    actor: str
    document: str | None
    gender: str | None
    chain: tuple[Source, ...] = ()


def _statements(reading: Reading) -> list[Statement]:
    told: list[tuple[_Candidate, Statement]] = []
    opened: _Candidate | None = None  # by "She added:" at the end of the paragraph before
    last: Frame | None = None  # the quote that ends it
    for p, doc in enumerate(reading.docs):
        frames = find_frames(doc)
        whole = carried_speech(doc, frames, block=opened is not None)
        if whole is not None and opened is not None:
            told.append((replace(opened, paragraph=p), _carried(reading, p, whole, _statement(reading, opened, told), told)))
            last, opened = opened.frame, None
            continue
        if whole is not None and last is not None and told and told[-1][0].frame.cue == last.cue and told[-1][0].paragraph == p - 1:
            told.append((replace(told[-1][0], paragraph=p), _carried(reading, p, whole, told[-1][1], told)))
            continue
        stated = [f for f in frames if f.stated]
        for candidate in _candidates(reading, p, stated):
            for part in _split(candidate.frame):
                piece = replace(candidate, frame=part)
                told.append((piece, _statement(reading, piece, told)))
        said = announcement(doc)
        opened = next(iter(_candidates(reading, p, [said])), None) if said is not None else None
        last = _last_quote(stated, doc)
    return [statement for _, statement in told]


def _carried(
    reading: Reading, p: int, whole: tuple[int, int], before: Statement, told: Sequence[tuple[_Candidate, Statement]]
) -> Statement:
    """The statement of a paragraph that goes on with a speech: all but the words is as in the paragraph before."""
    start, end = reading.slice(p, *whole)
    text = reading.article.text[start:end]
    return replace(
        before,
        id=f"{reading.article.id}:{len(told)}",
        text=text,
        span=(start, end),
        proposition=_sentence(_first_person(_unquoted(text), before.actor)),
        sentence=reading.words(p, 0, len(reading.docs[p])),
        condition=None,
        hedge=None,
    )


def _split(frame: Frame) -> list[Frame]:
    """One frame per coordinated clause: "said that A and that B" makes two statements."""
    head = frame.head
    if head is None or frame.form != "clause" or frame.quoted or frame.start < frame.cue.i:
        return [frame]
    doc, parts, rest = frame.cue.doc, [], frame
    for clause in head.conjuncts:
        that = next((c for c in clause.children if c.dep_ == "mark" and c.lower_ == "that"), None)
        if that is None or not rest.start < that.i < rest.end:
            continue
        parts.append(trimmed(replace(rest, end=that.i), doc))
        rest = trimmed(replace(rest, start=that.i, head=clause, lead=None), doc)
    return [part for part in (*parts, rest) if part.start < part.end]


def _candidates(reading: Reading, p: int, frames: Sequence[Frame]) -> list[_Candidate]:
    """Frames whose source is an actor, each with its chain of reporters; mere reporters and doubles are left out."""
    sources = [whom(reading, p, f.source) for f in frames]
    candidates: list[_Candidate] = []
    for frame, source in zip(frames, sources, strict=True):
        if source.kind == "outlet" and is_outlet(source.speaker):
            reading.outlet = source.speaker
        document = _document_of(reading, p, frame, source)
        actor = source.actor
        if source.kind == "document":
            actor = _author(reading, p, frame)
        if actor is None or (source.kind in ("outlet", "other") and source.actor is None):
            continue
        if frame.end - frame.start == 1 and frame.cue.doc[frame.start].pos_ == "PRON":
            continue  # "opposes it" tells nothing without the text before
        around = [
            (g, s)
            for g, s in zip(frames, sources, strict=True)
            # ", he said," stands inside what it reports: there the inner cue belongs to the outer reporter.
            if g is not frame and s.actor != actor and _says(g, frame) and not (frame.lead is not None and _says(frame, g))
        ]
        around.sort(key=lambda pair: pair[0].start - pair[0].end)
        told = tuple(heard for g, _ in around if (heard := _listening_outlet(reading, p, g)) is not None)
        chain = told + tuple(s for _, s in around) + _receiver(reading, p, frame)
        candidates.append(_Candidate(p, frame, source, actor, document, reading.cast.gender(actor), chain))
    kept = [c for c in candidates if not any(_repeats(c, other) or _only_claimed(c, other) for other in candidates)]
    return [c for c in kept if not any(_only_reports(c, other) for other in kept)]


def _says(outer: Frame, inner: Frame) -> bool:
    """Whether the cue of `inner` stands in the content of `outer`, of which a part may come before the cue."""
    lead = outer.lead or (0, 0)
    cue = int(inner.cue.i)
    return outer.start <= cue < outer.end or lead[0] <= cue < lead[1]


def _repeats(inner: _Candidate, outer: _Candidate) -> bool:
    """Whether `inner` stands inside something that the same actor says: "Putin said that he is ready"."""
    return inner is not outer and inner.actor == outer.actor and outer.frame.start <= inner.frame.cue.i < outer.frame.end


def _only_claimed(inner: _Candidate, outer: _Candidate) -> bool:
    """Whether a named actor only claims, or denies, that others hold `inner`: "she saw no sign that Moscow wants peace"."""
    if inner is outer or outer.source.kind != "person" or not outer.frame.start <= inner.frame.cue.i < outer.frame.end:
        return False
    if inner.source.kind in ("group", "body") and inner.frame.kind not in ("say", "quote"):
        return True
    path = [t for t in inner.frame.cue.ancestors if outer.frame.start <= t.i < outer.frame.end]
    return bool(outer.frame.flip) or any(c.dep_ == "neg" or c.lower_ == "no" for t in path for c in t.children)


def _only_reports(outer: _Candidate, inner: _Candidate) -> bool:
    """Whether `outer` is unnamed and says little more than that somebody else said `inner`."""
    a, b = outer.frame, inner.frame
    overlap = min(a.end, b.end) - max(a.start, b.start)
    return (
        outer.source.kind in ("group", "individual", "document")
        and outer.actor != inner.actor
        and a.start <= b.cue.i < a.end
        and (overlap >= 0.4 * (a.end - a.start) or inner.source.kind == "person")
    )


def _document_of(reading: Reading, p: int, frame: Frame, source: Source) -> str | None:
    """The document that carries the statement: it is the source, or the subject of "sets out her view"."""
    if source.kind == "document":
        return source.speaker
    verb = frame.cue.head if frame.cue.pos_ == "NOUN" else None
    subject = child_of(verb, "nsubj") if verb is not None and frame.cue.dep_ in ("dobj", "ccomp") else None
    if subject is None or subject.pos_ != "NOUN":
        return None
    described = describe(reading, p, subject)
    if described.kind != "document":
        return None
    reading.authors[subject.lemma_.lower()] = source.actor or ""
    return described.speaker


def _author(reading: Reading, p: int, frame: Frame) -> str | None:
    """Who wrote the document that speaks: "X's letter", "a memo by X", or whose document it was before."""
    noun = frame.source
    if noun.tag_ == "PRP":
        noun = next(
            (t for t in reversed(noun.doc[: noun.sent.start]) if t.dep_ == "nsubj" and t.lemma_.lower() in word_set("documents")), noun
        )
    writer = child_of(noun, "poss")
    for token in noun.subtree:
        if writer is None and token.lower_ in ("by", "from") and token.dep_ in ("agent", "prep"):
            writer = child_of(token, "pobj")
    known = reading.authors.get(noun.lemma_.lower())
    found = whom(reading, p, writer) if writer is not None else None
    if found is not None and found.kind == "person" and found.actor is not None:
        reading.authors[noun.lemma_.lower()] = found.actor
        return found.actor
    return known or None


def _listening_outlet(reading: Reading, p: int, frame: Frame) -> Source | None:
    """The paper that was told: "officials told The Times" has it stand behind them. A short name means the outlet read before."""
    listener = child_of(frame.cue, "dobj", "dative")
    if listener is None:
        return None
    name = reading.words(p, listener.left_edge.i, listener.i + 1)
    if not is_outlet(name):
        return None
    full = reading.outlet is not None and reading.outlet.split()[-1] == name.split()[-1]
    return Source(None, reading.outlet if full and reading.outlet is not None else name, "outlet")


def _receiver(reading: Reading, p: int, frame: Frame) -> tuple[Source, ...]:
    """Who passes on what they were sent: "officials have received messages indicating X's interest"."""
    token = frame.cue
    while token.head.i != token.i and not (token.dep_ == "acl" and token.head.lemma_.lower() in word_set("documents")):
        token = token.head
    if token.dep_ != "acl":
        return ()
    verb = token.head.head
    holder = source_of(verb) if verb.pos_ == "VERB" else None
    if holder is None and verb.dep_ == "ccomp":
        # The parser broke the clause: its subject is the first one after the reporting verb.
        holder = next((t for t in verb.doc[verb.head.i + 1 : verb.i] if t.dep_ in ("nsubj", "nsubjpass")), None)
    if holder is None:
        return ()
    described = whom(reading, p, holder)
    return (described,) if described.kind in ("group", "individual", "person") and described.actor is not None else ()


def _statement(reading: Reading, c: _Candidate, told: Sequence[tuple[_Candidate, Statement]]) -> Statement:
    article, frame = reading.article, c.frame
    span = reading.slice(c.paragraph, frame.start, frame.end)
    doc = reading.docs[c.paragraph]
    begin = min(doc[frame.start].sent.start, frame.cue.sent.start)
    sentence = reading.words(c.paragraph, begin, max(doc[frame.end - 1].sent.end, frame.cue.sent.end))
    channel, rule, evidence, venue, earlier = _channel(reading, c, told)
    attribution = _chain(reading, c)
    if not attribution and earlier is not None:
        witness = (earlier.actor,) if earlier.actor != c.actor else ()
        attribution = (*(name for name in earlier.attribution if is_outlet(name)), *witness)
    if channel == "private" and frame.kind == "attitude" and not any(map(is_outlet, attribution)):
        # The outlet that reported this actor's private attitude first also stands behind what is told of it later.
        first = next((s for d, s in told if s.actor == c.actor and s.channel == "private" and d.frame.kind == "attitude"), None)
        attribution = (*(name for name in (first.attribution if first is not None else ()) if is_outlet(name)), *attribution)
    date, dated_by = _date(reading, c, told)
    why = {"frame": _frame_name(frame), "cue": frame.cue.text, "actor": _found_by(c), "channel": rule, "date": dated_by}
    extra: dict[str, Any] = {"channel_rule": rule, "why": why}
    if c.source.kind in ("group", "individual") or (c.source.kind == "body" and c.actor.islower()):
        extra["group"] = True  # "the committee" of another article may be another committee
    return Statement(
        id=f"{article.id}:{len(told)}",
        actor=c.actor,
        text=article.text[span[0] : span[1]],
        channel=channel,
        date=date,
        venue=venue,
        attribution=attribution,
        source=article.id,
        url=article.url,
        span=span,
        speaker=c.source.speaker or None,
        proposition=_proposition(reading, c),
        condition=_condition(reading, c),
        hedge=_hedge(frame),
        channel_evidence=evidence,
        sentence=sentence,
        extra=extra,
    )


_FORMS = {
    "clause": "clause",
    "predicate": "clause without its subject",
    "noun": "attitude noun",
    "verb": "verb with its object",
    "naming": "description",
    "will": "commitment",
    "passive": "passive",
}


def _frame_name(frame: Frame) -> str:
    """What kind of attribution it is, in words."""
    if frame.cue.text == ":":
        return "speaker's label"
    if frame.quoted:
        return "direct quote"
    if frame.cue.lower_ == "according":
        return "according to"
    if frame.cue.pos_ == "ADJ":
        return "attitude adjective"
    return _FORMS[frame.form]


def _found_by(c: _Candidate) -> str:
    """How the speaker became an actor, in words."""
    if c.source.kind == "document":
        return "author of the document"
    if c.frame.source.tag_ in ("PRP", "PRP$"):
        return "pronoun"
    if c.source.kind == "person":
        return "name" if c.frame.source.pos_ == "PROPN" else "role"
    return f"{c.source.kind}, as written"


def _chain(reading: Reading, c: _Candidate) -> tuple[str, ...]:
    names = []
    for source in c.chain:
        if source.kind == "outlet":
            name = source.speaker if is_outlet(source.speaker) else reading.outlet or reading.article.outlet or source.speaker
            names.append(name)
        elif source.actor is not None or source.kind == "document":
            names.append(source.actor or source.speaker)
    if c.document is not None:
        names.append(c.document)
    # Reporters from the outside in: outlets retell people, not the other way round.
    names = list(dict.fromkeys(names))
    return tuple(sorted(names, key=lambda n: not is_outlet(n)))


# ----------------------------------------------------------------------------------------------------- channel


def _verb_of(cue: Any) -> Any:
    """The verb whose clause the cue stands in."""
    token = cue
    while token.pos_ not in ("VERB", "AUX") and token.head.i != token.i:
        token = token.head
    return token


def _clause_tokens(frame: Frame) -> list[Any]:
    """Tokens that tell how it was said: the clause of the cue without the content and without what describes the speaker."""
    cue = frame.cue
    if cue.lower_ == "according":
        return sorted(cue.subtree, key=lambda t: t.i)
    verb = _verb_of(cue)
    barred = set(range(frame.start, frame.end))
    if cue.pos_ == "NOUN":
        # "private interest": the noun's own adjectives tell the channel.
        barred -= {cue.i, *(c.i for c in cue.children if c.dep_ == "amod")}
    if (frame.form == "predicate" and cue.pos_ != "NOUN") or frame.form in ("verb", "will"):
        barred -= {c.i for c in verb.children if c.dep_ == "advmod"}
    tops = [verb]
    while tops[-1].dep_ in ("xcomp", "conj") and tops[-1].head.pos_ in ("VERB", "AUX"):
        tops.append(tops[-1].head)
    if verb.dep_ == "acl" and verb.head.lemma_.lower() in word_set("documents"):
        tops.append(verb.head)
    tokens: dict[int, Any] = {}
    opening = cue.sent[0]
    if opening.pos_ == "ADP" and tops[-1] == cue.sent.root and opening.head.left_edge == opening and opening.head.i < cue.i:
        # "At the meeting, a day before she went, she said": the parser gives the place to the clause in between.
        tokens.update({t.i: t for t in opening.subtree if t.i not in barred})
    for top in tops:
        for child in own_clause(top, frame.source):
            if child.i not in barred:
                tokens[child.i] = child
    return [tokens[i] for i in sorted(tokens)]


_CARRIED = frozenset(("cue", "relayed", "document", "elaboration"))
"""Channel rules whose result an elaborating sentence takes over; weaker ones are not passed on."""


@dataclass(frozen=True, slots=True)
class _Cue:
    rank: int
    channel: str
    evidence: str
    venue: str | None


def _channel(
    reading: Reading, c: _Candidate, told: Sequence[tuple[_Candidate, Statement]]
) -> tuple[str, str, str | None, str | None, Statement | None]:
    """Channel, rule, evidence, venue and the earlier statement that it was taken from."""
    frame, kind = c.frame, c.source.kind
    tokens = _clause_tokens(frame)
    cues = sorted(_channel_cues(reading, c, tokens), key=lambda cue: cue.rank)
    if c.document is not None and reading.leak is not None and not cues:
        return "private", "document", reading.leak, c.document, None
    if cues:
        return cues[0].channel, "cue", cues[0].evidence, cues[0].venue, None
    if (written := _written_in(reading, c)) is not None:
        return "private", "document", written, None, None
    carriers = [
        s
        for s in c.chain
        if s.kind == "document" and any(w in lexicon()["channels"]["public"]["venues"] for w in s.speaker.lower().split())
    ]
    if carriers:
        return "public", "cue", carriers[0].speaker, carriers[0].speaker, None
    listener = _addressee(frame)
    if reading.leak is not None and listener is not None and listener.lemma_.lower() in word_set("channels", "private", "inner_addressees"):
        return "private", "document", reading.leak, None, None
    witnesses = [
        s
        for s in c.chain
        if s.kind in ("group", "individual") and any(w.rstrip("s") in word_set("anonymous") for w in (s.actor or "").lower().split())
    ]
    if witnesses and kind != "group":
        return "private", "relayed", witnesses[0].actor, None, None
    if not c.chain and told and _continues_report(reading, c, told[-1][0]):
        return "private", "relayed", told[-1][1].actor, None, told[-1][1]
    spokesperson = [s for s in c.chain if s.kind == "person" and reading.cast.roles(s.actor or "") & word_set("spokespersons")]
    if spokesperson and len(c.chain) == 1:
        return "public", "spokesperson", spokesperson[0].speaker, None, None
    same = [(d, s) for d, s in told if s.actor == c.actor]
    if same:
        d, s = same[-1]
        told_nobody = _addressee(frame) is None or (frame.kind == "want" and frame.source.tag_ == "PRP")
        near = d.paragraph == c.paragraph and frame.cue.sent.start - d.frame.cue.sent.start < 80 and told[-1][1] is s
        if near and s.extra["channel_rule"] in _CARRIED and not c.chain and frame.kind != "think" and told_nobody:
            return s.channel, "elaboration", s.channel_evidence, s.venue, s
    if frame.kind in ("attitude", "want", "stance") and kind == "person" and not frame.quoted:
        attitudes = [s for d, s in same if d.frame.kind in ("attitude", "want", "stance")]
        claimed = any(s.kind == "person" for s in c.chain)  # somebody named says so in his own name
        narrated = not claimed and (frame.cue.pos_ in ("NOUN", "ADJ") or frame.cue.lemma_ in word_set("pondering"))
        if attitudes and attitudes[0].channel == "private" and narrated:
            return "private", "topic", attitudes[0].channel_evidence, None, attitudes[0]
    spoken = frame.kind in ("say", "quote") or (frame.kind in ("stance", "want") and frame.cue.lemma_ in word_set("speech_acts"))
    heard = _addressee(frame)
    on_record = heard is None or heard.lower_ == "us" or reading.is_outlet(reading.words(c.paragraph, heard.left_edge.i, heard.i + 1))
    if spoken and kind in ("person", "individual", "body") and not c.chain and c.document is None and on_record:
        anonymous = kind == "individual" and frame.cue.doc[frame.source.left_edge.i].lower_ in ("one", "some")
        if not anonymous and frame.cue.lower_ != "according":
            return "public", "on record", frame.cue.text, None, None
    return "unknown", "none", None, None, None


def _written_in(reading: Reading, c: _Candidate) -> str | None:
    """The private document that "he wrote" takes up: a letter to somebody, a memo or a diary named before in the paragraph."""
    cue, lists = c.frame.cue, lexicon()["channels"]
    if cue.lemma_.lower() != "write" or _addressee(c.frame) is not None:
        return None
    for noun in reversed(cue.doc[: cue.i]):
        lemma = noun.lemma_.lower()
        if noun.pos_ != "NOUN" or lemma not in word_set("documents") or noun.dep_ == "compound":
            continue
        modifiers = {t.lower_ for t in noun.children}
        readers = [inner for t in noun.subtree if t.lower_ == "to" and (inner := child_of(t, "pobj")) is not None]
        public = any(r.lemma_.lower() in lists["public"]["addressees"] for r in readers) or "open" in modifiers
        marked = bool(modifiers & set(lists["private"]["adjectives"])) or lemma in lists["private"]["documents"]
        private = marked or (lemma in lists["private"]["weak_nouns"] and bool(readers))
        return _noun_phrase(reading, c.paragraph, noun) if private and not public else None
    return None


def _continues_report(reading: Reading, c: _Candidate, before: _Candidate) -> bool:
    """Whether the sentence before told, by unnamed witnesses, what this actor did ("X sent it, diplomats said. He added")."""
    if before.source.kind != "group" or before.paragraph != c.paragraph or before.frame.cue.sent.end != c.frame.cue.sent.start:
        return False
    if not any(w.rstrip("s") in word_set("anonymous") for w in before.actor.lower().split()):
        return False
    return any(
        m.subject and m.actor == c.actor and m.paragraph == c.paragraph and before.frame.start <= m.token < before.frame.end
        for m in reading.mentions
    )


def _addressee(frame: Frame) -> Any:
    """Who is told, if anybody is: "told the committee", "wrote to her"."""
    verb = frame.cue
    if verb.pos_ != "VERB":
        return None
    listener = child_of(verb, "dobj", "dative")
    if listener is not None and not (frame.start <= listener.i < frame.end) and verb.lemma_ in word_set("told_verbs"):
        return listener
    to = next(
        (p for p in verb.children if p.dep_ in ("prep", "dative") and p.lower_ in ("to", "with") and not frame.start <= p.i < frame.end),
        None,
    )
    listener = child_of(to, "pobj") if to is not None else None
    heard = listener is not None and (listener.pos_ in ("PROPN", "PRON") or listener.lemma_.lower() in _listeners())
    return listener if heard else None  # "says with a laugh" is said to nobody


@functools.cache
def _listeners() -> frozenset[str]:
    channels = lexicon()["channels"]
    named = (channels["private"]["addressees"], channels["private"]["inner_addressees"], channels["public"]["addressees"])
    return word_set("person_nouns") | word_set("group_nouns") | frozenset(word for words in named for word in words)


def _channel_cues(reading: Reading, c: _Candidate, tokens: Sequence[Any]) -> Iterator[_Cue]:
    doc, p = c.frame.cue.doc, c.paragraph
    line = " " + " ".join(t.lower_ for t in tokens) + " "
    lists = lexicon()["channels"]
    for channel, other in (("private", "public"), ("public", "private")):
        for phrase in lists[channel]["adverbs"]:
            if f" {phrase} " in line and not any(phrase in longer and f" {longer} " in line for longer in lists[other]["adverbs"]):
                yield _Cue(0 if channel == "private" else 1, channel, phrase, None)
    listener = _addressee(c.frame)
    for token in tokens:
        lemma = token.lemma_.lower()
        if (
            token.lower_ in lists["private"]["adjectives"]
            and token.head.lemma_.lower() in lists["private"]["speech_nouns"]
            and token.dep_ in ("amod", "acl")
        ):
            yield _Cue(
                3,
                "private",
                reading.words(p, min(token.i, token.head.i), max(token.i, token.head.i) + 1),
                _noun_phrase(reading, p, token.head),
            )
        if (
            token.lower_ in lists["public"]["adjectives"]
            and token.dep_ == "amod"
            and token.head.lemma_.lower() in lists["public"]["adjective_nouns"]
        ):
            yield _Cue(3, "public", reading.words(p, token.i, token.head.i + 1), _noun_phrase(reading, p, token.head))
        if lemma in lists["public"]["verbs"] and token.pos_ == "VERB":
            yield _Cue(5, "public", token.text, None)
        is_listener = token == listener or (
            token.dep_ in ("dobj", "dative", "pobj", "conj") and token.pos_ in ("NOUN", "PROPN") and _told(token, c.frame)
        )
        if is_listener:
            evidence = reading.words(p, min(token.left_edge.i, token.i), token.i + 1)
            named = {lemma, *(f"{c.lower_} {lemma}" for c in token.children if c.dep_ == "compound")}
            if named & {*lists["public"]["addressees"], *lists["public"]["venues"]}:
                yield _Cue(2, "public", evidence, evidence)
            elif lemma in lists["private"]["addressees"]:
                yield _Cue(4, "private", evidence, evidence)
            elif token.tag_ == "PRP" and c.chain:
                yield _Cue(6, "private", evidence, evidence)
        elif (
            token.pos_ in ("NOUN", "PROPN")
            and token.dep_ in ("pobj", "npadvmod", "nsubj", "conj", "advmod")
            and doc[token.i].dep_ != "compound"
        ):
            yield from _venue_cues(reading, c, token)


def _told(token: Any, frame: Frame) -> bool:
    """Whether the noun is who the words go to: "to aides", "before lawmakers", "telling reporters"."""
    head = token.head
    while token.dep_ == "conj":
        token, head = head, head.head
    if token.dep_ in ("dobj", "dative"):
        return head.pos_ == "VERB" and (
            head.lemma_ in word_set("told_verbs") or head.lemma_.lower() in word_set("channels", "public", "verbs")
        )
    return bool(
        token.dep_ == "pobj"
        and head.lower_ in ("to", "with", "before", "among", "by", "from")
        and head.head.pos_ in ("VERB", "AUX", "NOUN")
    )


def _venue_cues(reading: Reading, c: _Candidate, token: Any) -> Iterator[_Cue]:
    lists = lexicon()["channels"]
    if token.dep_ == "nsubj" and token != c.frame.source and token.lemma_.lower() not in word_set("documents"):
        return
    if token.dep_ == "pobj" and token.head.lower_ not in word_set("venue_prepositions"):
        return
    lemma = token.lemma_.lower()
    before = " ".join(t.lower_ for t in token.children if t.dep_ in ("compound", "amod") and t.i < token.i)
    names = {lemma, f"{before.split()[-1]} {lemma}" if before else lemma}
    phrase = _noun_phrase(reading, c.paragraph, token)
    modifiers = {t.lower_ for t in token.children}
    if lemma in ("meeting", "session", "call", "dinner") and modifiers & {*lists["public_meetings"], *lists["public"]["venues"]}:
        yield _Cue(5, "public", phrase, phrase)
    elif names & set(lists["public"]["venues"]):
        yield _Cue(7, "public", phrase, phrase)
    elif names & set(lists["private"]["venues"]):
        yield _Cue(6, "private", phrase, phrase)
    elif lemma in lists["private"]["weak_nouns"]:
        # "said in an email" is an answer to the outlet; a letter to a third person is not.
        to = next((t for t in token.children if t.dep_ == "prep" and t.lower_ == "to"), None)
        reader = child_of(to, "pobj") if to is not None else None
        if reader is not None:
            public = reader.lemma_.lower() in lists["public"]["addressees"] or "open" in modifiers
            yield _Cue(
                6,
                "public" if public else "private",
                reading.words(c.paragraph, token.i, reader.right_edge.i + 1 if reader.right_edge.i - token.i < 8 else reader.i + 1),
                phrase,
            )
        elif (
            c.frame.source is not None
            and (token == c.frame.source or token.head == c.frame.cue.head)
            and token.dep_ in ("nsubj", "ROOT", "dobj")
        ):
            yield _Cue(8, "private", phrase, phrase)


def _noun_phrase(reading: Reading, p: int, token: Any) -> str:
    start = min([t.i for t in token.children if t.dep_ in ("compound", "amod", "nummod") and t.i < token.i] + [token.i])
    return reading.words(p, start, token.i + 1)


# ------------------------------------------------------------------------------------------------------- dates


def _date(reading: Reading, c: _Candidate, told: Sequence[tuple[_Candidate, Statement]]) -> tuple[DateRange | None, str | None]:
    """When it was said, and the words or the place that tell it."""
    published = reading.article.date
    anchor = published.end if published is not None and published.start == published.end else None
    frame = c.frame
    sent = frame.cue.sent
    offset = reading.paragraphs[c.paragraph].start
    before = reading.article.text[offset : offset + sent.start_char]
    text = reading.article.text[offset + sent.start_char : offset + sent.end_char]
    # "At that time" takes up the last date of the paragraph, else that of the statement before.
    last = told[-1][1].date if told else None
    story = _story_year(reading, offset + sent.end_char, anchor)
    earlier = find_dates(before, anchor, before=story, previous=last)
    previous = earlier[-1].date if earlier else last
    phrases = find_dates(text, anchor, before=[*story, *earlier], previous=previous)
    best = min(((_distance(frame, sent, d), d) for d in phrases), key=lambda pair: pair[0], default=None)
    if best is not None and best[0][0] < 2:
        return best[1].date, text[best[1].start : best[1].end]
    if (
        told
        and told[-1][1].actor == c.actor
        and told[-1][0].paragraph == c.paragraph
        and told[-1][1].date is not None
        and told[-1][1].date.start is not None
    ):
        return told[-1][1].date, "the statement before"
    if published is None or published.end is None:
        return None, None
    return DateRange(None, published.end), "the day of publication"


def _story_year(reading: Reading, end: int, anchor: dt.date | None) -> list[DatePhrase]:
    """The year that "that year" took up anywhere before: then the story is set in it, also in paragraphs that name none."""
    story = reading.article.text[reading.paragraphs[0].start : end]
    taken_up = [m.start() for m in re.finditer(r"\b(?:that|the same) (?:same )?year\b", story, re.IGNORECASE)]
    return [f for f in find_dates(story[: taken_up[-1]], anchor) if f.year][-1:] if taken_up else []


def _distance(frame: Frame, sent: Any, phrase: DatePhrase) -> tuple[float, int]:
    """How far a date phrase is from the cue: clauses in between, then words."""
    doc = sent.doc
    inside = [t for t in sent if t.idx - sent.start_char >= phrase.start and t.idx - sent.start_char < phrase.end]
    if not inside:
        return (9, 0)
    token = inside[-1]
    costs = {"relcl": 1.0, "advcl": 1.0, "ccomp": 1.0, "pcomp": 0.5, "acl": 0.5, "conj": 0.5}
    own, climbed, step = {frame.cue.i: 0.0}, 0.0, frame.cue
    while step.head.i != step.i:
        # Above the clause that reports this one, dates tell when the report was made.
        climbed += 2.0 if step.dep_ in ("ccomp", "parataxis") else 0.0
        step = step.head
        own.setdefault(step.i, climbed)
    in_content = frame.start <= token.i < frame.end
    if in_content and frame.form in ("clause",) and frame.kind in ("say", "think", "quote"):
        return (9, 0)
    clauses, walker = 0.0, token
    while walker.i not in own and walker.head.i != walker.i:
        clauses += costs.get(walker.dep_, 0.0)
        walker = walker.head
    clauses += own.get(walker.i, 0.0)
    source = frame.source
    if source is not None and source.left_edge.i <= token.i <= source.right_edge.i and source.lemma_.lower() not in word_set("documents"):
        clauses += 1
    return (clauses, abs(doc[token.i].i - frame.cue.i))


# ------------------------------------------------------------------------------------------------ propositions


def _proposition(reading: Reading, c: _Candidate) -> str:
    """A sentence that stands alone, the actor named, negation and conditions kept."""
    frame, doc, p = c.frame, reading.docs[c.paragraph], c.paragraph
    content = _unquoted(_ASIDE.sub("", reading.words(p, frame.start, frame.end)))  # "willing, he said, to talk"
    before = _without_punct(doc, *frame.lead) if frame.lead is not None else None
    lead = _unquoted(reading.words(p, *before)) if before is not None else ""
    plural = c.source.kind == "group"
    if frame.form == "noun":
        return _sentence(_noun_predicate(reading, c, plural))
    if frame.form == "naming":
        target = _unquoted(reading.words(p, frame.head.left_edge.i, frame.head.i + 1))
        target = {"him": "he", "her": "she", "them": "they"}.get(target.lower(), target)
        be = "are" if frame.head.tag_ in ("NNS", "NNPS") or target == "they" else "is"
        return _sentence(f"{target} {be} {'not ' if frame.flip == 'not' else ''}{content}")
    if frame.form == "predicate":
        return _sentence(f"{lead or c.actor} {content}")
    if frame.form == "will" or frame.flip in ("refuse", "rule out"):
        return _sentence(_future(c, content))
    if frame.form == "passive":
        verb = frame.cue.lemma_ if plural else _third_person(frame.cue.lemma_)
        no = ("do not " if plural else "does not ") if frame.flip == "not" else ""
        return _sentence(f"{c.actor} {no + frame.cue.lemma_ if no else verb} {_lower_first(content, c.actor)}")
    if frame.form == "verb" or _keeps_verb(frame):
        return _sentence(f"{c.actor} {_verb_phrase(reading, c, plural)}")
    meant = reading.pronouns.get((p, frame.start if frame.lead is None else frame.lead[0]))
    clause = _first_person(content, c.actor) if frame.quoted else f"{lead} {content}".strip()
    if not frame.quoted or meant not in (None, c.actor):
        clause = _leading_pronoun(clause, c, meant)
    flip = {"deny": "It is not true that ", "doubt": "It is unlikely that "}.get(frame.flip, "")
    return _sentence(flip + (_lower_first(clause, c.actor) if flip else clause))


def _keeps_verb(frame: Frame) -> bool:
    """Whether the content alone would say something else: "hopes that P", "demanded that she go", "does not think that P"."""
    if frame.quoted or frame.cue.pos_ not in ("VERB", "AUX") or frame.cue.lower_ == "according":
        return False
    bare = frame.head is not None and frame.head.tag_ == "VB" and not any(t.dep_ == "aux" for t in frame.head.children)
    return (
        frame.flip == "not"
        or frame.cue.lemma_.lower() in word_set("opaque")
        or (bare and frame.kind != "quote" and frame.start > frame.cue.i)
    )


def _without_punct(doc: Any, start: int, end: int) -> tuple[int, int] | None:
    while end > start and doc[end - 1].is_punct:
        end -= 1
    while end > start and doc[start].is_punct:
        start += 1
    return (start, end) if end > start else None


_ASIDE = re.compile(r",\s+(?:he|she|they|the \w+|[A-Z][\w.]+(?: [A-Z][\w.]+)*) (?:said|says|added|noted|told \w+),(?=\s)")


def _unquoted(text: str) -> str:
    return " ".join(re.sub(r"[\"“”„«»]|''|``", "", text).split())


def _sentence(text: str) -> str:
    text = " ".join(text.split()).strip(" ,;:-–—")
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else text + "."


def _lower_first(text: str, actor: str) -> str:
    first = text.split(" ", 1)[0]
    if first == "I" or text.startswith(actor) or not first[1:].islower():
        return text
    return text[:1].lower() + text[1:] if first.lower() in word_set("openers") else text


def _leading_pronoun(clause: str, c: _Candidate, meant: str | None = None) -> str:
    """Put the actor, or whom it was found to mean, for a pronoun at the head of a clause."""
    if c.source.kind == "person" and clause.startswith((f"{c.source.speaker} ", f"{c.source.speaker}'", f"{c.source.speaker}’")):
        return c.actor + clause[len(c.source.speaker) :]
    match = re.match(r"(he|she|they|his|her|their|i|my|we|our)(?=[ ’'])", clause, re.IGNORECASE)
    if match is None:
        return clause
    word = match.group(1).lower()
    plural = c.source.kind in ("group", "body")
    own = c.source.speaker.lower()
    fits = {"he": "m", "his": "m", "she": "f", "her": "f"}.get(word)
    if word in ("they", "their", "we", "our") and not plural:
        return clause
    if fits is not None and meant is not None and meant != c.actor:
        return f"{meant}{chr(39) + 's' if word in ('his', 'her') else ''}{clause[match.end() :]}"
    if fits is not None and (
        plural or {"he": "m", "she": "f", "his": "m", "her": "f"}.get(own, fits) != fits or c.gender not in (None, fits)
    ):
        return clause
    if word in ("his", "her", "my", "their", "our"):
        return f"{c.actor}'s{clause[match.end() :]}"
    return f"{c.actor}{clause[match.end() :]}"


def _first_person(quote: str, actor: str) -> str:
    """Turn "I" of a direct quote into the actor."""
    swaps = (
        (r"\bI['’]m\b", f"{actor} is"),
        (r"\bI['’]ve\b", f"{actor} has"),
        (r"\bI['’]ll\b", f"{actor} will"),
        (r"\bI['’]d\b", f"{actor} would"),
        (r"\bI am\b", f"{actor} is"),
        (r"\bI have\b", f"{actor} has"),
        (r"\bI don['’]t\b", f"{actor} does not"),
        (r"\bI do\b", f"{actor} does"),
        (r"\bI (think|believe|want|know|hope|support|oppose|need|feel|expect|see|intend|plan|mean|say|agree)\b", f"{actor} \\1s"),
        (r"\bI\b", actor),
        (r"\b[Mm]y\b", f"{actor}'s"),
        (r"\bme\b", actor),
        (r"\bmyself\b", actor),
    )
    for pattern, put in swaps:
        quote = re.sub(pattern, put, quote)
    return quote


def _future(c: _Candidate, content: str) -> str:
    """Turn "vowed to fight" -> "X will fight"; "refused to" and "ruled out" -> "X will not"."""
    no = " not" if c.frame.flip else ""
    words = content.split(" ", 1)
    if c.frame.form in ("will", "verb") and words[0] == "to" and len(words) > 1:
        return f"{c.actor} will{no} {words[1]}"
    head = c.frame.head
    if c.frame.flip == "rule out":
        if head is not None and head.tag_ == "VBG":
            return f"{c.actor} will not {head.lemma_} {words[1] if len(words) > 1 else ''}"
        if c.frame.form == "clause":
            return f"It is not possible that {content}"
        bare = re.sub(r"^(?:an?|any|further|more) ", "", content)
        return (
            f"There will be no {bare}"
            if not re.match(r"(?:the|this|that|his|her|its|their)\b", bare)
            else f"{c.actor} will not agree to {bare}"
        )
    return f"{c.actor} will{no} {content}"


def _verb_phrase(reading: Reading, c: _Candidate, plural: bool) -> str:
    """The cue's verb phrase with its content, finite: as printed when it is, else in the present."""
    frame = c.frame
    verb = frame.cue
    auxiliaries = [t.i for t in verb.children if t.dep_ in ("aux", "auxpass", "neg") and t.i < verb.i]
    tail = _unquoted(reading.words(c.paragraph, frame.start, frame.end))
    between = ""
    if frame.start > verb.i + 1:
        between = _unquoted(reading.words(c.paragraph, verb.i + 1, frame.start)) + " "
    if frame.start < verb.i:
        between = "that " if frame.form == "clause" else ""
    if auxiliaries and not any(verb.doc[i].lower_ == "to" for i in auxiliaries):
        return f"{_unquoted(reading.words(c.paragraph, min(auxiliaries), verb.i + 1))} {between}{tail}"
    if verb.tag_ in ("VBD", "VBZ", "VBP"):
        return f"{verb.text} {between}{tail}"
    return f"{verb.lemma_ if plural else _third_person(verb.lemma_)} {between}{tail}"


def _third_person(lemma: str) -> str:
    if re.search(r"(?:s|x|z|ch|sh|o)$", lemma):
        return lemma + "es"
    return lemma[:-1] + "ies" if re.search(r"[^aeiou]y$", lemma) else lemma + "s"


def _noun_predicate(reading: Reading, c: _Candidate, plural: bool) -> str:
    """Turn "his willingness to talk" -> "X is willing to talk", by the templates of the lexicon."""
    frame, p = c.frame, c.paragraph
    noun = frame.cue
    entry = lexicon()["nouns"][noun.lemma_.lower()]
    inner = _unquoted(reading.words(p, frame.head.left_edge.i, frame.head.right_edge.i + 1))
    if frame.head.dep_ != "prep" and not has_to(frame.head):
        clause = _leading_pronoun(re.sub(r"^that ", "", inner), c)
        made = entry["that"].format(c=clause)
        whole = entry["that"].startswith(("{c}", "It "))
        if whole:
            return f"It is not true that {made}" if frame.flip else made
    elif frame.head.dep_ == "prep":
        made = entry["prep"].format(prep=inner, obj=inner.split(" ", 1)[-1])
    else:
        made = entry["inf"].format(vp=re.sub(r"^(?:not )?to ", "", inner))
    if frame.flip:
        made = _negated_predicate(made)
    return f"{c.actor} {_plural_predicate(made) if plural else made}"


def _negated_predicate(predicate: str) -> str:
    first, _, rest = predicate.partition(" ")
    if first in ("is", "will", "has"):
        return f"{first} not {rest}"
    base = first[:-3] + "y" if first.endswith("ies") else first[:-2] if first.endswith(("shes", "sses")) else first.removesuffix("s")
    return f"does not {base} {rest}"


def _plural_predicate(predicate: str) -> str:
    first, _, rest = predicate.partition(" ")
    swap = {"is": "are", "has": "have", "does": "do", "will": "will"}
    return f"{swap[first] if first in swap else _negated_predicate(predicate).split(' ')[2]} {rest}"


def _condition(reading: Reading, c: _Candidate) -> str | None:
    """The condition inside the content, else one that the cue's clause attaches to it."""
    doc, frame = reading.docs[c.paragraph], c.frame
    marks = word_set("conditions")
    for token in doc[frame.start : frame.end]:
        if token.lower_ in marks and token.dep_ in ("mark", "prep", "advmod"):
            clause = token.head if token.dep_ != "prep" else token
            if clause.dep_ == "ROOT" or (token.lower_ == "if" and clause.dep_ == "ccomp") or token.i < clause.left_edge.i:
                continue
            return reading.words(c.paragraph, token.i, max(token.i + 1, min(clause.right_edge.i + 1, frame.end)))
    text = reading.words(c.paragraph, frame.start, frame.end)
    known = "|".join(map(re.escape, lexicon()["condition_phrases"]))
    pattern = rf"\b(?:{known})\b.*|\b(?<=condition )that .*|\bonly (?:if|when|after) .*"
    phrase = re.search(pattern, text, re.IGNORECASE | re.DOTALL)
    return phrase.group(0).rstrip(" .,;") if phrase is not None else None


def _hedge(frame: Frame) -> str | None:
    doc = frame.cue.doc
    words = word_set("hedges")
    for token in doc[frame.start : frame.end]:
        main = token.head.head.i in (frame.cue.i, token.head.i)  # a modal further down is not about the whole
        if token.lower_ in words and (token.dep_ == "advmod" or (token.tag_ == "MD" and main and child_of(token.head, "neg") is None)):
            return str(token.text)
    return next((str(t.text) for t in frame.cue.children if t.lower_ in words and t.dep_ == "advmod"), None)
