"""Who is meant: a speaker as written -> the name of one actor.

A speaker is "Mr. Putin", "the Russian president" or "Russian President Vladimir Putin". The user's alias file
decides first; then titles, surnames and roles are matched against the people that the text itself names in full.
A name that fits two people stays as written: two people merged into one is worse than one person split in two.
For the same reason "Putin's spokesman", "the Clinton campaign" and "Ann Clinton" never become Putin or Clinton.
Pronouns need the text around them: `extraction` resolves those.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .errors import InputError, Problem
from .schema import Statement

__all__ = ["Cast", "Speaker", "actor_resolver", "lexicon", "read_aliases", "read_speaker", "resolve_actors"]

_POSSESSIVE = re.compile(r"['’](?:s)?$")
_PARTICLES = frozenset(
    ["al", "ap", "bin", "da", "de", "del", "della", "der", "di", "dos", "du", "el", "ibn", "la", "le", "van", "von", "und", "y"]
)
_SUFFIXES = frozenset(["jr", "jr.", "sr", "sr.", "ii", "iii", "iv"])
_LINKS = frozenset(["of", "for", "to", "from", "at", "in"])


@functools.cache
def lexicon() -> dict[str, Any]:
    """The word lists that extraction and actors read, from `lexicon.json` in this package."""
    text = importlib.resources.files("contradict").joinpath("lexicon.json").read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


@functools.cache
def _words(name: str) -> frozenset[str]:
    return frozenset(lexicon()[name])


@functools.cache
def _jobs() -> frozenset[str]:
    """Nouns that can stand in front of a name as a title does: "witness Tilo Merk"."""
    return _words("person_nouns") - _words("bodies") - _words("group_nouns")


@dataclass(frozen=True, slots=True)
class Speaker:
    """What the words for a speaker say by themselves.

    Attributes:
        name: Parts of the personal name, empty for "the minister".
        role: Head noun of the title or description in lower case ("minister"), None without one.
        country: Country of a demonym or possessive ("Russian", "Velmora's", "of Karsia").
        modifiers: Other words before the role ("finance").
        gender: "m", "f" or None, from the title or the first name.
    """

    name: tuple[str, ...] = ()
    role: str | None = None
    country: str | None = None
    modifiers: frozenset[str] = frozenset()
    gender: str | None = None


def read_speaker(text: str) -> Speaker:
    """Take a speaker as written apart into name, role and country.

    Args:
        text: "Finance Minister Taro Aso", "Ms. Weil", "the president of Karsia".

    Returns:
        The parts; `name` is empty when the words describe a person without a name, and also when a name is
        only part of the description ("Clinton's spokesman", "Clinton campaign manager").
    """
    # Parentheses, appositions and relative clauses come after a comma or bracket: they are not the name.
    words = re.split(r"\s*[,;(]", text.strip(), maxsplit=1)[0].split()
    while words and words[0].casefold() in _words("modifiers"):
        words = words[1:]
    titles: Mapping[str, str | None] = lexicon()["titles"]
    last_title = -1
    for i, word in enumerate(words[:-1]):
        if (word.casefold() in titles or word.casefold() in _jobs()) and all(_is_name_part(w) for w in words[i + 1 :]):
            last_title = i
    name = words[last_title + 1 :]
    if name and _is_name_part(name[0]) and all(_is_name_part(w) for w in name) and name[0] not in lexicon()["demonyms"]:
        before = words[: last_title + 1]
        parts = tuple(_POSSESSIVE.sub("", w) for w in name if w.casefold() not in _SUFFIXES)
        role, country, modifiers = _read_role(before)
        gender = titles.get(before[-1].casefold()) if before else None
        if role is not None and role in _words("honorifics"):
            role = None
        return Speaker(parts, role, country, modifiers, gender or _gender_of(parts, role))
    cut = next((i for i, w in enumerate(words) if w.casefold() in _LINKS), len(words))
    role, country, modifiers = _read_role(words[:cut])
    if country is None and cut + 1 < len(words) and words[cut].casefold() == "of" and words[-1][:1].isupper():
        country = words[-1]
    return Speaker((), role, country, modifiers, _gender_of((), role))


def _is_name_part(word: str) -> bool:
    return (word[:1].isupper() and not word.endswith(("'s", "’s"))) or word.casefold() in _PARTICLES


def _read_role(words: Sequence[str]) -> tuple[str | None, str | None, frozenset[str]]:
    """Head noun, country and other modifiers of title words such as "Russian foreign minister"."""
    if not words:
        return None, None, frozenset()
    demonyms: Mapping[str, str] = lexicon()["demonyms"]
    country: str | None = None
    modifiers = set()
    for word in words[:-1]:
        bare = _POSSESSIVE.sub("", word)
        if bare in demonyms:
            country = demonyms[bare]
        elif bare != word and bare[:1].isupper():
            country = bare
        elif word.casefold() not in _words("modifiers"):
            modifiers.add(bare.casefold())
    return words[-1].casefold(), country, frozenset(modifiers)


def _gender_of(name: Sequence[str], role: str | None) -> str | None:
    for gender, roles in (("m", "male"), ("f", "female")):
        if role is not None and role in _words(roles):
            return gender
    if len(name) > 1:
        first: Mapping[str, Sequence[str]] = lexicon()["first_names"]
        fits = [g for g in ("m", "f") if name[0] in first[g]]
        if len(fits) == 1:
            return fits[0]
    return None


def _same_country(a: str, b: str) -> bool:
    """Whether two country words can mean one country: "Karsian" and "Karsia" share their stem."""
    a, b = a.casefold(), b.casefold()
    return a == b or (len(a) > 4 and len(b) > 4 and a[:5] == b[:5])


@dataclass(slots=True)
class _Person:
    name: tuple[str, ...]
    roles: list[Speaker] = field(default_factory=list)
    gender: str | None = None


class Cast:
    """The people of a text, with the names, titles and roles that the text gives them.

    Args:
        aliases: Canonical name -> other names. These win over everything that the text says.
    """

    def __init__(self, aliases: Mapping[str, Sequence[str]] | None = None) -> None:
        self._people: dict[str, _Person] = {}
        # Last and first parts of names: thousands of actors are looked up without walking through all.
        self._by_part: dict[str, list[_Person]] = {}
        self._aliases: dict[str, str] = {}
        for canonical, others in (aliases or {}).items():
            for name in (canonical, *others):
                self._aliases[_fold(name)] = canonical
            self.add(canonical)
        for canonical, others in (aliases or {}).items():
            for name in others:
                self._note(canonical, read_speaker(name))

    def add(self, text: str) -> str | None:
        """Enter a person under a full name or a single surname; returns the canonical name, None without a name.

        A surname alone is entered only when nobody of that surname is known: enter full names first.
        """
        speaker = read_speaker(text)
        if not speaker.name:
            return None
        found = self._by_name(speaker)
        if not found:
            name = speaker.name
            if len(name) == 1 and any(p.name[-1] == name[-1] for p in self._by_part.get(name[-1], ())):
                # "Ms. Oduya" beside Tom Oduya: somebody else, whom the bare surname must not name.
                name = tuple(text.split()[-2:])
            person = self._people[" ".join(name)] = _Person(name)
            for part in {name[0], name[-1]}:
                self._by_part.setdefault(part, []).append(person)
            found = [person]
        if len(found) > 1:
            return None
        canonical = " ".join(found[0].name)
        self._note(canonical, speaker)
        return canonical

    def note_role(self, actor: str, description: str) -> None:
        """Remember that a person is described so: "the governor of the central bank"."""
        self._note(actor, replace(read_speaker(description), name=()))

    def note_gender(self, actor: str, gender: str) -> None:
        """Remember a gender that a pronoun gave away, unless one is known."""
        person = self._people.get(actor)
        if person is not None and person.gender is None:
            person.gender = gender

    def gender(self, actor: str) -> str | None:
        """Gender by title, first name or pronoun: "m", "f" or None."""
        person = self._people.get(actor)
        return person.gender if person is not None else None

    def roles(self, actor: str) -> frozenset[str]:
        """Head nouns of the titles and descriptions that a person was given."""
        person = self._people.get(actor)
        return frozenset(r.role for r in person.roles if r.role is not None) if person is not None else frozenset()

    def knows(self, word: str) -> bool:
        """Whether the word is the last part of somebody's name, or an alias."""
        return any(person.name[-1] == word for person in self._by_part.get(word, ())) or _fold(word) in self._aliases

    def is_alias(self, text: str) -> bool:
        """Whether the alias file names the text."""
        return _fold(text) in self._aliases

    def find(self, text: str, *, roles: bool = True, strict: bool = False) -> str | None:
        """The person that the words mean, None when nobody or more than one person fits.

        Args:
            text: Speaker as written.
            roles: Whether a description without a name may match.
            strict: Whether such a description must name the same country as the person's title.
        """
        fits = self.candidates(text, roles=roles, strict=strict)
        return fits[0] if len(fits) == 1 else None

    def candidates(self, text: str, *, roles: bool = True, strict: bool = False) -> list[str]:
        """All people that the words can mean; see `find`."""
        alias = self._aliases.get(_fold(text))
        if alias is not None:
            return [alias]
        speaker = read_speaker(text)
        people = self._by_name(speaker) if speaker.name else self._by_role(speaker, strict) if roles else []
        names = (" ".join(person.name) for person in people)
        return list(dict.fromkeys(self._aliases.get(_fold(name), name) for name in names))

    def _note(self, canonical: str, speaker: Speaker) -> None:
        person = self._people.get(canonical) or self._people.get(" ".join(read_speaker(canonical).name))
        if person is not None:
            person.gender = person.gender or speaker.gender
            if speaker.role is not None:
                person.roles.append(speaker)

    def _by_name(self, speaker: Speaker) -> list[_Person]:
        name = speaker.name
        exact = self._people.get(" ".join(name))
        if exact is not None:
            return [exact]
        near = self._by_part.get(name[-1], [])
        fits = [p for p in near if _name_fits(name, p.name)]
        if not fits and len(name) == 1:
            # "Xi", "Hillary": the first part of a full name, when no surname fits.
            fits = [p for p in near if len(p.name) > 1 and p.name[0] == name[0]]
        return [p for p in fits if speaker.gender is None or p.gender in (None, speaker.gender)]

    def _by_role(self, speaker: Speaker, strict: bool) -> list[_Person]:
        if speaker.role is None:
            return []
        return [p for p in self._people.values() if any(_role_fits(speaker, role, strict) for role in p.roles)]


