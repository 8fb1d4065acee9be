// The performance table: sorted and searched here, grouped and filtered by the server (percentiles do not add up).

import { html } from "./dom.js";
import * as format from "./format.js";
import { sparkline } from "./plots.js";

export const DIMENSIONS = { task: "Task", bot_id: "Bot", exchange: "Exchange", symbol: "Symbol" };
const MAX_ROWS = 500;

const time = (field, p) => ({ key: `${field}.${p}`, label: p, value: (row) => row[field][p], text: format.duration });
const COLUMNS = [
  ...Object.entries(DIMENSIONS).map(([key, label]) => ({ key, label, value: (row) => row[key] })),
  { key: "count", label: "Runs", value: (row) => row.count, text: format.count },
  { key: "failures", label: "Failures", value: (row) => row.failures, text: format.count },
  { key: "rate", label: "Failed", value: (row) => (row.count ? row.failures / row.count : null) },
  { key: "retries", label: "Retries", value: (row) => row.retries, text: format.count },
  ...["p50", "p95", "p99"].map((p) => time("run_time_ms", p)),
  ...["p50", "p95", "p99"].map((p) => time("queue_wait_ms", p)),
];

export const isSortable = (key) => COLUMNS.some((column) => column.key === key);

const sorted = (rows, { sort, descending }) => {
  const { value } = COLUMNS.find((column) => column.key === sort);
  const known = rows.filter((row) => value(row) !== null);
  known.sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    return (x < y ? -1 : x > y ? 1 : 0) * (descending ? -1 : 1);
  });
  return [...known, ...rows.filter((row) => value(row) === null)];
};

const matches = (row, words) => {
  const text = Object.keys(DIMENSIONS).map((name) => row[name] ?? "").join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
};

const heading = (column, onSort) => {
  const button = html("button", { type: "button", "data-sort": column.key, onclick: () => onSort(column.key) }, column.label);
  return html("th", { scope: "col", class: column.text || column.key === "rate" ? "number" : null }, button);
};

const head = (columns, onSort) => {
  const groups = columns.map((column) => column.key.split(".")[0]);
  const first = columns.filter((column) => !column.key.includes("."));
  return html(
    "thead",
    {},
    html(
      "tr",
      { class: "groups" },
      html("td", { colspan: first.length }),
      ...[["run_time_ms", "Run time"], ["queue_wait_ms", "Queue wait"]].map(([key, label]) =>
        html("th", { scope: "colgroup", colspan: groups.filter((group) => group === key).length }, label),
      ),
      html("td"),
    ),
    html("tr", {}, ...columns.map((column) => heading(column, onSort)), html("th", { scope: "col", title: "Median run time over the window" }, "Trend")),
  );
};

// A heading is kept from one refresh to the next: a button that is replaced while it is held down is not clicked on, and has
// no keyboard focus any more.
const renderHead = (table, columns, { sort, descending }, onSort) => {
  const keys = columns.map((column) => column.key).join();
  if (table.dataset.columns !== keys) {
    table.dataset.columns = keys;
    table.tHead?.remove();
    table.prepend(head(columns, onSort));
  }
  for (const button of table.tHead.querySelectorAll("[data-sort]")) {
    const order = button.dataset.sort === sort ? (descending ? "descending" : "ascending") : "none";
    button.closest("th").setAttribute("aria-sort", order);
  }
};

const cell = (column, row) => {
  const value = column.value(row);
  if (column.key === "task") {
    const name = value === null ? "(no task name)" : format.taskName(value);
    return html("th", { scope: "row", title: value ?? "" }, name);
  }
  if (column.key === "rate") {
    return html("td", { class: row.failures ? "number bad" : "number quiet" }, format.percent(row.failures, row.count));
  }
  if (column.text) {
    const tone = { failures: "bad", retries: "warn" }[column.key];
    const name = value === 0 ? "number quiet" : tone ? `number ${tone}` : "number";
    return html("td", { class: name }, column.text(value));
  }
  return html("td", { class: value === null ? "quiet" : null }, value ?? "–");
};

/** Fill the table, and return the sentence that says how much of it is shown. */
export const renderTable = (table, rows, state, onSort) => {
  const columns = COLUMNS.filter((column) => !(column.key in DIMENSIONS) || state.by.includes(column.key));
  const words = state.search.toLowerCase().split(/\s+/).filter(Boolean);
  const found = sorted(rows.filter((row) => matches(row, words)), state);
  const shown = found.slice(0, MAX_ROWS);
  const body = shown.map((row) =>
    html("tr", {}, ...columns.map((column) => cell(column, row)), html("td", {}, sparkline(row.trend))),
  );
  renderHead(table, columns, state, onSort);
  table.tBodies[0]?.remove();
  table.append(html("tbody", {}, ...body));
  if (!found.length) return rows.length ? "No row matches the filter." : "No task runs in this window.";
  return found.length > MAX_ROWS ? `The first ${MAX_ROWS} of ${found.length} rows.` : `${found.length} row${found.length > 1 ? "s" : ""}.`;
};
