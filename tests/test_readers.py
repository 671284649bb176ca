from __future__ import annotations

import csv
import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import contradict as ct
from contradict.errors import InputError
from contradict.readers import holds_articles
from contradict.reports import write_statements
from tests.conftest import SEEDS

GOOD = {"id": "1", "actor": "Ada Orlan", "text": "We will pay.", "channel": "public", "date": "2021-03"}


def write(path, *lines, encoding="utf-8", newline="\n"):
    path.write_bytes(newline.join(lines).encode(encoding))
    return path


def problems_of(path, **options):
    with pytest.raises(InputError) as caught:
        ct.read_statements(path, **options)
    return caught.value.problems


def test_seed_reads_alike_from_every_format(tmp_path, seed_statements):
    plain = [{k: v for k, v in s.to_record().items() if k != "span"} for s in seed_statements]
    assert [s.to_record() for s in ct.read_statements(SEEDS / "statements.csv")] == plain
    for suffix in (".jsonl", ".csv", ".parquet"):
        path = tmp_path / f"copy{suffix}"
        with path.open("wb") as file:
            write_statements(seed_statements, suffix, file)
        assert ct.read_statements(path) == seed_statements


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"channel": "Private"}, "channel", "expected one of public, private, unknown"),
        ({"date": "2023-02-30"}, "date", "no date of the calendar"),
        ({"date": "last fall"}, "date", "expected YYYY"),
        ({"text": ""}, "text", "blank"),
        ({"text": 7}, "text", "is int"),
        ({"actor": None}, "actor", "is missing"),
        ({"id": [1]}, "id", "is list"),
        ({"span": [5, 2]}, "span", "expected [start, end]"),
        ({"attribution": {"a": 1}}, "attribution", "list of reporters"),
        ({"venue": 3}, "venue", "expected text"),
    ],
)
def test_a_wrong_field_is_named_with_its_line(tmp_path, change, field, says):
    path = write(tmp_path / "s.jsonl", json.dumps(GOOD), "", json.dumps(GOOD | {"id": "2"} | change))
    (problem,) = problems_of(path)
    assert (problem.line, problem.field) == (3, field)
    assert says in problem.message
    assert str(problem).startswith(f"{path}:3: {field}: ")


def test_all_problems_come_together_and_good_rows_survive(tmp_path):
    bad = [f'{{"id": "x{i}", "actor": "A"}}' for i in range(14)]
    path = write(tmp_path / "s.jsonl", json.dumps(GOOD), "{broken", "[1]", *bad)
    with pytest.raises(InputError) as caught:
        ct.read_statements(path)
    assert len(caught.value.problems) == 16
    message = str(caught.value)
    assert message.count("\n") == 10
    assert "6 more (16 problems in all)" in message
    skipped = []
    assert [s.id for s in ct.read_statements(path, on_error="skip", problems=skipped)] == ["1"]
    assert len(skipped) == 16


def test_messages_hold_no_statement_text(tmp_path):
    secret = "the envoy offered the harbour"
    rows = [GOOD | {"text": secret, "channel": "loud"}, GOOD | {"text": secret, "date": "soon"}, GOOD | {"text": secret, "span": "x"}]
    path = write(tmp_path / "s.jsonl", *(json.dumps(r) for r in rows), '{"text": "' + secret)
    with pytest.raises(InputError) as caught:
        ct.read_statements(path)
    assert secret not in str(caught.value)


def test_duplicate_ids_are_refused_across_files(tmp_path):
    a = write(tmp_path / "a.jsonl", json.dumps(GOOD))
    b = write(tmp_path / "b.jsonl", json.dumps(GOOD))
    (problem,) = problems_of([a, b])
    assert problem.field == "id"
    assert f"{a}:1" in problem.message