def _fold(text: str) -> str:
    return " ".join(text.casefold().split())


def _name_fits(short: tuple[str, ...], full: tuple[str, ...]) -> bool:
    """Whether `short` can be another writing of `full`: a suffix of it, or the same with middle names left out or initials."""
    if len(short) <= len(full) and full[len(full) - len(short) :] == short:
        return True
    if min(len(short), len(full)) < 2 or short[-1] != full[-1]:
        return False
    a, b = short[0].rstrip("."), full[0].rstrip(".")
    return a == b or (min(len(a), len(b)) == 1 and a[:1] == b[:1])


def _role_fits(described: Speaker, role: Speaker, strict: bool) -> bool:
    leaders = _words("leaders")
    if described.role != role.role and not (described.role == "leader" and role.role in leaders):
        return False
    if described.country is not None and role.country is not None:
        if not _same_country(described.country, role.country):
            return False
    elif strict:
        return False
    return not described.modifiers or not role.modifiers or bool(described.modifiers & role.modifiers)


def resolve_actors(statements: Iterable[Statement], aliases: Mapping[str, Sequence[str]] | None = None) -> list[Statement]:
    """Give every statement the canonical name of its actor.

    The alias map is asked first, with the actor and with the speaker as written. Then a title and surname, or a
    surname alone, becomes the full name if exactly one person of that name stands among the statements; a role
    ("the Russian president") becomes the person whose title names the same role and country.

    Args:
        statements: Statements of any number of sources.
        aliases: Canonical name -> other names.

    Returns:
        The statements in their order, `actor` replaced where it could be resolved. Groups stay as written.
    """
    rows = list(statements)
    resolve = actor_resolver(rows, aliases)
    return [resolve(s) for s in rows]


