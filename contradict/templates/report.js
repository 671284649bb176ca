"use strict";
/* The page of a report: filters, timelines, cards, reviews. Text of statements only ever becomes text nodes. */
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const SLICE = 30; // cards put on the page at once
  const ACTORS = 2; // timelines drawn when no actor is chosen
  const LINKS = 150; // conflicts drawn in one timeline
  const LONG = 1200; // characters from which a text scrolls inside its card
  const CONFLICTS = ["contradiction", "tension", "change"];
  const HELD = ["compatible", "insufficient"]; // flagged by the score, held back by a gate
  const SIGN = { contradiction: "≠", tension: "~", change: "→", compatible: "=", insufficient: "?" };
  const EFFECT = { gate: ": held back for this", relabel: ": this names the verdict" };
  const SVG = "http://www.w3.org/2000/svg";
  const $ = (id) => document.getElementById(id);

  const findings = data.findings.map((f, number) => {
    const [a, b] = [data.statements[f.a], data.statements[f.b]];
    const order = ["private", "public", "unknown"];
    const channels = [a.channel, b.channel].sort((x, y) => order.indexOf(x) - order.indexOf(y)).join(" and ");
    return { ...f, a, b, number, channels };
  });

  function el(name, attributes = {}, ...children) {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) if (value !== null && value !== false) node.setAttribute(key, value === true ? "" : value);
    for (const child of children) if (child !== null) node.append(child); // a string becomes a text node
    return node;
  }
  function svg(name, attributes = {}, text = null) {
    const node = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text !== null) node.textContent = text;
    return node;
  }

  // Reviews: what the ledger knew when the page was made, and what was said here since.

  const store = `contradict:${data.id}:`;
  const own = new Map();
  let remembers = true;
  try {
    for (let i = 0; i < localStorage.length; i++) {
      const key = localStorage.key(i);
      if (key.startsWith(store)) own.set(key.slice(store.length), JSON.parse(localStorage.getItem(key)));
    }
  } catch {
    remembers = false;
  }
  const reviewOf = (f) => own.get(f.key) || f.review || null;
  const labelOf = (f) => (reviewOf(f) || {}).label || null;
  const isDismissed = (f) => labelOf(f) !== null && !CONFLICTS.includes(labelOf(f));
  const verdictOf = (f) => (CONFLICTS.includes(labelOf(f)) ? labelOf(f) : f.verdict);

  function setReview(f, label, note) {
    // A word taken back must also outweigh what the ledger said, so an empty one is kept where there was one.
    const review = { label, note, reviewed: new Date().toISOString() };
    const empty = !label && !note && !f.review;
    if (empty) own.delete(f.key);
    else own.set(f.key, review);
    try {
      if (empty) localStorage.removeItem(store + f.key);
      else localStorage.setItem(store + f.key, JSON.stringify(review));
    } catch {
      remembers = false;
    }
    countReviews();
  }

  function countReviews() {
    const said = [...own.values()].filter((r) => r.label).length;
    const kept = remembers ? "kept in this browser" : "this browser keeps nothing: export them before you leave";
    $("review-count").textContent = said === 0 ? "None yet." : `${said.toLocaleString("en")} to export; ${kept}.`;
    $("export").disabled = said === 0;
  }

  function exported() {
    const lines = [];
    for (const f of findings) {
      const review = own.get(f.key);
      if (!review || !review.label) continue;
      lines.push(JSON.stringify({
        id: f.key, premise: f.a.claim || f.a.text, hypothesis: f.b.claim || f.b.text, label: review.label, note: review.note,
        reviewed: review.reviewed, verdict: f.verdict, probability: f.probability, model: data.model, report: data.id,
        a: statement(f.a), b: statement(f.b),
      }) + "\n");
    }
    return lines.join("");
  }
  const statement = ({ start, end, claim, words, ...rest }) => rest;

  function download() {
    const link = el("a", { download: `reviews-${data.id.slice(0, 8)}.jsonl`, href: URL.createObjectURL(new Blob([exported()], { type: "application/x-ndjson" })) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  // Filters

  const words = (s) => (s.words ??= [s.id, s.actor, s.text, s.claim, s.venue, s.source, ...(s.attribution || [])].filter(Boolean).join("\n").toLowerCase());
  const earliest = (f) => [f.a.start, f.b.start].filter(Boolean).sort()[0] || "";
  const latest = (f) => [f.a.end, f.b.end].filter(Boolean).sort().at(-1) || "";
  const meets = (s, from, to) => (s.start || s.end) && (!to || !s.start || s.start <= to) && (!from || !s.end || s.end >= from);
  const REVIEWED = {
    open: (f) => !isDismissed(f),
    none: (f) => labelOf(f) === null,
    kept: (f) => labelOf(f) !== null && !isDismissed(f),
    dismissed: isDismissed,
    all: () => true,
  };
  const later = (x, y) => (x < y ? 1 : x > y ? -1 : 0);
  const ORDER = {
    best: null, // as the report gives them
    new: (x, y) => later(latest(x), latest(y)) || x.number - y.number,
    old: (x, y) => (earliest(x) === "") - (earliest(y) === "") || later(earliest(y), earliest(x)) || x.number - y.number,
    actor: (x, y) => x.a.actor.localeCompare(y.a.actor) || x.number - y.number,
  };

  let shown = [];
  let rendered = 0;
  let current = -1;

  function chosen() {
    const threshold = Number($("threshold").value);
    const [actor, channels, from, to] = ["actor", "channels", "from", "to"].map((id) => $(id).value);
    const asked = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const verdicts = new Set([...document.querySelectorAll("#verdicts input:checked")].map((box) => box.value));
    const reviewed = REVIEWED[$("reviewed").value];
    const out = findings.filter((f) =>
      f.exact >= threshold && (!actor || f.a.actor === actor || f.b.actor === actor) && verdicts.has(verdictOf(f)) &&
      (!channels || f.channels === channels) && (!(from || to) || meets(f.a, from, to) || meets(f.b, from, to)) && reviewed(f) &&
      asked.every((word) => words(f.a).includes(word) || words(f.b).includes(word)));
    const order = ORDER[$("sort").value];
    return order ? out.sort(order) : out;
  }

  function apply() {
    $("threshold-value").textContent = Number($("threshold").value).toFixed(2);
    shown = chosen();
    rendered = 0;
    current = -1;
    const actors = new Set(shown.map((f) => f.a.actor)).size;
    $("count").textContent = `${shown.length.toLocaleString("en")} of ${findings.length.toLocaleString("en")} pairs shown` +
      (shown.length ? `, ${actors.toLocaleString("en")} ${actors === 1 ? "actor" : "actors"}` : "");
    $("cards").replaceChildren();
    if (!shown.length) $("cards").append(el("p", { class: "said-by-none" }, "No pair passes these filters. Lower the probability or clear a filter."));
    renderTo(SLICE);
    drawTimelines();
  }
  let waiting = 0;
  function applySoon() {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(apply);
  }

  // Cards

  function renderTo(count) {
    const end = Math.min(shown.length, count);
    const slice = document.createDocumentFragment();
    for (; rendered < end; rendered++) slice.append(card(shown[rendered], rendered));
    $("cards").append(slice);
  }

  const decimals = (p) => p.toFixed(2);

  function card(f, place) {
    const id = `f${f.number}`;
    const head = el("header", {},
      el("h3", { id: `${id}-head` }, el("span", { class: "number" }, `${place + 1}.`), el("bdi", {}, f.a.actor)),
      verdictMark(f), f.grade ? el("span", { class: "grade" }, f.grade) : null, el("span", { class: "probability" }, `probability ${decimals(f.probability)}`));
    const why = el("ul", { class: "why", "aria-label": "Reasons" });
    for (const reason of f.reasons)
      why.append(el("li", { class: reason.effect }, el("span", { class: "name" }, spoken(reason.name)), reason.detail, EFFECT[reason.effect] || null));
    const long = Math.max(f.a.text.length, f.b.text.length) > LONG;
    const node = el("article", { class: long ? "card whole-page" : "card", id, tabindex: "-1", "aria-labelledby": `${id}-head` },
      head,
      el("div", { class: "sides" }, side(f.a, "a", f), side(f.b, "b", f)),
      el("p", { class: "innocent" }, el("span", { class: "name" }, "innocent reading"), f.innocent_reading),
      why, figures(f));
    node.append(reviewForm(f, node));
    node.addEventListener("focusin", () => { current = place; });
    return node;
  }

  function verdictMark(f) {
    const verdict = verdictOf(f);
    return el("span", { class: `verdict ${verdict}` }, el("span", { class: "sign", "aria-hidden": "true" }, SIGN[verdict]), verdict);
  }

  const spoken = (name) => name.replaceAll("_", " ");

  /* A claim whose deciding words are marked and whose words that carry reasons are underlined, with the names of these as
     their title. Offsets count code points, as Python does; where spans overlap, a piece carries all of them. */
  function marked(text, name, f) {
    const deciding = (f.deciding_words && f.deciding_words[name]) || [];
    const carried = f.reasons.flatMap((reason) => (reason.spans[name] || []).map((span) => [...span, spoken(reason.name)]));
    if (!deciding.length && !carried.length) return [text];
    const points = Array.from(text);
    const cuts = [...new Set([0, points.length, ...[...deciding, ...carried].flatMap(([start, end]) => [start, end])])].sort((x, y) => x - y);
    return cuts.slice(0, -1).map((start, i) => {
      const holds = ([from, to]) => from <= start && start < to;
      const names = [...new Set(carried.filter(holds).map((span) => span[2]))].join(", ");
      const piece = points.slice(start, cuts[i + 1]).join("");
      const told = names ? el("span", { class: "told", title: names }, piece) : piece;
      return deciding.some(holds) ? el("mark", {}, told) : told;
    });
  }

  function side(s, name, f) {
    const quote = el("blockquote", { dir: "auto" }, ...(s.claim ? [s.text] : marked(s.text, name, f)));
    if (s.text.length > LONG) {
      quote.className = "long";
      quote.tabIndex = 0;
    }
    const about = el("p", { class: "about" }, el("span", { class: "letter" }, name), el("span", { class: "channel" }, s.channel === "unknown" ? "channel unknown" : `in ${s.channel}`), ` · ${when(s)}`);
    if (s.venue) about.append(" · ", el("bdi", {}, s.venue));
    const node = el("div", { class: `side ${s.channel}` }, about, quote);
    if (s.claim) node.append(el("p", { class: "small" }, "read as: ", el("bdi", {}, ...marked(s.claim, name, f))));
    if (s.sentence && s.sentence !== s.text) node.append(el("p", { class: "small" }, "as printed: ", el("bdi", {}, s.sentence)));
    if (s.attribution) node.append(el("p", { class: "small" }, "reported by ", el("bdi", {}, s.attribution.join(" ← "))));
    if (s.source || s.url) node.append(el("p", { class: "small" }, "source: ", s.source ? el("bdi", {}, s.source) : null, s.source && s.url ? " · " : null, s.url ? address(s.url) : null));
    return node;
  }

  const when = (s) => !s.date ? "undated" : !s.start ? `until ${s.date.split("/")[1]}` : !s.end ? `from ${s.date.split("/")[0]}` : s.date.replace("/", " to ");

  /* Only addresses of the web become links; anything else stays text. */
  function address(url) {
    return /^https?:\/\/[^\s]+$/i.test(url) ? el("a", { href: url, rel: "noopener noreferrer nofollow", target: "_blank" }, url) : el("bdi", {}, url);
  }

  function figures(f) {
    const directions = Object.keys(f.scores);
    const table = el("table", {}, el("thead", {}, el("tr", {}, el("td"), ...directions.map((d) => el("th", { scope: "col" }, d === "forward" ? "a then b" : "b then a")))));
    const body = el("tbody");
    for (const relation of Object.keys(f.scores[directions[0]] || {}))
      body.append(el("tr", {}, el("th", { scope: "row" }, relation), ...directions.map((d) => el("td", {}, decimals(f.scores[d][relation])))));
    table.append(body);
    const similarity = f.similarity === null ? "" : `; similarity ${decimals(f.similarity)}`;
    return el("details", {}, el("summary", {}, "Scores and where they come from"), table,
      el("p", {}, "a is ", el("code", {}, f.a.id), ", b is ", el("code", {}, f.b.id), `; paired by ${f.rule}${similarity}; model `, el("code", {}, (data.model || "unknown").slice(0, 12))));
  }

  function reviewForm(f, node) {
    const confirm = el("button", { type: "button" }, "Confirm", el("kbd", { "aria-hidden": "true" }, "c"));
    const dismiss = el("button", { type: "button" }, "Dismiss", el("kbd", { "aria-hidden": "true" }, "d"));
    const label = el("select", { "aria-label": "Label" }, el("option", { value: "" }, "no label"), ...data.verdicts.map((v) => el("option", { value: v }, v)));
    const note = el("input", { type: "text", "aria-label": "Note", placeholder: "Note", autocomplete: "off" });
    const state = el("p", { class: "state", role: "status" });
    const say = (value) => { setReview(f, value || null, note.value.trim()); refresh(); };
    confirm.addEventListener("click", () => say(labelOf(f) === f.verdict ? null : f.verdict));
    dismiss.addEventListener("click", () => say(isDismissed(f) ? null : "compatible"));
    label.addEventListener("change", () => say(label.value));
    note.addEventListener("change", () => say(label.value));
    const unlabelled = (review) =>
      !review ? "" : f.review && f.review.label ? "Taken back on this page; the ledger keeps its label until you give another or contradict review withdraw takes it back."
        : review.note ? "The note is kept; confirm, dismiss or label the pair to export it." : "";
    function refresh() {
      const review = reviewOf(f);
      const said = labelOf(f);
      confirm.setAttribute("aria-pressed", String(said !== null && said === f.verdict));
      dismiss.setAttribute("aria-pressed", String(isDismissed(f)));
      label.value = said || "";
      if (review) note.value = review.note || "";
      node.classList.toggle("dismissed", isDismissed(f));
      node.querySelector(".verdict").replaceWith(verdictMark(f));
      const what = said === null ? "" : isDismissed(f) ? `Dismissed as ${said}` : said === f.verdict ? `Confirmed as ${said}` : `Re-labelled as ${said}; the model said ${f.verdict}`;
      const when = said === null ? "" : `, ${review.reviewed.slice(0, 10)}${own.has(f.key) ? "" : ", from the ledger"}`;
      state.textContent = said !== null ? `${what}${when}.${review.note ? ` Note: ${review.note}` : ""}` : unlabelled(review);
      state.hidden = !state.textContent;
    }
    const form = el("div", { class: "review" }, confirm, dismiss, label, note, state);
    node.review = { confirm, dismiss, note };
    refresh();
    return form;
  }

  function goTo(place) {
    if (place < 0 || place >= shown.length) return;
    if (place >= rendered) renderTo(place + SLICE);
    current = place;
    const node = $(`f${shown[place].number}`);
    node.focus({ preventScroll: true });
    node.scrollIntoView({ block: "start" });
  }

  // Timelines: private above, public below, conflicts as links between them

  function drawTimelines() {
    const by = new Map();
    for (const f of shown.filter((f) => CONFLICTS.includes(verdictOf(f)))) {
      if (!by.has(f.a.actor)) by.set(f.a.actor, []);
      by.get(f.a.actor).push(f);
    }
    const actors = [...by].sort((x, y) => y[1].length - x[1].length || x[0].localeCompare(y[0]));
    const width = Math.max(320, $("timelines").clientWidth); // read once, before anything is written
    const out = document.createDocumentFragment();
    if (actors.length) {
      out.append(el("h2", {}, actors.length === 1 ? "Timeline" : "Timelines"), legend());
      for (const [actor, list] of actors.slice(0, ACTORS)) out.append(timeline(actor, list, width));
      if (actors.length > ACTORS) out.append(el("p", { class: "soft small" }, `The ${ACTORS} of ${actors.length.toLocaleString("en")} actors with the most pairs; choose an actor to see another.`));
      out.append(el("h2", {}, "Pairs"));
    }
    $("timelines").replaceChildren(out);
  }

  function legend() {
    const list = el("ul", { class: "legend" });
    const item = (shape, text) => {
      const icon = svg("svg", { viewBox: "0 0 30 12", "aria-hidden": "true" });
      icon.append(shape);
      list.append(el("li", {}, icon, text));
    };
    for (const channel of ["private", "public"]) item(svg("rect", { x: 4, y: 1.5, width: 20, height: 9, rx: 4, class: channel }), `in ${channel}`);
    for (const verdict of CONFLICTS) item(svg("path", { d: "M0 6H30", class: `link ${verdict}` }), verdict);
    return list;
  }

  const day = (text) => Date.parse(`${text}T00:00:00Z`) / 86400000;

  function timeline(actor, list, width) {
    const drawn = [...list].sort((x, y) => y.probability - x.probability).slice(0, LINKS);
    const statements = [...new Set(drawn.flatMap((f) => [f.a, f.b]))];
    const dated = statements.filter((s) => s.start || s.end);
    const undated = statements.filter((s) => !s.start && !s.end);
    const days = dated.flatMap((s) => [s.start, s.end]).filter(Boolean).map(day);
    let [first, last] = days.length ? [Math.min(...days), Math.max(...days)] : [0, 1];
    const margin = Math.max(10, (last - first) * 0.04);
    [first, last] = [first - margin, last + margin];
    const left = 74;
    const right = width - (undated.length ? Math.min(190, width * 0.25) : 16);
    const x = (d) => left + ((d - first) / (last - first)) * (right - left);

    // Each lane packs its marks into rows, so that none hides another.
    const marks = new Map();
    const lanes = ["private", "unknown", "public"].filter((c) => c !== "unknown" || statements.some((s) => s.channel === c));
    let top = 16;
    const labels = [];
    for (const channel of lanes) {
      const ends = [];
      const spans = dated.filter((s) => s.channel === channel).map((s) => ({ s, from: s.start ? x(day(s.start)) : left, to: s.end ? x(day(s.end)) : right }));
      let free = right + 22;
      let loose = 0;
      for (const s of undated.filter((u) => u.channel === channel)) {
        if (free + 12 > width - 8) [free, loose] = [right + 22, loose + 1];
        marks.set(s, { x: free, width: 12, row: loose, channel });
        free += 18;
      }
      for (const { s, from, to } of spans.sort((p, q) => p.from - q.from)) {
        const size = Math.max(11, to - from);
        let row = ends.findIndex((end) => end + 4 <= from);
        if (row < 0) row = ends.length;
        ends[row] = from + size;
        marks.set(s, { x: from, width: size, row, channel, open: !s.start || !s.end });
      }
      const rows = Math.max(ends.length, undated.some((u) => u.channel === channel) ? loose + 1 : 0, 1);
      for (const mark of marks.values()) if (mark.channel === channel) mark.y = top + mark.row * 16;
      labels.push([channel, top + (rows * 16) / 2 + 2]);
      top += rows * 16 + (channel === lanes.at(-1) ? 16 : 56);
    }
    const height = top + 24;
    const middle = (marks.size ? [...marks.values()].filter((m) => m.channel === "private").reduce((y, m) => Math.max(y, m.y), 16) : 16) + 40;

    const counts = ["private", "public", "unknown"].map((c) => [statements.filter((s) => s.channel === c).length, c]).filter(([n]) => n).map(([n, c]) => `${n} ${c === "unknown" ? "of unknown channel" : c}`).join(", ");
    const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Timeline of ${actor}: statements: ${counts}; ${drawn.length} conflicts between them, all listed below.` });
    for (const [at, text] of ticks(first + margin / 2, last - margin / 2, (right - left) / 76)) {
      if (!days.length) break;
      picture.append(svg("path", { d: `M${x(at)} 8V${height - 22}`, class: "axis" }), svg("text", { x: x(at), y: height - 7, "text-anchor": "middle" }, text));
    }
    if (undated.length) picture.append(svg("path", { d: `M${right + 8} 8V${height - 8}`, class: "axis" }), svg("text", { x: right + 20, y: height - 7 }, "undated"));
    for (const [channel, y] of labels) picture.append(svg("text", { x: 10, y }, channel));
    for (const f of [...drawn].reverse()) {
      const [p, q] = [marks.get(f.a), marks.get(f.b)];
      const [px, qx] = [p.x + p.width / 2, q.x + q.width / 2];
      const [upper, lower, ux, lx] = p.y <= q.y ? [p, q, px, qx] : [q, p, qx, px];
      const same = p.channel === q.channel;
      const dip = same ? (p.channel === "private" ? Math.max(p.y, q.y) + 34 : Math.min(p.y, q.y) - 26) : middle;
      const d = same
        ? `M${px} ${p.y + (p.channel === "private" ? 11 : 0)}C${px} ${dip} ${qx} ${dip} ${qx} ${q.y + (p.channel === "private" ? 11 : 0)}`
        : `M${ux} ${upper.y + 11}C${ux} ${(upper.y + lower.y) / 2 + 6} ${lx} ${(upper.y + lower.y) / 2 + 6} ${lx} ${lower.y}`;
      const link = svg("path", { d, class: `link ${verdictOf(f)}` });
      link.append(svg("title", {}, `${verdictOf(f)}, probability ${decimals(f.probability)}`));
      link.addEventListener("click", () => goTo(shown.indexOf(f)));
      picture.append(link);
    }
    for (const [s, mark] of marks) {
      const shape = svg("rect", { x: mark.x, y: mark.y, width: mark.width, height: 11, rx: 5, class: `mark ${s.channel}${mark.open ? " open" : ""}` });
      shape.append(svg("title", {}, `${s.channel}, ${when(s)}${s.venue ? `, ${s.venue}` : ""}: ${s.text.slice(0, 160)}${s.text.length > 160 ? "…" : ""}`));
      shape.addEventListener("click", () => goTo(shown.findIndex((f) => f.a === s || f.b === s)));
      picture.append(shape);
    }
    const cut = list.length > drawn.length ? `the ${LINKS} most probable of ${list.length.toLocaleString("en")} conflicts` : `${list.length} ${list.length === 1 ? "conflict" : "conflicts"}`;
    return el("figure", { class: "timeline" }, el("figcaption", {}, el("h3", {}, el("bdi", {}, actor)), el("span", { class: "soft small" }, cut)), picture);
  }

  /* Days and their names, at most `most` of them: years, months or days, whichever fit. */
  function ticks(first, last, most) {
    const out = [];
    const name = (date, options) => date.toLocaleDateString("en", { timeZone: "UTC", ...options });
    const span = last - first;
    if (span < 70) {
      const step = [1, 2, 7, 14, 28].find((s) => span / s <= most) || 28;
      for (let d = Math.ceil(first); d <= last; d += step) out.push([d, name(new Date(d * 86400000), { day: "numeric", month: "short", year: "2-digit" })]);
      return out;
    }
    const step = [1, 3, 6, 12, 24, 60, 120, 240, 600].find((s) => span / (s * 30.44) <= most) || 1200;
    const begin = new Date(first * 86400000);
    let month = begin.getUTCFullYear() * 12 + begin.getUTCMonth();
    for (month -= month % step; ; month += step) {
      const date = new Date(Date.UTC(0, month % 12, 1));
      date.setUTCFullYear(Math.floor(month / 12));
      const d = date.getTime() / 86400000;
      if (d > last) return out;
      if (d >= first) out.push([d, step >= 12 ? String(date.getUTCFullYear()) : name(date, { month: "short", year: "numeric" })]);
    }
  }

  // Wiring

  function start() {
    for (const actor of [...new Set(findings.flatMap((f) => [f.a.actor, f.b.actor]))].sort((x, y) => x.localeCompare(y))) $("actor").append(el("option", { value: actor }, actor));
    for (const channels of [...new Set(findings.map((f) => f.channels))].sort()) $("channels").append(el("option", { value: channels }, channels));
    for (const verdict of [...CONFLICTS, ...HELD.filter((v) => findings.some((f) => f.verdict === v))]) {
      const box = el("input", { type: "checkbox", value: verdict, checked: CONFLICTS.includes(verdict) });
      $("verdicts").append(el("label", { class: "check" }, box, el("span", { class: `verdict ${verdict}` }, el("span", { class: "sign", "aria-hidden": "true" }, SIGN[verdict]), verdict)));
    }
    const slider = $("threshold");
    // Any value, so that the report's own threshold is one of them; the keys move by whole hundredths.
    slider.min = Math.floor(data.floor * 100) / 100;
    slider.max = 1;
    slider.step = "any";
    slider.defaultValue = slider.value = data.threshold;
    slider.addEventListener("keydown", (event) => {
      const move = { ArrowRight: 0.01, ArrowUp: 0.01, ArrowLeft: -0.01, ArrowDown: -0.01 }[event.key];
      if (!move) return;
      event.preventDefault();
      slider.value = (Math.round(Number(slider.value) * 100) + Math.sign(move)) / 100;
      applySoon();
    });
    const form = $("filters");
    form.addEventListener("input", applySoon);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(apply));
    $("export").addEventListener("click", download);
    $("help-button").addEventListener("click", () => $("help").showModal());
    if (matchMedia("(max-width: 60rem)").matches) document.querySelector(".filters").open = false;

    new IntersectionObserver((seen) => {
      if (seen.some((entry) => entry.isIntersecting) && rendered < shown.length) renderTo(rendered + SLICE);
    }, { rootMargin: "1200px" }).observe($("more"));

    // On paper everything that passes the filters stands open.
    let opened = [];
    addEventListener("beforeprint", () => {
      renderTo(shown.length);
      opened = [...document.querySelectorAll(".card details:not([open])")];
      for (const details of opened) details.open = true;
    });
    addEventListener("afterprint", () => {
      for (const details of opened) details.open = false;
    });
    let resizing = 0;
    let width = innerWidth;
    addEventListener("resize", () => {
      if (innerWidth === width) return;
      width = innerWidth;
      clearTimeout(resizing);
      resizing = setTimeout(drawTimelines, 200);
    });
    addEventListener("keydown", onKey);
    countReviews();
    apply();
  }

  function onKey(event) {
    const typing = event.target.closest("input:not([type=checkbox]), select, textarea");
    if (event.key === "Escape" && typing) return typing.blur();
    if (typing || event.ctrlKey || event.metaKey || event.altKey || $("help").open) return undefined;
    const review = current >= 0 ? $(`f${shown[current].number}`).review : null;
    const act = {
      j: () => goTo(Math.min(current + 1, shown.length - 1)),
      k: () => goTo(Math.max(current - 1, 0)),
      c: () => review && review.confirm.click(),
      d: () => review && review.dismiss.click(),
      n: () => review && review.note.focus(),
      "/": () => { document.querySelector(".filters").open = true; $("search").focus(); },
      "?": () => $("help").showModal(),
    }[event.key];
    if (!act) return undefined;
    event.preventDefault();
    return act();
  }

  start();
})();