def test_missing_column_of_a_table(tmp_path):
    path = write(tmp_path / "s.csv", "id,Actor,text", "1,Ada Orlan,We will pay.")
    (problem,) = problems_of(path)
    assert (problem.line, problem.field) == (2, "actor")
    assert "'Actor'" in problem.message


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_byte_order_mark_and_line_ends_do_not_matter(tmp_path, newline, encoding, suffix):
    lines = [json.dumps(GOOD)] if suffix == ".jsonl" else [",".join(GOOD), ",".join(GOOD.values())]
    path = write(tmp_path / f"s{suffix}", *lines, "", encoding=encoding, newline=newline)
    (statement,) = ct.read_statements(path)
    assert statement.to_record() == GOOD


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("empty.jsonl", b"", "is empty"),
        ("empty.csv", b"\n\n", "is empty"),
        ("empty.parquet", b"", "is empty"),
        ("image.jsonl", b"\x89PNG\r\n\x1a\n\0\0\0", "is not UTF-8 text"),
        ("latin.csv", "id,actor,text\n1,Zoé,x".encode("latin-1"), "is not UTF-8 text"),
        ("text.parquet", b"id,actor,text", "is not a Parquet file"),
        ("quote.csv", b'id,actor,text\n1,A,"open', "is not CSV"),
        ("head.csv", b'"', "is not CSV"),
        ("wide.csv", b"id,actor,text\n1,A,t,more", "more fields than the 3"),
        ("twice.csv", b"id,id,text\n1,2,t", "named twice"),
        ("what.xlsx", b"PK", "unknown suffix '.xlsx'"),
    ],
)
def test_files_that_are_no_statements(tmp_path, name, data, says):
    path = tmp_path / name
    path.write_bytes(data)
    found = problems_of(path)
    assert any(says in str(p) for p in found), found
    assert len(found) == 1


def test_missing_and_unreadable_files(tmp_path):
    assert "no such file" in str(problems_of(tmp_path / "none.jsonl")[0])
    assert "is a folder" in str(problems_of(_folder(tmp_path))[0])


def _folder(tmp_path):
    path = tmp_path / "folder.jsonl"
    path.mkdir()
    return path


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_file_without_permission(tmp_path):
    path = write(tmp_path / "s.jsonl", json.dumps(GOOD))
    path.chmod(0)
    assert "cannot be read" in str(problems_of(path)[0])


def test_a_very_long_text_is_read_whole(tmp_path):
    text = "word " * 20_000
    row = GOOD | {"text": text}
    assert ct.read_statements(write(tmp_path / "s.jsonl", json.dumps(row)))[0].text == text
    path = tmp_path / "s.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, row)
        writer.writeheader()
        writer.writerow(row | {"text": text * 2})
    assert ct.read_statements(path)[0].text == text * 2


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(str.strip)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.fixed_dictionaries({"actor": TEXT, "text": TEXT, "note": TEXT}), min_size=1, max_size=5))
def test_any_text_survives_json_lines(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("any") / "s.jsonl"
    records = [{"id": str(i), **row} for i, row in enumerate(rows)]
    path.write_bytes("\n".join(json.dumps(r, ensure_ascii=False) for r in records).encode())
    read = ct.read_statements(path)
    assert [(s.actor, s.text, s.extra["note"]) for s in read] == [(r["actor"], r["text"], r["note"]) for r in rows]


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([".jsonl", ".csv", ".parquet", ".txt"]))
def test_any_bytes_end_in_records_or_named_problems(tmp_path_factory, data, suffix):
    path = tmp_path_factory.mktemp("bytes") / f"x{suffix}"
    path.write_bytes(data)
    read = ct.read_articles if suffix == ".txt" else ct.read_statements
    problems = []
    read(path, on_error="skip", problems=problems)
    assert all(p.path == str(path) for p in problems)


def test_labelled_pairs_of_both_shapes(tmp_path):
    flat = {"premise": "p", "hypothesis": "h", "label": "neutral", "genre": "x"}
    nested = {"id": "n", "a": {"text": "p", "channel": "private"}, "b": {"text": "h"}, "label": "tension", "actor": "A"}
    one, two = ct.read_labelled_pairs(write(tmp_path / "p.jsonl", json.dumps(flat), json.dumps(nested)))
    assert (one.premise, one.label, one.id, one.extra) == ("p", "neutral", "1", {"genre": "x"})
    assert (two.premise, two.hypothesis, two.id, two.extra) == ("p", "h", "n", {"actor": "A"})
    path = write(tmp_path / "q.jsonl", json.dumps({"premise": "p", "hypothesis": "h"}))
    with pytest.raises(InputError, match="label: is missing"):
        ct.read_labelled_pairs(path)


