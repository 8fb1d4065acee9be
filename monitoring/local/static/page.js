// The page's state lives in the address (it survives a reload, and can be shared); every two seconds it is asked anew,
// less often when the answer takes long: looking must not keep the local Sentry from receiving.

import { byId, html } from "./dom.js";
import { renderFailures } from "./failures.js";
import { renderFigures, renderIntake } from "./intake.js";
import { runsPlot, timesPlot } from "./plots.js";
import { DIMENSIONS, isSortable, renderTable } from "./table.js";

const REFRESH_MS = 2000;
const REST_FOR_EACH_MS_OF_WORK = 4;
const NAMES = Object.keys(DIMENSIONS);

const readState = () => {
  const given = new URLSearchParams(location.hash.slice(1));
  const by = (given.get("by") ?? NAMES.join(",")).split(",").filter((name) => NAMES.includes(name));
  return {
    since: given.get("since") ?? "3600",
    level: given.get("level") ?? "fatal,error",
    by: by.length ? by : NAMES,
    sort: isSortable(given.get("sort")) ? given.get("sort") : "count",
    descending: given.get("order") !== "asc",
    search: given.get("search") ?? "",
    where: Object.fromEntries(NAMES.filter((name) => given.has(name)).map((name) => [name, given.get(name)])),
  };
};

const state = readState();
let paused = false;
let last = {};

const writeState = () => {
  const { since, level, by, sort, descending, search, where } = state;
  const known = { since, level, by: by.join(","), sort, order: descending ? "desc" : "asc", ...(search && { search }), ...where };
  history.replaceState(null, "", `#${new URLSearchParams(known)}`);
};

const query = (more) => new URLSearchParams({ ...(state.since && { since: state.since }), ...state.where, ...more });

const ask = async (path) => {
  const answer = await fetch(path); // the browser revalidates by ETag, as the answers say no-cache
  if (!answer.ok) throw new Error(`${path.split("?")[0]}: ${(await answer.json()).detail}`);
  return answer.json();
};

const say = (text, tone) => {
  byId("state").textContent = text;
  byId("state").className = `state ${tone}`;
};

const refresh = async () => {
  try {
    const [stats, timeline, { failures }] = await Promise.all([
      ask(`/stats.json?${query({ by: state.by.join(",") })}`),
      ask(`/timeline.json?${query({ slices: 60 })}`),
      ask(`/failures.json?limit=25&level=${state.level}`),
    ]);
    last = { stats, timeline, failures };
    render();
    say(paused ? "paused" : "live", paused ? "warn" : "good");
  } catch (error) {
    say(error instanceof TypeError ? "the local Sentry does not answer" : error.message, "bad");
  }
};

const render = () => {
  const { stats, timeline, failures } = last;
  const silent = !Object.keys(stats.received).length && !Object.keys(stats.rejected).length;
  byId("empty").hidden = !silent;
  byId("content").hidden = silent;
  renderFigures(byId("figures"), stats, timeline);
  byId("plot-runs").replaceChildren(runsPlot(timeline));
  byId("plot-run-time").replaceChildren(timesPlot("Percentiles of the run time over time", timeline, "run_time_ms"));
  byId("plot-queue-wait").replaceChildren(timesPlot("Percentiles of the queue wait over time", timeline, "queue_wait_ms"));
  renderChoices(timeline.dimensions);
  renderRows();
  renderFailures(byId("failures"), failures);
  renderIntake(byId("intake"), stats);
};

const renderRows = () => {
  byId("row-count").textContent = renderTable(byId("performance"), last.stats.rows, state, (key) => {
    state.descending = key === state.sort ? !state.descending : !(key in DIMENSIONS);
    state.sort = key;
    writeState();
    renderRows();
  });
};

// A dropdown is rebuilt only when its values change: rebuilding closes one that is open.
const renderChoices = (dimensions) => {
  for (const name of NAMES) {
    const select = byId(`where-${name}`);
    const chosen = state.where[name] ?? "";
    const values = [...new Set([...dimensions[name], ...(chosen ? [chosen] : [])])].sort();
    if (select.dataset.values === JSON.stringify(values)) continue;
    select.dataset.values = JSON.stringify(values);
    const options = values.map((value) => html("option", { value }, value));
    select.replaceChildren(html("option", { value: "" }, `Any ${DIMENSIONS[name].toLowerCase()}`), ...options);
    select.value = chosen;
  }
};

const change = (act) => (event) => {
  act(event.target);
  writeState();
  refresh();
};

const legend = (id, names) => byId(id).append(...names.map(([name, label]) => html("span", { class: `key-${name}` }, label)));

const build = () => {
  const dsn = `${location.protocol}//local@${location.host}/1`;
  byId("dsn").querySelector("code").textContent = dsn;
  byId("dsn").addEventListener("click", async () => {
    await navigator.clipboard?.writeText(dsn);
    byId("dsn").classList.add("copied");
    setTimeout(() => byId("dsn").classList.remove("copied"), 1200);
  });
  byId("hint").textContent = `export SENTRY_DSN=${dsn}\ncelery -A worker start`;
  for (const [name, label] of Object.entries(DIMENSIONS)) {
    const box = html("input", { type: "checkbox", id: `by-${name}`, checked: state.by.includes(name) });
    box.addEventListener("change", change(() => {
      const chosen = NAMES.filter((each) => byId(`by-${each}`).checked);
      state.by = chosen.length ? chosen : [name]; // there is no table by nothing
      byId(`by-${name}`).checked ||= !chosen.length;
      if (name === state.sort && !state.by.includes(name)) Object.assign(state, { sort: "count", descending: true });
    }));
    byId("by").append(html("label", {}, box, html("span", {}, label)));
    const select = html("select", { id: `where-${name}`, "aria-label": `Only this ${label.toLowerCase()}` });
    select.addEventListener("change", change(({ value }) => (value ? (state.where[name] = value) : delete state.where[name])));
    byId("filters").append(select);
  }
  for (const name of ["since", "level"]) {
    byId(name).value = state[name];
    byId(name).addEventListener("change", change(({ value }) => (state[name] = value)));
  }
  byId("search").value = state.search;
  byId("search").addEventListener("input", ({ target }) => {
    state.search = target.value;
    writeState();
    if (last.stats) renderRows();
  });
  byId("pause").addEventListener("click", () => {
    paused = !paused;
    byId("pause").textContent = paused ? "Resume" : "Pause";
    byId("pause").setAttribute("aria-pressed", String(paused));
    if (paused) say("paused", "warn");
    else refresh();
  });
  legend("legend-runs", [["good", "succeeded"], ["retry", "retried"], ["bad", "failed"]]);
  for (const id of ["legend-run-time", "legend-queue-wait"]) legend(id, ["p50", "p95", "p99"].map((name) => [name, name]));
};

const live = async () => {
  const began = performance.now();
  if (!paused && !document.hidden) await refresh();
  setTimeout(live, Math.max(REFRESH_MS, REST_FOR_EACH_MS_OF_WORK * (performance.now() - began)));
};

build();
live();
