"use strict";
(() => {
  const section = document.getElementById("changed");
  const packed = document.getElementById("packed-ledger");
  if (!packed || typeof DecompressionStream === "undefined") return; // the list that is in the page stays
  const bar = document.getElementById("filters");
  const list = document.getElementById("ledger");
  const shown = document.getElementById("shown");
  const CHUNK = 60;
  const ANCHOR = "item-";
  const MARKS = { broke: "✕", fixed: "✓", "wrong differently": "≠", unstable: "~" };
  const STYLES = { broke: "broke", fixed: "fixed", "wrong differently": "wrong", unstable: "inconclusive" };

  let ledger; // the unpacked answers, see pipelines/report/ledger/entries.py
  let matching = []; // [item, its matching answers], in order
  let drawn = 0;
  let current = -1;

  const unpack = async () => {
    const bytes = Uint8Array.from(atob(packed.content.textContent), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const content = await new Response(stream).json();
    const text = (number) => content.texts[number];
    const items = content.items.map(([id, slices, question, expected, grader, answers]) => ({
      id,
      slices: slices.map((n) => content.slices[n]),
      question: text(question),
      expected: text(expected),
      grader: content.graders[grader],
      answers: answers.map(([variant, kind, base, baseReason, said, reason, way, margin]) => ({
        variant: content.variants[variant],
        kind: content.kinds[kind],
        base: text(base),
        baseReason: text(baseReason),
        said: text(said),
        reason: text(reason),
        way: text(way),
        margin,
      })),
    }));
    for (const item of items) item.breaks = item.answers.filter((a) => a.kind === "broke").length;
    return { ...content, items };
  };

  // ---- what differs -------------------------------------------------------------------------------------

  const TOKENS = /\s+|\d|[^\W\d_]+|./gsu;
  const MOST_CELLS = 400_000;

  const wordDiff = (first, second) => {
    const a = first.match(TOKENS) || [], b = second.match(TOKENS) || [];
    let start = 0;
    while (start < a.length && start < b.length && a[start] === b[start]) start++;
    let end = 0;
    while (end < a.length - start && end < b.length - start && a.at(-1 - end) === b.at(-1 - end)) end++;
    const x = a.slice(start, a.length - end), y = b.slice(start, b.length - end);
    const [inX, inY] = common(x, y);
    const whole = (tokens, same) => [
      ...a.slice(0, start).map((token) => [token, false]),
      ...tokens.map((token, at) => [token, !same.has(at)]),
      ...a.slice(a.length - end).map((token) => [token, false]),
    ];
    return [whole(x, inX), whole(y, inY)];
  };

  // Positions of a longest common subsequence in both; none where the table would be too large.
  const common = (x, y) => {
    const inX = new Set(), inY = new Set(), width = y.length + 1;
    if (!x.length || !y.length || x.length * y.length > MOST_CELLS) return [inX, inY];
    const table = new Uint16Array((x.length + 1) * width);
    for (let i = x.length - 1; i >= 0; i--)
      for (let j = y.length - 1; j >= 0; j--)
        table[i * width + j] = x[i] === y[j]
          ? table[(i + 1) * width + j + 1] + 1
          : Math.max(table[(i + 1) * width + j], table[i * width + j + 1]);
    for (let i = 0, j = 0; i < x.length && j < y.length;) {
      if (x[i] === y[j]) { inX.add(i++); inY.add(j++); }
      else if (table[(i + 1) * width + j] >= table[i * width + j + 1]) i++;
      else j++;
    }
    return [inX, inY];
  };

  const parsed = (text) => {
    try {
      const value = JSON.parse(text);
      return typeof value === "object" && value !== null ? value : undefined;
    } catch {
      return undefined;
    }
  };

  const jsonDiff = (first, second, path = "") => {
    const both = [first, second].every((v) => typeof v === "object" && v !== null)
      && Array.isArray(first) === Array.isArray(second);
    if (!both) return JSON.stringify(first) === JSON.stringify(second) ? [] : [[path || "all of it", first, second]];
    const keys = [...new Set([...Object.keys(first), ...Object.keys(second)])];
    return keys.flatMap((key) => jsonDiff(first[key], second[key], path ? `${path}.${key}` : key));
  };

  // ---- elements -----------------------------------------------------------------------------------------

  const make = (tag, properties = {}, ...children) => {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
  };

  const said = (tokens) => {
    const paragraph = make("p", { className: "said" });
    if (!tokens.length) paragraph.append(make("i", {}, "(nothing)"));
    let run = "", changed = false;
    const flush = () => { if (run) paragraph.append(changed ? make("mark", {}, run) : run); run = ""; };
    for (const [token, differs] of tokens) {
      if (differs !== changed) { flush(); changed = differs; }
      run += token;
    }
    flush();
    return paragraph;
  };

  const kindBadge = (kind, count) => make("span", { className: `badge ${STYLES[kind]}` },
    `${MARKS[kind]} ${count ? `${count} ` : ""}${kind}`);

  const differences = (answer) => {
    const first = parsed(answer.base), second = parsed(answer.said);
    if (first === undefined || second === undefined) return [];
    const rows = jsonDiff(first, second).slice(0, 12);
    const value = (v) => (v === undefined ? "–" : JSON.stringify(v));
    return rows.length ? [make("ul", { className: "fields" }, ...rows.map(([path, a, b]) =>
      make("li", {}, make("code", {}, path), " ", make("span", { className: "was" }, value(a)), " → ",
        make("span", { className: "became" }, value(b)))))] : [];
  };

  // Variants that say the same on an item are one row: what several break alike is seen at once.
  const alike = (answers) => {
    const groups = new Map();
    for (const answer of answers) {
      const key = JSON.stringify([answer.kind, answer.base, answer.said, answer.reason, answer.margin]);
      if (groups.has(key)) groups.get(key).names.push(answer.variant);
      else groups.set(key, { ...answer, names: [answer.variant] });
    }
    return [...groups.values()];
  };

  const answerRow = (answer) => {
    const [left, right] = wordDiff(answer.base, answer.said);
    const why = (text) => make("span", { className: "why" }, text);
    const who = make("div", { className: "who" }, make("b", {}, answer.names.join(", ")), kindBadge(answer.kind));
    if (answer.way) who.append(why(answer.way));
    if (answer.kind === "unstable") who.append(why("the base disagrees with itself here, so this does not count"));
    const base = make("div", {}, make("span", { className: "side" }, "base"), said(left));
    if (answer.kind !== "broke") base.append(why(answer.baseReason));
    if (answer.margin !== null) base.append(why(`closest decision by ${answer.margin.toFixed(2)} nats`));
    const variant = make("div", { className: "variant-said" },
      make("span", { className: "side" }, "variant"), said(right), why(answer.reason), ...differences(answer));
    return make("section", { className: "answer" }, who, base, variant);
  };

  const counted = (answers) => {
    const counts = new Map();
    for (const answer of answers) counts.set(answer.kind, (counts.get(answer.kind) || 0) + 1);
    return ledger.kinds.filter((kind) => counts.has(kind)).map((kind) => kindBadge(kind, counts.get(kind)));
  };

  const address = (item) => `#${ANCHOR}${encodeURIComponent(item.id)}`;

  const article = (at) => {
    const [item, answers] = matching[at];
    const link = make("a", { className: "mono", href: address(item) }, item.id);
    const toggle = make("button", { type: "button", className: "toggle", ariaExpanded: "false" }, item.question);
    const node = make("article", { className: "item closed", id: `${ANCHOR}${encodeURIComponent(item.id)}`, tabIndex: -1 },
      make("header", {}, make("h3", {}, link), ...counted(answers),
        make("span", { className: "quiet" }, item.slices.join(" · "))), toggle);
    toggle.addEventListener("click", () => { select(at, false); turn(at); });
    return node;
  };

  const turn = (at, open = undefined) => {
    const node = list.children[at];
    const [item, answers] = matching[at];
    const closed = node.classList.toggle("closed", open === undefined ? undefined : !open);
    node.querySelector(".toggle").ariaExpanded = String(!closed);
    node.querySelector(".opened")?.remove();
    if (closed) return;
    node.append(make("div", { className: "opened" },
      make("p", { className: "expected" }, "expected ", make("code", {}, item.expected), ` · ${item.grader}`),
      ...alike(answers).map(answerRow)));
  };

  // ---- the list -----------------------------------------------------------------------------------------

  const drawMore = (until = drawn + CHUNK) => {
    const fragment = document.createDocumentFragment();
    for (const end = Math.min(until, matching.length); drawn < end; drawn++) fragment.append(article(drawn));
    list.append(fragment);
  };

  const select = (at, scroll = true) => {
    if (at < 0 || at >= matching.length) return;
    while (drawn <= at) drawMore();
    list.children[current]?.classList.remove("current");
    current = at;
    const node = list.children[at];
    node.classList.add("current");
    if (!scroll) return;
    node.focus({ preventScroll: true });
    node.scrollIntoView({ block: "nearest" });
  };

  const clear = () => { for (const each of bar.querySelectorAll("select, input")) each.value = ""; };

  const field = (name) => bar.elements[name].value;

  const apply = () => {
    const variant = field("variant"), slice = field("slice"), kind = field("kind"), grader = field("grader");
    const least = Number(field("least")), words = field("words").trim().toLowerCase();
    const holds = (text) => text.toLowerCase().includes(words);
    matching = [];
    let answerCount = 0;
    for (const item of ledger.items) {
      if (slice && !item.slices.includes(slice)) continue;
      if (grader && item.grader !== grader) continue;
      if (item.breaks < least) continue;
      let answers = item.answers.filter((a) => (!variant || a.variant === variant) && (!kind || a.kind === kind));
      if (words && ![item.id, item.question, item.expected].some(holds))
        answers = answers.filter((a) => [a.base, a.said, a.reason, a.way].some(holds));
      if (!answers.length) continue;
      matching.push([item, answers]);
      answerCount += answers.length;
    }
    list.replaceChildren();
    drawn = 0;
    current = -1;
    drawMore();
    const plural = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
    shown.textContent = `${plural(answerCount, "answer")} on ${plural(matching.length, "item")}`;
  };

  const follow = () => {
    const id = location.hash.startsWith(`#${ANCHOR}`) ? decodeURIComponent(location.hash.slice(1 + ANCHOR.length)) : null;
    if (id === null || !ledger.items.some((item) => item.id === id)) return;
    let at = matching.findIndex(([item]) => item.id === id);
    if (at < 0) {
      clear();
      apply();
      at = matching.findIndex(([item]) => item.id === id);
    }
    select(at);
    turn(at, true);
    list.children[at].scrollIntoView({ block: "start" });
  };

  const lines = () => matching.flatMap(([item, answers]) => answers.map((a) => JSON.stringify({
    item_id: item.id, slices: item.slices, grader: item.grader, question: item.question, expected: item.expected,
    variant: a.variant, kind: a.kind, stable: a.kind !== "unstable", way: a.way || null, margin: a.margin,
    reference: { text: a.base, reason: a.baseReason }, answer: { text: a.said, reason: a.reason },
  })).map((line) => `${line}\n`)).join("");

  const copy = async () => {
    const text = lines();
    try {
      await navigator.clipboard.writeText(text);
    } catch { // no permission, or a page that is no secure context
      const area = make("textarea", { value: text, className: "unseen" });
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    shown.textContent = `copied ${text.split("\n").length - 1} lines`;
  };

  const keys = {
    j: () => select(current + 1),
    k: () => select(Math.max(0, current - 1)),
    Enter: () => current >= 0 && turn(current),
    "/": () => { bar.elements.words.focus(); bar.scrollIntoView({ block: "start" }); },
  };

  const pressed = (event) => {
    const typing = event.target.closest?.("input, select, textarea, button, a, summary");
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && typing) { typing.blur(); return; }
    if (!(event.key in keys) || typing?.matches("input, select, textarea")) return;
    if (event.key === "Enter" && typing) return; // what has the focus answers itself
    event.preventDefault();
    keys[event.key]();
  };

  const start = async () => {
    ledger = await unpack();
    for (const node of document.querySelectorAll("#listed [id]")) node.removeAttribute("id");
    for (const grader of ledger.graders) bar.elements.grader.append(make("option", {}, grader));
    for (let least = 2; least <= ledger.variants.length; least++)
      bar.elements.least.append(make("option", { value: String(least) }, `${least} variants or more`));
    for (const node of [bar, list, document.getElementById("keys")]) node.hidden = false;
    section.classList.add("live");
    apply();
    bar.addEventListener("input", apply);
    bar.addEventListener("submit", (event) => event.preventDefault());
    bar.addEventListener("reset", () => setTimeout(apply));
    bar.elements.copy.addEventListener("click", copy);
    document.addEventListener("keydown", pressed);
    window.addEventListener("hashchange", follow);
    window.addEventListener("scroll", () => {
      if (drawn < matching.length && list.getBoundingClientRect().bottom < 2 * innerHeight) drawMore();
    }, { passive: true });
    for (const link of document.querySelectorAll("a[data-filter-kind]"))
      link.addEventListener("click", () => {
        clear();
        bar.elements.variant.value = link.dataset.filterVariant;
        bar.elements.slice.value = link.dataset.filterSlice;
        bar.elements.kind.value = link.dataset.filterKind;
        apply();
      });
    follow();
  };

  start();
})();