def test_articles_take_date_and_name(tmp_path):
    a = write(tmp_path / "a.txt", "Headline", "", "Body.")
    (article,) = ct.read_articles(a, date=ct.DateRange.parse("2023-12-23"))
    assert (article.id, str(article.date), article.text) == ("a.txt", "2023-12-23", "Headline\n\nBody.")
    (tmp_path / "sub").mkdir()
    b = write(tmp_path / "sub" / "a.txt", "Other")
    assert [x.id for x in ct.read_articles([a, b])] == [str(a), str(b)]


def test_html_article_keeps_body_and_date_and_drops_navigation(tmp_path):
    page = """<html><head><title>Dam vote</title><meta property="article:published_time" content="2022-05-04T10:00:00Z"></head>
    <body><nav><a href="/">Home</a> <a href="/sport">Sport</a></nav><article><h1>Dam vote</h1>
    <p>The minister said that the dam would be built before the end of the year, and that no village would have to move.</p>
    <p>Engineers told a committee of the assembly that the valley had been surveyed twice, at a cost of four million.</p>
    </article><footer>Copyright</footer></body></html>"""
    (article,) = ct.read_articles(write(tmp_path / "page.html", page))
    assert "no village would have to move" in article.text
    assert "Sport" not in article.text
    assert str(article.date) == "2022-05-04"


RECORD = {
    "headline": "Dam vote",
    "body": "The dam holds.",
    "published_at": "2022-05-04T10:00:00Z",
    "publisher": {"name": "The Courier"},
    "link": "u",
}


@pytest.mark.parametrize("name", ["a.json", "list.json", "wrapped.json", "a.jsonl"])
def test_articles_with_metadata_keep_it(tmp_path, name):
    value = {"a.json": RECORD, "list.json": [RECORD], "wrapped.json": {"articles": [RECORD]}, "a.jsonl": RECORD}[name]
    path = write(tmp_path / name, json.dumps(value))
    (article,) = ct.read_articles(path)
    assert (article.title, article.text, str(article.date), article.outlet, article.url) == (
        "Dam vote",
        "The dam holds.",
        "2022-05-04",
        "The Courier",
        "u",
    )
    assert article.id.startswith(name)
    (dated,) = ct.read_articles(path, date=ct.DateRange.parse("2020-01-02"))
    assert str(dated.date) == "2020-01-02"


@pytest.mark.parametrize("key", ["text", "body", "content", "maintext", "articleBody"])
def test_the_text_may_stand_under_several_names(tmp_path, key):
    assert ct.read_articles(write(tmp_path / "a.json", json.dumps({key: "The dam holds.", "id": 7})))[0].id == "7"


@pytest.mark.parametrize(
    ("lines", "line", "field", "says"),
    [
        (['{"title": "x"}'], 1, "text", "is missing"),
        (['{"text": "x"}', '{"text": 3}'], 2, "text", "is int"),
        (['{"text": "x", "date": "soon"}'], 1, "date", "expected YYYY-MM-DD"),
        (["{broken"], 1, None, "is not JSON"),
        (['{"id": "a", "text": "x"}', '{"id": "a", "text": "y"}'], None, "id", "was used before"),
    ],
)
def test_a_wrong_article_is_named_with_line_and_field_and_the_others_are_read(tmp_path, lines, line, field, says):
    path = write(tmp_path / "a.jsonl", *lines, '{"id": "good", "text": "The dam holds."}')
    with pytest.raises(InputError) as caught:
        ct.read_articles(path)
    (problem,) = caught.value.problems
    assert (problem.line, problem.field) == (line, field)
    assert says in problem.message
    assert ct.read_articles(path, on_error="skip", problems=[])[-1].id == "good"


def test_json_lines_of_statements_are_told_from_articles(tmp_path):
    assert holds_articles(write(tmp_path / "a.jsonl", "", json.dumps(RECORD)))
    assert not holds_articles(SEEDS / "statements.jsonl")
    assert not holds_articles(write(tmp_path / "b.jsonl", "{broken"))
    assert not holds_articles("-")
    assert holds_articles("none.pdf")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_an_article_may_have_any_encoding(tmp_path, encoding, newline):
    text = "La ministre a dit qu’elle ne céderait rien. « Le barrage tient », a déclaré Zoé Lefèvre à Besançon, où l’été fut très sec."
    (article,) = ct.read_articles(write(tmp_path / "a.txt", text, text, encoding=encoding, newline=newline))
    assert article.text == f"{text}\n{text}"


