from __future__ import annotations

import builtins
import itertools
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contradict import frames, pairing
from contradict.dates import find_dates
from contradict.errors import MissingDependencyError
from contradict.extraction import extract_statements, find_attributions
from contradict.schema import CHANNELS, Article, DateRange
from tests.conftest import SEEDS

DAY = DateRange.parse("2021-06-18")  # a Friday
OPEN = DateRange(None, DAY.end)
PIECES = [
    'Lars Vint told aides that the "bridge" is unsafe. ',
    "“We will not sell,” Inge Holt said. “Never.” ",
    "He denied it. ",
    "According to two officials, she ruled out talks unless the port opens.\n",
    "''",
    "‘",
    "”",
    "\n\n",
    "\r",
    "\u2028",
    "\u00a0",
    ": ",
    "OSLO, June 18 (Agency) - ",
    "e\u0301",
    "👩‍🚀",
    "\x00",
]


def read(text: str, **more) -> list:
    return extract_statements(Article("art", text, DAY, **more))


def one(text: str, actor: str, containing: str = ""):
    """The only statement of the actor (whose text contains some words)."""
    found = [s for s in read(text) if s.actor == actor and containing in s.text]
    assert len(found) == 1, [(s.actor, s.text) for s in read(text)]
    return found[0]


def check(article: Article, statements: list) -> None:
    assert [s.id for s in statements] == [f"{article.id}:{n}" for n in range(len(statements))]
    for s in statements:
        assert s.span is not None
        assert article.text[slice(*s.span)] == s.text
        assert s.text.strip()
        assert s.actor.strip()
        assert s.actor.casefold() not in {"he", "she", "they", "it", "i"}
        assert s.channel in CHANNELS
        assert s.source == article.id
        assert s.sentence is not None
        assert s.sentence in article.text
        assert s.proposition.endswith((".", "!", "?"))
        assert (s.channel == "unknown") == (s.channel_evidence is None)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=120) | st.lists(st.sampled_from(PIECES), max_size=7).map("".join))
def test_any_text_gives_exact_spans_and_the_same_answer_twice(text):
    article = Article("x", text, DAY)
    statements = extract_statements(article)
    check(article, statements)
    assert extract_statements(article) == statements
    for a in find_attributions(article):
        for start, end in (a.cue, *a.content, *([a.source] if a.source else [])):
            assert 0 <= start < end <= len(text)


def test_a_line_of_a_megabyte_is_read():
    text = "a" * 1_000_000 + " Lars Vint said that the bridge is safe."
    article = Article("x", text, DAY)
    check(article, extract_statements(article))


def test_articles_are_read_in_order_and_apart():
    articles = [Article("a", "Lars Vint said that the bridge is safe."), Article("b", "He said that the port is shut.")]
    assert [s.id for s in extract_statements(articles)] == ["a:0"]
    assert extract_statements([]) == []


# Who --------------------------------------------------------------------------------------------------------


def test_pronouns_titles_and_roles_mean_the_person_that_was_named():
    text = (
        "Norwegian Prime Minister Inge Holt said that the dam is safe. She added that the lake is full. "
        "The Norwegian leader also said that no village would be moved. Ms. Holt warned that delays cost money."
    )
    assert {s.actor for s in read(text)} == {"Inge Holt"}
    assert len(read(text)) == 4


def test_a_pronoun_with_two_antecedents_is_left_out():
    text = "Peter Lund met Paul Reiter and Mark Feld at the dam. He said that the dam is safe."
    assert not [s for s in read(text) if s.actor not in ("Peter Lund",)]


def test_a_pronoun_after_its_content_is_not_whom_the_content_is_about():
    text = "Peter Lund, a spokesman for the port, spoke on Monday. Mr. Lund was tired. Mark Feld, he said, is ready to sell the port."
    assert not [s for s in read(text) if s.actor == "Mark Feld" and s.speaker == "he"]