def actor_resolver(statements: Iterable[Statement], aliases: Mapping[str, Sequence[str]] | None = None) -> Callable[[Statement], Statement]:
    """What `resolve_actors` does to one statement among the others, which are read once and not kept.

    Args:
        statements: All statements; only the names in them are remembered.
        aliases: Canonical name -> other names.
    """
    cast = Cast(aliases)
    spoken = {text for s in statements if not s.extra.get("group") for text in (s.actor, s.speaker) if text}
    names = sorted(spoken, key=lambda n: (-len(read_speaker(n).name), n))
    for name in names:
        cast.add(name)
    resolved = {name: cast.find(name, strict=True) for name in names}
    return functools.partial(_resolve, resolved=resolved, cast=cast)


def _resolve(statement: Statement, resolved: Mapping[str, str | None], cast: Cast) -> Statement:
    for text in (statement.actor, statement.speaker):
        if text and cast.is_alias(text):
            return replace(statement, actor=cast.find(text) or statement.actor)
    actor = resolved.get(statement.actor)
    return statement if actor is None else replace(statement, actor=actor)


def read_aliases(path: str | Path) -> dict[str, list[str]]:
    """Read an alias file: a JSON object, canonical name -> list of other names.

    Raises:
        InputError: The file cannot be read, is not such an object, or gives one name to two actors.
    """
    where = str(path)
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InputError([Problem(where, None, None, f"cannot be read: {reason}")]) from error
    try:
        data = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else None
        raise InputError([Problem(where, line, None, "is not JSON; expected an object: canonical name -> list of aliases")]) from error
    if not isinstance(data, dict):
        raise InputError([Problem(where, None, None, "expected a JSON object: canonical name -> list of aliases")])
    problems: list[Problem] = []
    owner: dict[str, str] = {}
    for canonical, others in data.items():
        if not canonical.strip():
            problems.append(Problem(where, None, canonical, "a canonical name is empty; give it a name"))
        if not isinstance(others, list) or not all(isinstance(o, str) and o.strip() for o in others):
            problems.append(Problem(where, None, canonical, "expected a list of non-empty strings"))
            continue
        for name in (canonical, *others):
            first = owner.setdefault(_fold(name), canonical)
            if first != canonical:
                problems.append(Problem(where, None, canonical, f"alias {name!r} already belongs to {first!r}; keep it in one place"))
    if problems:
        raise InputError(problems)
    return {canonical: list(others) for canonical, others in data.items()}
