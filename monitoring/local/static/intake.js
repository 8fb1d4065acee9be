// The totals at the top, and the lists that say what arrived, what was refused and what was lost.

import { html } from "./dom.js";
import * as format from "./format.js";

// Reasons of client reports that are somebody's choice; any other reason is a loss.
const CHOICES = new Set(["sample_rate", "before_send", "event_processor"]);

const sum = (values) => Object.values(values).reduce((total, value) => total + value, 0);
const pairs = (lost, chosen) =>
  Object.entries(lost)
    .filter(([reason]) => CHOICES.has(reason) === chosen)
    .flatMap(([reason, categories]) => Object.entries(categories).map(([category, quantity]) => [`${reason}: ${category}`, quantity]));

const figure = (label, value, note, tone) =>
  html("div", { class: tone ? `figure ${tone}` : "figure" }, html("p", {}, label), html("strong", {}, value), html("small", {}, note));

/** The totals of the window (`total` is a row of everything selected) and of all that was received. */
export const renderFigures = (container, stats, { total, from, to }) => {
  const lost = pairs(stats.lost, false);
  const rejected = Object.entries(stats.rejected);
  const missing = [...lost, ...rejected];
  const perMinute = total.count / Math.max(1, (to - from) / 60);
  container.replaceChildren(
    figure("Task runs", format.count(total.count), `${perMinute.toFixed(perMinute < 10 ? 1 : 0)} a minute`),
    figure("Failure rate", format.percent(total.failures, total.count), `${format.count(total.failures)} failed`, total.failures ? "bad" : ""),
    figure("Retries", format.count(total.retries), "attempts repeated", total.retries ? "warn" : ""),
    figure("Run time p95", format.duration(total.run_time_ms.p95), `p50 ${format.duration(total.run_time_ms.p50)}`),
    figure("Queue wait p95", format.duration(total.queue_wait_ms.p95), `p50 ${format.duration(total.queue_wait_ms.p50)}`),
    figure("Items received", format.count(sum(stats.received)), `${Object.keys(stats.received).length} types`),
    figure(
      "Lost or rejected",
      format.count(missing.reduce((all, [, quantity]) => all + quantity, 0)),
      missing.length ? missing.map(([reason]) => reason).join(", ") : "nothing",
      missing.length ? "bad" : "",
    ),
  );
};

const block = (title, entries, tone, nothing) =>
  html(
    "div",
    { class: entries.length && tone ? tone : null },
    html("h3", {}, title),
    entries.length
      ? html("dl", {}, ...entries.map(([name, quantity]) => html("div", {}, html("dt", {}, name), html("dd", {}, format.count(quantity)))))
      : html("p", { class: "quiet" }, nothing),
  );

/** Everything that is counted. */
export const renderIntake = (container, stats) => {
  container.replaceChildren(
    block("Received", Object.entries(stats.received), "", "nothing"),
    block("Lost by senders", pairs(stats.lost, false), "bad", "nothing"),
    block("Rejected here", Object.entries(stats.rejected), "bad", "nothing"),
    block("Left out on purpose", [...pairs(stats.lost, true), ...Object.entries(stats.suppressed)], "", "nothing"),
    block("Pruned (oldest)", Object.entries(stats.pruned), "warn", "nothing"),
    ...(stats.storage_error ? [html("p", { class: "bad" }, `Storage: ${stats.storage_error}`)] : []),
  );
};
