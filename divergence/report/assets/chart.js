// The error-growth chart: error by pair on a logarithmic scale. Hover, zoom, click to the row.

const HEIGHT = 340;
const EDGE = { left: 56, right: 12, top: 26, bottom: 46 };
const STEP = 0.7; // what is left of the view after one step of zooming in
const FEWEST = 4; // pairs that remain in view at the closest

class Chart {
  // points: [{label, candidate, stage, observed, introduced, floor, verdict, culprit, row}]
  constructor(host, { points, axis, open }) {
    Object.assign(this, { host, points, open });
    [this.low, this.high] = axis;
    this.view = [0, points.length - 1];
    this.cursor = null;
    this.runs = this.stageRuns();
    this.build();
    watchWidth(this.frame, () => this.draw());
  }

  build() {
    this.svg = drawn("svg", {
      class: "growth",
      tabindex: "0",
      role: "application",
      "aria-roledescription": "chart",
      "aria-label":
        "Error by pair. Left and right move between pairs, plus and minus zoom, " +
        "zero shows all, enter opens the row.",
    });
    this.tip = element("div", { class: "tip", role: "status", hidden: "" });
    this.frame = element("div", { class: "plot" }, this.svg, this.tip);
    const button = (text, label, click) =>
      element("button", { type: "button", "aria-label": label, title: label, on: { click } }, text);
    this.range = element("output", { class: "muted" });
    const keys = [
      ["observed", "observed error"],
      ["introduced", "introduced by the segment itself"],
      ["floor", "floor: the reference's own rounding"],
      ["culprit", "culprit"],
    ].map(([kind, text]) => element("span", { class: `key ${kind}` }, text));
    const bar = element(
      "div",
      { class: "toolbar" },
      element("div", { class: "keys" }, ...keys),
      this.range,
      button("+", "Zoom in", () => this.zoom(STEP)),
      button("−", "Zoom out", () => this.zoom(1 / STEP)),
      button("All", "Show all pairs", () => this.show(0, this.points.length - 1)),
    );
    this.host.append(bar, this.frame);
    this.listen();
  }

