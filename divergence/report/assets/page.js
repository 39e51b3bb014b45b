// Joins the page's parts: the data, the chart, the tables, and the links between them.

const data = JSON.parse(document.getElementById("data").textContent);

const FIGURES = new Set([
  "max_abs", "mean_abs", "rmse", "max_rel", "cosine", "sqnr_db", "max_ulp",
  "floor_reference_max_abs", "floor_candidate_max_abs", "floor_multiple",
  "introduced_max_abs", "introduced_multiple",
]);

const pairs = data.pairs.map((values, index) => {
  const pair = { index };
  data.columns.forEach((name, k) => {
    pair[name] = FIGURES.has(name) ? figure(values[k]) : values[k];
  });
  pair.text = `${pair.reference} ${pair.candidate} ${pair.stage} ${pair.paired_by}`.toLowerCase();
  pair.culprit = null;
  pair.said = pair.ignored ? "ignored" : pair.verdict.replace("_", " ");
  return pair;
});
data.culprits.forEach(([index, title], k) => {
  const pair = pairs[index];
  if (pair && !pair.culprit) Object.assign(pair, { culprit: { rank: k + 1, title }, mark: "culprit" });
});

const chip = (pair) => {
  const sign = data.signs[pair.verdict];
  return element("span", { class: `said ${pair.verdict}` }, `${sign} ${pair.said}`);
};

// The end of a long name tells more than its beginning: page.css cuts the beginning.
const code = (name) => (pair) => element("code", {}, element("bdi", { dir: "ltr" }, pair[name]));

const text = (title, name, width, extra = {}) => ({
  title,
  width,
  value: (pair) => pair[name],
  text: (pair) => String(pair[name]),
  ...extra,
});

const num = (title, name, width, hint, write = number) => ({
  title,
  hint,
  width,
  numeric: true,
  value: (pair) => pair[name],
  text: (pair) => write(pair[name]),
});

const COLUMNS = [
  { ...num("#", "index", 52, "place in the reference's execution order"), text: (p) => String(p.index + 1) },
  text("reference", "reference", 162, { cell: code("reference"), grows: true }),
  text("candidate", "candidate", 162, { cell: code("candidate"), grows: true }),
  text("stage", "stage", 100),
  num("max_abs", "max_abs", 76, "greatest absolute error"),
  num("rmse", "rmse", 74, "root of the mean squared error"),
  num("cosine", "cosine", 76, "cosine of both as vectors, 1 is equal", (v) => number(v, 6)),
  num("sqnr", "sqnr_db", 58, "signal to error, in decibels", (v) => number(v, 3)),
  num("ulp", "max_ulp", 72, "greatest distance in units in the last place"),
  num("floor", "floor_multiple", 76, "error as a multiple of the reference's own", multiple),
  num("introduced", "introduced_max_abs", 86, "added by this segment itself"),
  text("verdict", "said", 116, { cell: chip }),
  text("paired by", "paired_by", 88),
  num("sure", "confidence", 52, "how sure the pairing is, 0 to 1"),
];

const inspector = element("div", { class: "inspector", "aria-live": "polite", hidden: "" });

const inspect = (pair) => {
  const index = pair.worst_index ? `[${pair.worst_index.join(", ")}]` : "-";
  const alignment = pair.alignment ? JSON.stringify(pair.alignment) : "none needed";
  const dtypes = [...new Set([pair.reference_dtype, pair.candidate_dtype])].join(" against ");
  const facts = [
    ["reference", pair.reference],
    ["candidate", pair.candidate],
    ["scope", pair.reference_scope || "-"],
    ["shape", `${pair.shape.join("x") || "scalar"}, ${dtypes}`],
    ["alignment", alignment],
    ["elements that differ", `${pair.mismatched.toLocaleString("en")} of ${pair.total.toLocaleString("en")}`],
    ["not finite on one side", pair.nonfinite.toLocaleString("en")],
    ["greatest error", `${number(pair.max_abs, 4)} at ${index}`],
    ["mean error", number(pair.mean_abs, 4)],
    ["greatest relative error", number(pair.max_rel, 4)],
    ["floor", `${number(pair.floor_reference_max_abs, 4)} reference, ${number(pair.floor_candidate_max_abs, 4)} candidate`],
    ["introduced", `${number(pair.introduced_max_abs, 4)}, ${multiple(pair.introduced_multiple)} the floor`],
    ["paired by", `${pair.paired_by}, confidence ${number(pair.confidence)}`],
    ["verdict", pair.reason ? `${pair.said}: ${pair.reason}` : pair.said],
  ];
  const list = facts.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]);
  inspector.replaceChildren(element("dl", { class: "facts" }, ...list));
  inspector.hidden = false;
};

const calm = matchMedia("(prefers-reduced-motion: reduce)");
const scrollTo = (node, block) => {
  node.scrollIntoView({ behavior: calm.matches ? "auto" : "smooth", block });
};

// Without scripts a name is a name; with them it leads somewhere.
const becomeLink = (name, title, click) => {
  const attributes = { type: "button", class: "link", title, on: { click } };
  name.replaceChildren(element("button", attributes, name.textContent));
};

const pairsHost = document.querySelector("#pairs .table");
if (pairsHost) {
  const table = new Table(pairsHost, {
    columns: COLUMNS,
    rows: pairs,
    name: "pairs",
    choices: [
      { label: "verdict", value: (pair) => pair.said },
      { label: "stage", value: (pair) => pair.stage },
    ],
    select: inspect,
  });
  pairsHost.append(inspector);
  const open = (pair) => {
    table.reveal(pair);
    scrollTo(document.getElementById("pairs"), "start");
  };
  const chart = new Chart(document.getElementById("chart"), {
    axis: data.axis,
    open,
    points: pairs.map((pair) => ({
      label: pair.reference,
      candidate: pair.candidate,
      stage: pair.stage,
      observed: pair.max_abs,
      introduced: pair.introduced_max_abs,
      floor: pair.floor_reference_max_abs,
      verdict: pair.verdict,
      culprit: pair.culprit,
      row: pair,
    })),
  });
  for (const name of document.querySelectorAll("[data-pair]")) {
    becomeLink(name, "Show this pair in the table", () => open(pairs[Number(name.dataset.pair)]));
  }
  for (const name of document.querySelectorAll("[data-stage]")) {
    becomeLink(name, "Show this stage in the chart and in the table", () => {
      chart.showStage(name.dataset.stage);
      table.choose("stage", name.dataset.stage);
      scrollTo(document.getElementById("growth"), "start");
    });
  }
}

const unpairedHost = document.querySelector("#unpaired .table");
if (unpairedHost) {
  const rows = data.unpaired.map(([side, site, reason]) => ({
    side, site, reason, text: `${side} ${site} ${reason}`.toLowerCase(),
  }));
  new Table(unpairedHost, {
    columns: [
      text("side", "side", 100),
      text("site", "site", 420, { cell: code("site") }),
      text("reason", "reason", 520, { grows: true }),
    ],
    rows,
    name: "unpaired sites",
    choices: [{ label: "side", value: (row) => row.side }],
  });
}

window.addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("details")) folded.open = true;
});

// What a test reads: everything above ran, and how long it took from the start of the page.
document.documentElement.dataset.ready = String(Math.round(performance.now()));