@pytest.mark.parametrize(
    ("text", "actor"),
    [
        ("Cllr Derek Tansley met them. Cllr Tansley said that the pool would close.", "Derek Tansley"),
        ("Witness Tilo Merk, a surveyor, recalled that the wall had cracked.", "Tilo Merk"),
        ("Opposition leader Shirin Vaziri said that the pool would close.", "Shirin Vaziri"),
        (
            "The Kelmar ambassador, Ioana Petrescu, wrote. Gaspard Thiele said the north was lost. In Kelmar he said it was not.",
            "Gaspard Thiele",
        ),
        ("Yusuf Demirel contradicted her. He said that the bottles were full.", "Yusuf Demirel"),
        ("Mayor Gunnar Fosse, one of her critics, spoke on Monday. He said that he had been unfair.", "Gunnar Fosse"),
    ],
)
def test_a_job_is_no_part_of_a_name_a_place_is_nobody_and_an_object_not_its_subject(text, actor):
    assert {s.actor for s in read(text)} == {actor}


def test_the_unnamed_head_of_the_lead_is_the_named_one_of_the_next_paragraph():
    text = (
        "The head of the Sund ferry line told his board that two ships would be sold, minutes seen by this agency show.\n\n"
        "Chief Executive Jorn Askildt made the remark on Monday, according to the minutes."
    )
    assert (one(text, "Jorn Askildt").text, one(text, "Jorn Askildt").channel) == ("two ships would be sold", "private")


def test_what_bears_a_report_out_is_no_part_of_it():
    assert one("Inge Holt told them that it would sink, as two of the guests have confirmed.", "Inge Holt").text == "it would sink"
    assert one("Inge Holt said that it would sink, according to one of the guests.", "Inge Holt").text == "it would sink"
    assert one("In the minutes Inge Holt is quoted as saying that it would sink.", "Inge Holt").text == "it would sink"


def test_spokesman_of_somebody_is_somebody_else():
    text = "Peter Lund is on leave. A spokesman for Mr. Lund said that the port is shut."
    (statement,) = read(text)
    assert statement.actor == "spokesman for Peter Lund"
    assert statement.extra["group"] is True


def test_groups_keep_their_words():
    (statement,) = read("Norwegian officials said that the port is shut.")
    assert (statement.actor, statement.extra["group"]) == ("Norwegian officials", True)


@pytest.mark.parametrize("who", ["Western officials", "The committee", "One adviser", "Two people briefed on the matter"])
def test_the_unnamed_of_two_articles_are_never_paired(who):
    texts = (f"{who} said that the port is shut.", f"{who} said that the port is open.")
    statements = extract_statements([Article(name, text, DAY) for name, text in zip("ab", texts, strict=True)])
    assert len(statements) == 2
    assert all(s.extra["group"] is True for s in statements)
    assert len(pairing.candidate_pairs(statements)) == 0


def test_people_of_one_surname_and_those_around_them_stay_apart():
    text = (
        "Thomas Oduya said that the port is shut. Mary Oduya said that the dam is full.\n\n"
        "Ms. Oduya warned that the ferry is late. Mr. Oduya's wife said that the bridge is safe. "
        "Oduya's lawyer said that the road is closed.\n\nOduya said that the mine is old."
    )
    by = {s.text: s.actor for s in read(text)}
    assert by["the port is shut"] == "Thomas Oduya"
    assert by["the dam is full"] == by["the ferry is late"] == "Mary Oduya"
    for said in ("the bridge is safe", "the road is closed", "the mine is old"):
        assert by.get(said) not in ("Thomas Oduya", "Mary Oduya")


def test_an_outlet_reports_and_is_never_the_actor():
    statements = read("The New York Times reported that Inge Holt told aides that the dam is unsafe.")
    assert {s.actor for s in statements} == {"Inge Holt"}
    assert statements[0].attribution == ("The New York Times",)


def test_the_chain_runs_from_the_outside_in():
    statement = one("The Guardian reported that two former officials said that Inge Holt feared that the dam would burst.", "Inge Holt")
    assert statement.attribution == ("The Guardian", "two former officials")


def test_the_user_names_the_cast():
    text = "The Old Fox said that the port is shut."
    aliases = {"Peter Lund": ["the old fox", "Fox"]}
    assert [s.actor for s in extract_statements(Article("a", text), aliases=aliases)] == ["Peter Lund"]