  listen() {
    const place = (event) => this.pairAt(event.clientX - this.svg.getBoundingClientRect().left);
    this.svg.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      this.drag = { from: event.clientX, to: event.clientX, pair: place(event) };
      this.svg.setPointerCapture(event.pointerId);
    });
    this.svg.addEventListener("pointermove", (event) => {
      if (this.drag) this.drag.to = event.clientX;
      this.point(place(event));
    });
    this.svg.addEventListener("pointerup", (event) => this.release(place(event)));
    this.svg.addEventListener("pointercancel", () => (this.drag = null));
    this.svg.addEventListener("pointerleave", () => this.point(null));
    this.svg.addEventListener("blur", () => this.point(null));
    this.svg.addEventListener("dblclick", () => this.show(0, this.points.length - 1));
    this.svg.addEventListener("keydown", (event) => this.key(event));
    // A plain wheel scrolls the page; with ctrl (or a pinch) it zooms, as maps do.
    this.svg.addEventListener(
      "wheel",
      (event) => {
        if (!event.ctrlKey && !event.metaKey) return;
        event.preventDefault();
        this.zoom(event.deltaY < 0 ? STEP : 1 / STEP, place(event));
      },
      { passive: false },
    );
  }

  // A drag zooms into what it spans; a click opens the row.
  release(pair) {
    const drag = this.drag;
    this.drag = null;
    if (!drag) return;
    if (Math.abs(drag.to - drag.from) < 6) this.open(this.points[pair].row);
    else this.show(Math.min(drag.pair, pair), Math.max(drag.pair, pair));
  }

  key(event) {
    const last = this.points.length - 1;
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (move) {
      const next = Math.min(last, Math.max(0, (this.cursor ?? this.view[0] - move) + move));
      if (next < this.view[0] || next > this.view[1]) this.pan(next);
      this.point(next);
    } else if (event.key === "+") this.zoom(STEP, this.cursor);
    else if (event.key === "-") this.zoom(1 / STEP, this.cursor);
    else if (event.key === "0") this.show(0, last);
    else if (event.key === "Enter" && this.cursor !== null) this.open(this.points[this.cursor].row);
    else return;
    event.preventDefault();
  }

  zoom(factor, around = null) {
    const [from, to] = this.view;
    const middle = around ?? (from + to) / 2;
    const share = to > from ? (middle - from) / (to - from) : 0.5;
    const span = Math.max(FEWEST, (to - from) * factor);
    this.show(Math.round(middle - span * share), Math.round(middle + span * (1 - share)));
  }

  pan(pair) {
    const span = this.view[1] - this.view[0];
    const from = pair < this.view[0] ? pair : pair - span;
    this.show(from, from + span);
  }

  show(from, to) {
    const last = this.points.length - 1;
    if (to - from < FEWEST) {
      const middle = (from + to) / 2;
      [from, to] = [Math.floor(middle - FEWEST / 2), Math.ceil(middle + FEWEST / 2)];
    }
    const span = Math.min(last, to - from);
    from = Math.min(Math.max(0, from), last - span);
    this.view = [from, from + span];
    this.draw();
  }

  showStage(name) {
    const members = this.points.flatMap((point, k) => (point.stage === name ? [k] : []));
    if (members.length) this.show(members[0], members[members.length - 1]);
  }

  x(pair) {
    const [from, to] = this.view;
    const inner = this.width - EDGE.left - EDGE.right;
    return EDGE.left + (to > from ? (pair - from) / (to - from) : 0.5) * inner;
  }

  // Zero stands at the foot of the axis, what is not finite at its top.
  y(value) {
    const inner = HEIGHT - EDGE.top - EDGE.bottom;
    if (!Number.isFinite(value)) return EDGE.top;
    const share = value > 0 ? (Math.log10(value) - this.low) / (this.high - this.low) : 0;
    return EDGE.top + inner * (1 - Math.min(1, Math.max(0, share)));
  }

  pairAt(x) {
    const [from, to] = this.view;
    const inner = this.width - EDGE.left - EDGE.right;
    const pair = Math.round(from + ((x - EDGE.left) / inner) * (to - from));
    return Math.min(to, Math.max(from, pair));
  }

  draw() {
    this.width = Math.max(320, this.frame.clientWidth);
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${HEIGHT}`);
    this.hover = drawn("g");
    this.svg.replaceChildren(
      this.stageBands(),
      this.grid(),
      drawn("path", { class: "floor", d: this.area("floor") }),
      drawn("path", { class: "introduced", d: this.line("introduced", true) }),
      drawn("path", { class: "observed", d: this.line("observed") }),
      this.dots(),
      this.marks(),
      this.hover,
    );
    const [from, to] = this.view;
    const whole = to - from + 1 >= this.points.length;
    const count = this.points.length.toLocaleString("en");
    this.range.textContent = whole ? "drag to zoom" : `pairs ${from + 1} to ${to + 1} of ${count}`;
    this.point(this.cursor);
  }

  stageRuns() {
    const runs = [];
    this.points.forEach((point, k) => {
      const run = runs[runs.length - 1];
      if (run && run.name === point.stage) run.to = k;
      else runs.push({ name: point.stage, from: k, to: k });
    });
    return runs;
  }

  stageBands() {
    const group = drawn("g", { class: "bands" });
    let free = -Infinity; // where the last name ends
    this.runs.forEach((run, k) => {
      const left = Math.max(EDGE.left, this.x(run.from - 0.5));
      const right = Math.min(this.width - EDGE.right, this.x(run.to + 0.5));
      if (right <= left) return;
      const size = { x: left, y: EDGE.top, width: right - left };
      size.height = HEIGHT - EDGE.top - EDGE.bottom;
      if (k % 2) group.append(drawn("rect", size));
      const name = run.name.length > 18 ? `${run.name.slice(0, 17)}…` : run.name;
      const half = name.length * 3.4;
      const middle = (left + right) / 2;
      if (middle - half < free || middle + half > this.width) return;
      free = middle + half + 8;
      group.append(drawn("text", { x: middle, y: HEIGHT - EDGE.bottom + 18 }, name));
    });
    const axis = { class: "title", x: this.width / 2, y: HEIGHT - 6 };
    group.append(drawn("text", axis, "pairs in the reference's execution order, by stage"));
    return group;
  }

  grid() {
    const group = drawn("g", { class: "grid" });
    const every = Math.ceil((this.high - this.low) / 10);
    for (let power = this.low; power <= this.high; power += every) {
      const y = this.y(10 ** power);
      group.append(
        drawn("line", { x1: EDGE.left, x2: this.width - EDGE.right, y1: y, y2: y }),
        drawn("text", { x: EDGE.left - 8, y: y + 4 }, scientific(10 ** power, 0)),
      );
    }
    const title = { class: "title", x: 0, y: 14 };
    group.append(drawn("text", title, "greatest absolute error"));
    return group;
  }

  // Runs of pairs that have this figure, as [x, top, foot]; where several pairs share a pixel
  // their greatest and least stand for all. sparse: pairs without it are passed over; otherwise
  // they part the line.
  columns(name, sparse = false) {
    const [from, to] = this.view;
    const runs = [[]];
    for (let k = Math.max(0, from - 1); k <= Math.min(this.points.length - 1, to + 1); k++) {
      const value = this.points[k][name];
      const run = runs[runs.length - 1];
      if (value === null || !Number.isFinite(value)) {
        if (run.length && !sparse) runs.push([]);
        continue;
      }
      const [x, y] = [this.x(k), this.y(value)];
      const last = run[run.length - 1];
      if (last && x - last[0] < 1) {
        last[1] = Math.min(last[1], y);
        last[2] = Math.max(last[2], y);
      } else run.push([x, y, y]);
    }
    return runs.filter((run) => run.length);
  }

  line(name, sparse) {
    const spot = ([x, top, foot]) =>
      top === foot ? `${x.toFixed(1)} ${top.toFixed(1)}`
        : `${x.toFixed(1)} ${top.toFixed(1)}L${x.toFixed(1)} ${foot.toFixed(1)}`;
    const path = (run) => `M${run.map(spot).join("L")}`;
    return this.columns(name, sparse).map(path).join("");
  }

  area(name) {
    const foot = this.y(0);
    return this.columns(name)
      .map((run) => {
        const top = run.map(([x, y]) => `L${x.toFixed(1)} ${y.toFixed(1)}`).join("");
        return `M${run[0][0].toFixed(1)} ${foot}${top}L${run[run.length - 1][0].toFixed(1)} ${foot}Z`;
      })
      .join("");
  }

  // Single pairs, once there is room to tell them apart.
  dots() {
    const group = drawn("g", { class: "dots" });
    const [from, to] = this.view;
    const roomy = (this.width - EDGE.left - EDGE.right) / (to - from + 1) > 7;
    for (let k = from; k <= to; k++) {
      const point = this.points[k];
      if (!Number.isFinite(point.observed) || point.verdict === "nonfinite") {
        group.append(drawn("path", { class: "nonfinite", d: this.triangle(k) }));
      } else if (roomy) {
        const place = { cx: this.x(k), cy: this.y(point.observed), r: 2.5 };
        group.append(drawn("circle", { class: point.verdict, ...place }));
      }
      if (roomy && point.introduced > 0) {
        const place = { cx: this.x(k), cy: this.y(point.introduced), r: 2 };
        group.append(drawn("circle", { class: "introduced", ...place }));
      }
    }
    return group;
  }

  triangle(pair) {
    const x = this.x(pair);
    return `M${x - 4} ${EDGE.top}L${x + 4} ${EDGE.top}L${x} ${EDGE.top - 7}Z`;
  }

  marks() {
    const group = drawn("g", { class: "marks" });
    this.points.forEach((point, k) => {
      if (point.culprit === null || k < this.view[0] || k > this.view[1]) return;
      const [x, y] = [this.x(k), this.y(point.observed)];
      const left = x < this.width / 2;
      const name = `${point.culprit.rank} ${point.culprit.title}`;
      const text = name.length > 40 ? `${name.slice(0, 39)}…` : name;
      const side = { x: x + (left ? 9 : -9), class: left ? "right" : "left" };
      group.append(
        drawn("line", { x1: x, x2: x, y1: EDGE.top, y2: HEIGHT - EDGE.bottom }),
        drawn("circle", { cx: x, cy: y, r: 5.5 }),
        drawn("text", { y: Math.max(y, EDGE.top + 12) + (left ? -8 : 18), ...side }, text),
      );
    });
    return group;
  }

  // Put the cursor on a pair and tell its figures; null takes it away.
  point(pair) {
    this.cursor = pair;
    this.tip.hidden = pair === null;
    this.hover.replaceChildren();
    if (pair === null || pair < this.view[0] || pair > this.view[1]) return;
    const point = this.points[pair];
    const x = this.x(pair);
    const ends = { y1: EDGE.top, y2: HEIGHT - EDGE.bottom };
    this.hover.append(drawn("line", { class: "cursor", x1: x, x2: x, ...ends }));
    for (const name of ["introduced", "observed"]) {
      if (point[name] === null) continue;
      this.hover.append(drawn("circle", { class: name, cx: x, cy: this.y(point[name]), r: 4 }));
    }
    if (this.drag && Math.abs(this.drag.to - this.drag.from) >= 6) {
      const start = this.x(this.drag.pair);
      const box = { x: Math.min(start, x), width: Math.abs(x - start), y: EDGE.top };
      const height = HEIGHT - EDGE.top - EDGE.bottom;
      this.hover.append(drawn("rect", { class: "drag", height, ...box }));
    }
    this.tell(point, x);
  }

  tell(point, x) {
    const line = (name, value) =>
      element("div", {}, element("span", {}, name), element("b", {}, value));
    this.tip.replaceChildren(
      element("code", {}, point.label),
      element("code", { class: "muted" }, point.candidate),
      line("observed", number(point.observed)),
      line("introduced", number(point.introduced)),
      line("floor", number(point.floor)),
      line("verdict", point.verdict.replace("_", " ")),
    );
    const scale = this.frame.clientWidth / this.width;
    const wide = this.tip.offsetWidth;
    const left = x * scale + 14 + wide > this.frame.clientWidth ? x * scale - wide - 14 : x * scale + 14;
    this.tip.style.left = `${Math.max(0, left)}px`;
  }
}
