// The latest failures: one line each; opened, the whole story of the event.

import { html } from "./dom.js";
import * as format from "./format.js";

const CHIPS = ["bot_id", "exchange", "symbol", "task", "attempt", "outcome", "error_kind"];

/** Show the list. Open stories stay open and are not built again. */
export const renderFailures = (container, failures) => {
  const kept = new Map([...container.querySelectorAll("details")].map((node) => [node.dataset.id, node]));
  const nodes = failures.map((failure) => kept.get(String(failure.id)) ?? line(failure));
  for (const node of nodes) {
    const when = node.querySelector("time");
    when.textContent = format.ago(Number(when.dataset.at));
  }
  const changed = nodes.length !== container.childElementCount || nodes.some((node, i) => node !== container.children[i]);
  if (!nodes.length) container.replaceChildren(html("p", { class: "quiet" }, "None. Failed tasks appear here with all their attempts."));
  else if (changed) container.replaceChildren(...nodes);
};

const line = (failure) => {
  const at = format.seconds(failure.at) ?? failure.received_at;
  const chips = CHIPS.filter((name) => failure.tags[name]).map((name) => {
    const value = name === "task" ? format.taskName(failure.tags[name]) : failure.tags[name];
    return html("span", { class: "chip", title: `${name}: ${failure.tags[name]}` }, html("i", {}, name), ` ${value}`);
  });
  const level = ["fatal", "error", "warning", "info", "debug"].includes(failure.level) ? failure.level : "info";
  const story = html("div", { class: "story" });
  const details = html(
    "details",
    { "data-id": failure.id },
    html(
      "summary",
      {},
      html("span", { class: `level ${level}` }, failure.level),
      html("span", { class: "title" }, failure.title),
      html("time", { "data-at": at, title: format.moment(at) }),
      html("span", { class: "chips" }, ...chips),
    ),
    story,
  );
  details.addEventListener("toggle", () => details.open && !story.childElementCount && tell(story, failure));
  return details;
};

const tell = async (story, failure) => {
  story.replaceChildren(html("p", { class: "quiet" }, "Loading the event"));
  try {
    const answer = await fetch(`/events.json?id=${failure.id}`);
    const [event] = (await answer.json()).events;
    if (!event) throw new Error("it was pruned meanwhile");
    story.replaceChildren(...sections(event), raw(failure));
  } catch (error) {
    story.replaceChildren(); // so that opening it again asks again
    story.append(html("p", { class: "bad" }, `The event cannot be shown: ${error.message}`));
  }
};

const list = (section) => {
  const values = Array.isArray(section) ? section : section?.values;
  return Array.isArray(values) ? values.filter((value) => value && typeof value === "object") : [];
};

const sections = (event) => [
  attempts(list(event.contexts?.attempts?.records)),
  trail(list(event.breadcrumbs)),
  ...list(event.exception).reverse().map(exception),
  facts("Task", event.contexts?.celery),
  facts("Tags", Array.isArray(event.tags) ? Object.fromEntries(event.tags) : event.tags),
];

const part = (title, ...content) => html("section", {}, html("h3", {}, title), ...content);

const ATTEMPT_COLUMNS = {
  attempt: ["Attempt", format.anything],
  started_at: ["Started", (value) => (format.seconds(value) === null ? "–" : format.clock(format.seconds(value)))],
  worker: ["Worker", format.anything],
  pid: ["PID", format.anything],
  queue_wait_ms: ["Queue wait", (value) => (Number.isFinite(value) ? format.duration(value) : "–")],
  run_time_ms: ["Run time", (value) => (Number.isFinite(value) ? format.duration(value) : "–")],
  error_class: ["Error", format.anything],
  message: ["Message", format.anything],
  retry_delay_s: ["Next try after", (value) => (Number.isFinite(value) ? format.duration(value * 1000) : "–")],
};

const attempts = (records) => {
  if (!records.length) return null;
  const columns = Object.entries(ATTEMPT_COLUMNS);
  const cell = (value, key, text) =>
    html("td", { class: key === "message" ? "prose" : null }, value === null || value === undefined ? "–" : text(value));
  const row = (record) => html("tr", {}, ...columns.map(([key, [, text]]) => cell(record[key], key, text)));
  const head = html("tr", {}, ...columns.map(([, [label]]) => html("th", { scope: "col" }, label)));
  return part("Attempts", html("div", { class: "scroll" }, html("table", {}, html("thead", {}, head), html("tbody", {}, ...records.map(row)))));
};

const trail = (crumbs) => {
  if (!crumbs.length) return null;
  const row = (crumb, index) => {
    const { attempt, ...data } = crumb.data && typeof crumb.data === "object" ? crumb.data : {};
    const at = format.seconds(crumb.timestamp);
    const level = ["fatal", "error", "warning"].includes(crumb.level) ? crumb.level : "info";
    const pairs = Object.entries(data).flatMap(([key, value]) => [html("i", {}, key), ` ${format.anything(value)}  `]);
    return html(
      "tr",
      { class: `crumb ${level}${index && crumbs[index - 1].data?.attempt !== attempt ? " turn" : ""}` },
      html("td", {}, at === null ? "–" : format.clock(at)),
      html("td", {}, attempt === undefined ? "–" : format.anything(attempt)),
      html("td", {}, format.anything(crumb.category ?? "–")),
      html("td", { class: "message prose" }, format.anything(crumb.message ?? "")),
      html("td", { class: "data prose" }, ...pairs),
    );
  };
  const head = html("tr", {}, ...["Time", "Attempt", "Category", "Message", "Data"].map((label) => html("th", { scope: "col" }, label)));
  return part("Trail", html("div", { class: "scroll" }, html("table", { class: "trail" }, html("thead", {}, head), html("tbody", {}, ...crumbs.map(row)))));
};

const exception = (error) => {
  const frames = list(error.stacktrace?.frames && { values: error.stacktrace.frames }).reverse(); // newest call first
  const own = frames.filter((frame) => frame.in_app);
  const others = frames.filter((frame) => !frame.in_app);
  return part(
    `${error.type ?? "Error"}: ${error.value ?? ""}`,
    ...own.map(stackFrame),
    others.length ? html("details", { class: "others" }, html("summary", {}, `${others.length} frames of libraries`), ...others.map(stackFrame)) : null,
  );
};

const stackFrame = (frame) =>
  html(
    "div",
    { class: "frame" },
    html("p", {}, html("b", {}, format.anything(frame.function ?? "?")), ` in ${frame.filename ?? frame.module ?? "?"} line ${frame.lineno ?? "?"}`),
    frame.context_line ? html("pre", {}, html("code", {}, String(frame.context_line).trim())) : null,
  );

const facts = (title, values) => {
  const pairs = Object.entries(values && typeof values === "object" ? values : {}).filter(([, value]) => value !== null);
  if (!pairs.length) return null;
  return part(title, html("dl", {}, ...pairs.map(([key, value]) => html("div", {}, html("dt", {}, key), html("dd", {}, format.anything(value))))));
};

const raw = (failure) =>
  html("p", { class: "quiet" }, html("a", { href: `/events.json?id=${failure.id}`, target: "_blank", rel: "noopener" }, "The whole event as JSON"));