# What -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sentence", "proposition"),
    [
        ("Inge Holt said that she would sell the port.", "Inge Holt would sell the port."),
        ("Inge Holt said the port is shut.", "The port is shut."),
        ('"I am ready to sell my shares," Inge Holt said.', "Inge Holt is ready to sell Inge Holt's shares."),
        ("Inge Holt denied that the port was sold.", "It is not true that the port was sold."),
        ("Inge Holt doubts that the port is safe.", "It is unlikely that the port is safe."),
        ("Inge Holt refused to sell the port.", "Inge Holt will not sell the port."),
        ("Inge Holt ruled out selling the port.", "Inge Holt will not sell the port."),
        ("Inge Holt promised to sell the port.", "Inge Holt will sell the port."),
        ("Inge Holt wants to sell the port.", "Inge Holt wants to sell the port."),
        ("Inge Holt is considering a sale of the port.", "Inge Holt is considering a sale of the port."),
        ("Inge Holt has shown interest in a sale.", "Inge Holt is interested in a sale."),
        ("Inge Holt expressed her willingness to sell the port.", "Inge Holt is willing to sell the port."),
        ("Inge Holt has no interest in a sale.", "Inge Holt is not interested in a sale."),
        ("Inge Holt does not think that the port is safe.", "Inge Holt does not think that the port is safe."),
        ("Inge Holt is ready for talks.", "Inge Holt is ready for talks."),
        ("Inge Holt opposes the sale.", "Inge Holt opposes the sale."),
        ("Inge Holt called the sale a mistake.", "The sale is a mistake."),
        ("The sale was rejected by Inge Holt.", "Inge Holt rejects the sale."),
        ("Inge Holt has made it clear that the port is shut.", "The port is shut."),
        ("Inge Holt hoped that the port would be shut.", "Inge Holt hoped that the port would be shut."),
        ("Inge Holt does not support the sale.", "Inge Holt does not support the sale."),
    ],
)
def test_propositions_stand_alone(sentence, proposition):
    assert one(sentence, "Inge Holt").proposition == proposition


@pytest.mark.parametrize(
    "sentence",
    [
        "Inge Holt did not say that the port is shut.",
        "If Inge Holt says that the port is shut, ships will leave.",
        "Reporters asked Inge Holt whether the port is shut.",
        "Inge Holt may say that the port is shut.",
        "Inge Holt declined to say whether the port is shut.",
        "Inge Holt declined to comment.",
        "Inge Holt should announce that the port is shut.",
        "Inge Holt did not criticize the sale of the port.",
        "Inge Holt discussed the sale of the port.",
        "Inge Holt asked how long the port would be shut.",
        '"Will the port be shut for good?" Inge Holt asked.',
        "Did Inge Holt say that the port is shut?",
    ],
)
def test_what_was_not_said_is_no_statement(sentence):
    assert [s for s in read(sentence) if s.actor == "Inge Holt"] == []


def test_a_report_joined_to_the_content_is_a_report_of_its_own():
    text = "Inge Holt said that the port is shut and added that the dam is full."
    assert [(s.actor, s.text) for s in read(text)] == [("Inge Holt", "the port is shut"), ("Inge Holt", "the dam is full")]


@pytest.mark.parametrize(
    "text",
    [
        '"The port will never be sold," said Inge Holt, the mayor.',
        '"The port will never be sold," added a city councillor.',
        '"Who would buy such a port?" Lars Vint said of the sale in June, when the council had met behind closed doors twice.',
    ],
)
def test_nobody_in_a_quote_is_its_speaker(text):
    for a in find_attributions(Article("a", text)):
        quote = text.index('"', 1)
        assert a.cue[0] > quote
        assert a.source[0] > quote


def test_a_speaker_before_a_colon_speaks():
    (statement,) = read("Inge Holt: We will never sell the port, and the council knows it.")
    assert (statement.actor, statement.text) == ("Inge Holt", "We will never sell the port, and the council knows it")


def test_a_relative_clause_that_tells_which_ones_is_no_statement():
    assert read("People who oppose the sale met in the harbour.") == []
    assert [s.actor for s in read("Inge Holt, who opposes the sale, was in the harbour.")] == ["Inge Holt"]


