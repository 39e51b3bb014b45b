// A table of any length: only the rows in sight are in the page. Sorts, filters, selects.

const ROW = 28; // height of a row in pixels; page.css has the same
const SPARE = 12; // rows kept ready above and below what is seen
const PRINTED = 500; // rows that go onto paper

class Table {
  // columns: [{title, hint, value(row), text(row), numeric, width, cell(row)}]
  // choices: [{label, value(row)}], each a filter by one exact value.
  constructor(host, { columns, rows, choices = [], name, select = () => {} }) {
    Object.assign(this, { host, columns, rows, choices, name, select });
    this.sorted = { column: null, descending: false };
    this.chosen = null;
    this.build();
    this.apply();
    watchWidth(this.frame, () => this.draw());
    window.addEventListener("beforeprint", () => this.draw(PRINTED));
    window.addEventListener("afterprint", () => this.draw());
  }

  build() {
    this.search = element("input", {
      type: "search",
      placeholder: `Filter ${this.name}`,
      "aria-label": `Filter ${this.name} by text`,
      on: { input: () => this.apply() },
    });
    this.selects = this.choices.map((choice) => this.dropdown(choice));
    this.count = element("output", { class: "muted", "aria-live": "polite" });
    this.headers = this.columns.map((column) => this.header(column));
    const widths = this.columns.map((column) => element("col"));
    // A column that grows takes what the others leave.
    widths.forEach((col, k) => {
      if (!this.columns[k].grows) col.style.width = `${this.columns[k].width}px`;
    });
    this.body = element("tbody");
    this.table = element(
      "table",
      { class: "long", "aria-label": this.name },
      element("colgroup", {}, ...widths),
      element("thead", {}, element("tr", {}, ...this.headers)),
      this.body,
    );
    this.table.style.minWidth = `${this.columns.reduce((sum, c) => sum + c.width, 0)}px`;
    this.frame = element(
      "div",
      {
        class: "frame",
        tabindex: "0",
        role: "region",
        "aria-label": `${this.name}, scrolls`,
        on: { scroll: () => this.draw(), keydown: (event) => this.key(event) },
      },
      this.table,
    );
    const bar = element("div", { class: "toolbar" }, this.search, ...this.selects, this.count);
    this.host.append(bar, this.frame);
  }

  dropdown({ label, value }) {
    const counts = new Map();
    for (const row of this.rows) counts.set(value(row), (counts.get(value(row)) || 0) + 1);
    const options = [...counts].map(([text, count]) =>
      element("option", { value: text }, `${text} (${count.toLocaleString("en")})`),
    );
    const first = element("option", { value: "" }, `any ${label}`);
    const attributes = { "aria-label": `Filter by ${label}`, on: { change: () => this.apply() } };
    return element("select", attributes, first, ...options);
  }

  header(column) {
    const attributes = { type: "button", title: column.hint ?? null };
    attributes.on = { click: () => this.sort(column) };
    const side = column.numeric ? "num" : "";
    return element("th", { scope: "col", class: side }, element("button", attributes, column.title));
  }

  sort(column) {
    const again = this.sorted.column === column;
    // Figures are sought from the greatest, names from the first.
    const descending = again ? !this.sorted.descending : Boolean(column.numeric);
    this.sorted = { column, descending };
    this.columns.forEach((one, k) => {
      if (one === column) {
        this.headers[k].setAttribute("aria-sort", descending ? "descending" : "ascending");
      } else this.headers[k].removeAttribute("aria-sort");
    });
    this.apply();
  }

  // Show only rows whose choice of this label has this value ("" for all).
  choose(label, value) {
    const place = this.choices.findIndex((choice) => choice.label === label);
    this.selects[place].value = value;
    this.apply();
  }

  apply() {
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = this.selects.map((select) => select.value);
    this.seen = this.rows.filter(
      (row) =>
        wanted.every((value, k) => value === "" || this.choices[k].value(row) === value) &&
        words.every((word) => row.text.includes(word)),
    );
    if (this.sorted.column) this.order();
    const all = this.rows.length.toLocaleString("en");
    const some = this.seen.length.toLocaleString("en");
    this.count.textContent = this.seen.length === this.rows.length ? all : `${some} of ${all}`;
    this.table.setAttribute("aria-rowcount", this.seen.length + 1);
    this.frame.scrollTop = 0;
    this.draw();
  }

  order() {
    const { column, descending } = this.sorted;
    const sign = descending ? -1 : 1;
    const rank = (value) => (Number.isNaN(value) ? Infinity : value); // NaN is the worst
    this.seen.sort((one, other) => {
      const [a, b] = [column.value(one), column.value(other)];
      if (a === null || b === null) return (a === null) - (b === null); // absent is last
      const [x, y] = column.numeric ? [rank(a), rank(b)] : [a, b];
      return x < y ? -sign : x > y ? sign : 0;
    });
  }

  draw(all = 0) {
    const height = this.frame.clientHeight || 600;
    const first = all ? 0 : Math.max(0, Math.floor(this.frame.scrollTop / ROW) - SPARE);
    const shown = all || Math.ceil(height / ROW) + 2 * SPARE;
    const last = Math.min(this.seen.length, first + shown);
    const rows = this.seen.slice(first, last).map((row, k) => this.row(row, first + k));
    const rest = all ? 0 : this.seen.length - last;
    this.body.replaceChildren(this.space(first), ...rows, this.space(rest));
  }

  space(rows) {
    const row = element("tr", { "aria-hidden": "true", class: "space" });
    row.style.height = `${rows * ROW}px`;
    return row;
  }

  row(row, place) {
    const cells = this.columns.map((column) => {
      const content = column.cell ? column.cell(row) : column.text(row);
      const title = column.numeric ? null : column.text(row);
      return element("td", { class: column.numeric ? "num" : "", title }, content);
    });
    return element(
      "tr",
      {
        "aria-rowindex": place + 2,
        "aria-selected": row === this.chosen,
        class: row.mark ?? "",
        on: { click: () => this.pick(row) },
      },
      ...cells,
    );
  }

  pick(row) {
    this.chosen = row;
    this.draw();
    this.select(row);
  }

  // Bring a row into sight; filters that hide it are taken off.
  reveal(row) {
    if (!this.seen.includes(row)) {
      this.search.value = "";
      for (const select of this.selects) select.value = "";
      this.apply();
    }
    const middle = this.seen.indexOf(row) * ROW - this.frame.clientHeight / 2;
    this.frame.scrollTop = Math.max(0, middle);
    this.pick(row);
  }

  key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || !this.seen.length || event.target !== this.frame) return;
    event.preventDefault();
    const at = this.seen.indexOf(this.chosen) + step;
    this.reveal(this.seen[Math.min(this.seen.length - 1, Math.max(0, at))]);
  }
}