def test_word_file_gives_its_paragraphs_tables_and_title(tmp_path):
    docx = pytest.importorskip("docx")
    document = docx.Document()
    document.core_properties.title = "Dam vote"
    document.add_paragraph("The minister said that the dam would be built.")
    table = document.add_table(rows=1, cols=2)
    table.cell(0, 0).text, table.cell(0, 1).text = "Cost", "40 million"
    document.add_paragraph("No village would have to move.")
    document.save(tmp_path / "a.docx")
    (article,) = ct.read_articles(tmp_path / "a.docx")
    assert article.title == "Dam vote"
    assert article.text == "The minister said that the dam would be built.\nCost\t40 million\nNo village would have to move."


def pdf(*lines: str) -> bytes:
    """A one-page PDF with each line on a line of its own."""
    shown = b" ".join(b"(" + line.encode("latin-1").replace(b"(", b"") + b") ' " for line in lines)
    stream = b"BT /F1 12 Tf 14 TL 50 750 Td " + shown + b" ET"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return out + b"xref\n0 6\n0000000000 65535 f \n%strailer << /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (table, len(out))


def test_pdf_gives_whole_sentences(tmp_path):
    pytest.importorskip("pypdf")
    path = tmp_path / "a.pdf"
    path.write_bytes(
        pdf(
            "The minister said that the dam would be built before the",
            "end of the year, and that no vil-",
            "lage would move.",
            "Engineers disagreed.",
        )
    )
    (article,) = ct.read_articles(path)
    assert (
        article.text.split("\n")[0]
        == "The minister said that the dam would be built before the end of the year, and that no village would move."
    )


def test_a_pdf_without_text_is_named(tmp_path):
    pytest.importorskip("pypdf")
    (tmp_path / "scan.pdf").write_bytes(pdf())
    problems = []
    assert ct.read_articles(tmp_path / "scan.pdf", on_error="skip", problems=problems) == []
    assert [p.message.split(",")[0] for p in problems] == ["holds no text"]


def test_text_boxes_and_footnotes_of_word_files_are_read(tmp_path):
    docx = pytest.importorskip("docx")
    from docx.opc.constants import RELATIONSHIP_TYPE
    from docx.opc.packuri import PackURI
    from docx.opc.part import Part
    from docx.oxml import parse_xml

    w = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    mc = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    box = "<w:txbxContent><w:p><w:r><w:t>In the box.</w:t></w:r></w:p></w:txbxContent>"
    run = f"<w:r {w} {mc}><mc:AlternateContent><mc:Choice>{box}</mc:Choice><mc:Fallback>{box}</mc:Fallback></mc:AlternateContent></w:r>"
    document = docx.Document()
    document.add_paragraph("In the body.")._p.append(parse_xml(run))
    notes = f'<w:footnotes {w}><w:footnote w:id="2"><w:p><w:r><w:t>In the note.</w:t></w:r></w:p></w:footnote></w:footnotes>'
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.footnotes+xml"
    part = Part(PackURI("/word/footnotes.xml"), kind, notes.encode(), document.part.package)
    document.part.relate_to(part, RELATIONSHIP_TYPE.FOOTNOTES)
    document.save(tmp_path / "a.docx")
    (article,) = ct.read_articles(tmp_path / "a.docx")
    assert article.text.split("\n") == ["In the body.", "In the box.", "In the note."]


@pytest.mark.parametrize("suffix", [".docx", ".pdf"])
def test_a_broken_document_is_named_and_the_others_are_read(tmp_path, suffix):
    bad = tmp_path / f"bad{suffix}"
    bad.write_bytes(b"PK not a document")
    good = write(tmp_path / "good.txt", "The dam holds.")
    problems = []
    assert [a.id for a in ct.read_articles([bad, good], on_error="skip", problems=problems)] == ["good.txt"]
    assert [p.path for p in problems] == [str(bad)]


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([".json", ".jsonl", ".docx", ".pdf", ".html", ".md"]))
def test_any_bytes_of_an_article_end_in_articles_or_named_problems(tmp_path_factory, data, suffix):
    path = tmp_path_factory.mktemp("bytes") / f"x{suffix}"
    path.write_bytes(data)
    problems = []
    articles = ct.read_articles(path, on_error="skip", problems=problems)
    assert articles or problems
    assert all(p.path == str(path) for p in problems)