def test_coordinated_clauses_are_two_statements():
    text = "Inge Holt said that the port is shut and that the dam is full."
    assert [s.text for s in read(text)] == ["the port is shut", "the dam is full"]


def test_a_quote_goes_on_after_its_speaker():
    text = '"The port is shut for good," said Inge Holt. "The dam will be next in line."'
    assert [(s.actor, s.text) for s in read(text)] == [
        ("Inge Holt", "The port is shut for good"),
        ("Inge Holt", "The dam will be next in line"),
    ]


@pytest.mark.parametrize(
    ("text", "actor", "quote"),
    [
        ('"We will not sell," Inge Holt said in an interview.\n\n"Not this year."', "Inge Holt", "Not this year."),
        ('"We will not sell," Inge Holt said.\n\n"Not this year.\n\n"Nor the next."', "Inge Holt", "Nor the next."),
        ('Inge Holt told reporters:\n\n"We will not sell the yard."', "Inge Holt", "We will not sell the yard."),
        ("Inge Holt added:\n\nWe will not sell the yard, whatever they pay.", "Inge Holt", "We will not sell the yard, whatever they pay."),
        ('"We will not sell the yard." -- Inge Holt, owner', "Inge Holt", "We will not sell the yard"),
    ],
)
def test_speech_goes_on_in_the_next_paragraph(text, actor, quote):
    text = "The yard has been for sale since spring, its owner says.\n\n" + text
    statement = read(text)[-1]
    assert (statement.actor, statement.text) == (actor, quote)
    assert text[slice(*statement.span)] == quote


def test_speech_does_not_go_on_where_another_speaks():
    text = '"We will not sell," Inge Holt said.\n\n"They will," said Paul Nott.\n\nLars Vint: We shall see about that.\n\nThe yard is old.'
    assert [s.actor for s in read(text)] == ["Inge Holt", "Paul Nott", "Lars Vint"]


@pytest.mark.parametrize(
    ("text", "actor", "content"),
    [
        ('"It is over," Inge Holt (D-Md.) said on Monday.', "Inge Holt", "It is over"),
        ('"It is over for us," Inge Holt, a former general, said on Monday.', "Inge Holt", "It is over for us"),
        ("Inge Holt said after the vote she would not sell.", "Inge Holt", "she would not sell"),
        ("Inge Holt called for the minister to resign.", "Inge Holt", "for the minister to resign"),
    ],
)
def test_a_speaker_is_found_where_the_parser_loses_it(text, actor, content):
    assert one(text, actor).text == content


def test_the_name_of_a_programme_is_nobodys_statement():
    assert [s.text for s in read('Inge Holt said on "Morning With Paul Nott Live" that she would not sell.')] == ["she would not sell"]


def test_condition_and_hedge_are_kept_in_the_proposition():
    statement = one("Inge Holt said that the port may open unless the strike goes on.", "Inge Holt")
    assert statement.condition == "unless the strike goes on"
    assert statement.hedge == "may"
    assert statement.proposition == "The port may open unless the strike goes on."


def test_headline_and_byline_give_nothing():
    text = "Holt says port is shut\nBy Anna Berg\n\nInge Holt said that the dam is full, two years after the flood."
    assert [s.text.split(",")[0] for s in read(text)] == ["the dam is full"]


# Where ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sentence", "channel", "evidence"),
    [
        ("Inge Holt privately said that the port is shut.", "private", "privately"),
        ("Inge Holt told aides that the port is shut.", "private", "aides"),
        ("Inge Holt said in a leaked email that the port is shut.", "private", "leaked email"),
        ("Inge Holt said behind closed doors that the port is shut.", "private", "behind closed doors"),
        ("Inge Holt told reporters that the port is shut.", "public", "reporters"),
        ("Inge Holt said at a news conference that the port is shut.", "public", "news conference"),
        ("Inge Holt said in a televised address that the port is shut.", "public", "televised address"),
        ("Inge Holt said that the port is shut.", "public", "said"),
        ("Inge Holt thinks that the port is shut.", "unknown", None),
        ("Inge Holt, who has met privately with Mark Feld, believes that the port is shut.", "unknown", None),
        ("Inge Holt said that Mark Feld privately wept.", "public", "said"),
        ("Inge Holt told the committee that the port is shut.", "unknown", None),
        ("Inge Holt told a news conference on Friday that she would stay.", "public", "a news conference"),
        ("Inge Holt told the hearing that she would stay.", "public", "the hearing"),
        ("Inge Holt says with a laugh that she will stay.", "public", "says"),
        ("The court saw a letter that Inge Holt sent to her deputy. She would stay, Holt wrote.", "private", "letter"),
        ("At the closed session, a day before she left, Inge Holt said that she would stay.", "private", "closed session"),
    ],
)
def test_channel_comes_from_the_clause_of_the_cue(sentence, channel, evidence):
    statement = one(sentence, "Inge Holt")
    assert (statement.channel, statement.channel_evidence) == (channel, evidence)


def test_an_elaborating_sentence_takes_the_channel_over():
    text = "At a rally in June, Inge Holt said that the port is shut. She added that the dam is full."
    assert [(s.channel, s.extra["channel_rule"]) for s in read(text)] == [("public", "cue"), ("public", "elaboration")]


def test_what_unnamed_witnesses_relay_is_private():
    statement = one("Inge Holt feared that the dam would burst, two officials said.", "Inge Holt")
    assert (statement.channel, statement.extra["channel_rule"]) == ("private", "relayed")


# When -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "date"),
    [
        ("on Tuesday", "2021-06-15"),
        ("on Friday", "2021-06-18"),
        ("on Dec. 14", "2020-12-14"),
        ("on 14 March 2019", "2019-03-14"),
        ("in September", "2020-09"),
        ("last month", "2021-05"),
        ("in the fall of 2019", "2019-09/2019-11"),
        ("two days ago", "2021-06-16"),
        ("in 2018", "2018"),
    ],
)
def test_dates_are_read_against_the_day_of_publication(words, date):
    assert str(one(f"Inge Holt said {words} that the port is shut.", "Inge Holt").date) == date


def test_since_is_an_interval_up_to_publication():
    assert [str(d.date) for d in find_dates("since at least September", DAY.end)] == ["2020-09-01/2021-06-18"]


@pytest.mark.parametrize("words", ["in September", "on Thursday", "on Dec. 14", "last fall", "two weeks ago"])
def test_no_year_is_guessed_without_an_anchor(words):
    (statement,) = extract_statements(Article("a", f"Inge Holt said {words} that the port is shut."))
    assert statement.date is None


def test_a_statement_without_a_date_was_made_by_the_day_of_publication():
    assert one("Inge Holt said that the port will shut in May.", "Inge Holt").date == OPEN


@given(st.text(alphabet="0123456789 Janurymonthsdayweklgo/-:,.", max_size=40))
def test_any_text_can_be_searched_for_dates(text):
    phrases = find_dates(text, DAY.end, previous=DAY)
    assert all(0 <= p.start < p.end <= len(text) for p in phrases)
    assert all(a.end <= b.start for a, b in itertools.pairwise(phrases))


@pytest.mark.parametrize(
    ("text", "phrase", "date"),
    [
        ("It began in February 2019. In the fall of that year he gave in.", "the fall of that year", "2019-09/2019-11"),
        ("He was elected in 2019 and resigned the same year.", "the same year", "2019"),
        ("He met her in March of 2019; that same year he left.", "that same year", "2019"),
        ("In the fall of 2019 he gave in, and the following spring he left.", "the following spring", "2020-03/2020-05"),
        ("In May 2019 he gave in, and the following month he left.", "the following month", "2019-06"),
        ("In December 2019 he gave in, and the following January he left.", "the following January", "2020-01"),
        ("In 2019 he gave in. The next year he left.", "The next year", "2020"),
        ("In the winter of 2019 he left.", "the winter of 2019", "2019-12/2020-02"),
    ],
)
def test_that_year_is_the_year_named_before(text, phrase, date):
    found = {text[d.start : d.end]: str(d.date) for d in find_dates(text, DAY.end)}
    assert found[phrase] == date


@pytest.mark.parametrize(
    "words", ["in the fall of that year", "the same year", "the following spring", "the next year", "in June of that year"]
)
def test_that_year_is_never_guessed(words):
    assert find_dates(f"He left {words}.", DAY.end) == []
    assert [d.year for d in find_dates(f"He left {words}, before the war of 2020.", DAY.end)] == [2020]


def test_the_fall_of_that_year_of_the_seed_article():
    text = (SEEDS / "ceasefire.txt").read_text(encoding="utf-8")
    (statement,) = [s for s in extract_statements(Article("a", text, DateRange.parse("2023-12-23"))) if "armistice" in s.claim]
    assert str(statement.date) == "2022-09/2022-11"


# Why --------------------------------------------------------------------------------------------------------


def test_each_statement_tells_which_rule_read_which_words():
    text = "Inge Holt told aides on Tuesday that the port is shut. She denied that the dam was sold, according to two officials."
    plain, told = read(text), extract_statements(Article("art", text, DAY), explain=True)
    assert [replace(s, extra={k: v for k, v in s.extra.items() if k != "why"}) for s in told] == plain
    assert told[0].extra["why"] == {"frame": "clause", "cue": "told", "actor": "name", "channel": "cue", "date": "Tuesday"}
    assert told[1].extra["why"]["actor"] == "pronoun"
    for s in told:
        assert s.extra["why"]["cue"] in s.sentence


# Installation -----------------------------------------------------------------------------------------------


def test_missing_spacy_names_the_extra(monkeypatch):
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name == "spacy":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    frames.pipeline.cache_clear()
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingDependencyError, match="articles"):
        read("Inge Holt said that the port is shut.")
    frames.pipeline.cache_clear()


def test_missing_model_names_the_extra(monkeypatch):
    monkeypatch.setattr(frames, "MODELS", ("no_such_model",))
    frames.pipeline.cache_clear()
    with pytest.raises(MissingDependencyError, match="articles"):
        read("Inge Holt said that the port is shut.")
    frames.pipeline.cache_clear()


def test_a_title_given_later_does_not_answer_for_an_earlier_role():
    text = (
        "Since March, Oren Vask has been passing word through intermediaries that he would accept a truce, The Daily Courier reported.\n\n"
        "The president had looked at a truce before, the newspaper said.\n\n"
        "President Milo Tarn has publicly pledged to recover the whole valley.\n"
    )
    found = read(text)
    assert {s.actor for s in found if "truce" in s.claim} == {"Oren Vask"}
    assert [s.actor for s in found if "valley" in s.claim] == ["Milo Tarn"]


def test_word_passed_through_intermediaries_is_private_and_keeps_its_reporter():
    (found,) = read(
        "Since March, Oren Vask has been passing word through intermediaries that he would accept a truce, The Daily Courier reported."
    )
    assert (found.channel, found.attribution) == ("private", ("The Daily Courier",))
    assert found.claim == "Oren Vask would accept a truce."


def test_a_closing_report_is_no_part_of_what_was_let_be_known():
    found = read("Oren Vask let it be known that he was ready for a truce, valley officials told The Daily Courier on Friday.")
    (claim,) = [s.claim for s in found if s.actor == "Oren Vask"]
    assert claim.endswith("was ready for a truce.")


def test_the_paper_that_was_told_stands_behind_its_sources():
    found = read(
        "The Valley Times reported on Monday that talks were near.\n\n"
        "Oren Vask let it be known that he was ready for a truce, valley officials told "
        "The Times on Friday."
    )
    (vask,) = [s for s in found if s.actor == "Oren Vask"]
    assert vask.attribution == ("The Valley Times", "valley officials")


def test_an_interjected_report_is_cut_out_and_carries_the_channel():
    found = read(
        "President Oren Vask met the envoys on Monday.\n\nAsked about the report, Mr. Vask's spokesman, Ilan Dorne, called its thesis "
        "mistaken. The president was indeed willing to talk, he said, though only in June."
    )
    mine = [s for s in found if s.actor == "Oren Vask"]
    assert mine
    assert all("said" not in s.claim for s in mine)
    assert all(s.channel == "public" for s in mine)
