// Small plots as SVG: stacked bars, lines, a sparkline. Colours come from the style sheet's classes.

import { svg } from "./dom.js";
import * as format from "./format.js";

const WIDTH = 480;
const HEIGHT = 150;
const LEFT = 46;
const BOTTOM = 20;
const TOP = 8;

/** Round up to a small multiple of a power of ten: the top of an axis that reads well. */
const roundTop = (value) => {
  const power = 10 ** Math.floor(Math.log10(value || 1));
  return [1, 1.5, 2, 3, 5, 10].map((step) => step * power).find((top) => top >= value);
};

const frame = (label, slices, to, top, unit) => {
  const y = (value) => HEIGHT - BOTTOM - (Math.min(value, top) / top) * (HEIGHT - BOTTOM - TOP);
  const plot = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label, class: "plot" });
  for (const share of [0, 0.5, 1]) {
    const at = y(share * top);
    plot.append(
      svg("line", { x1: LEFT, x2: WIDTH, y1: at, y2: at, class: share ? "grid" : "axis" }),
      svg("text", { x: LEFT - 6, y: at + 3.5, "text-anchor": "end" }, unit(share * top)),
    );
  }
  const from = slices[0].at;
  for (const share of [0, 0.5, 1]) {
    const anchor = ["start", "middle", "end"][share * 2];
    const at = LEFT + share * (WIDTH - LEFT);
    plot.append(
      svg("text", { x: at, y: HEIGHT - 5, "text-anchor": anchor }, format.clock(from + share * (to - from), to - from < 600)),
    );
  }
  return { plot, y, step: (WIDTH - LEFT) / slices.length };
};

// One invisible column per slice carries the tooltip, so that it is found wherever the pointer is.
const tooltips = (plot, slices, step, describe) => {
  slices.forEach((slice, index) => {
    const area = { x: LEFT + index * step, y: 0, width: step, height: HEIGHT - BOTTOM, class: "hover" };
    plot.append(svg("rect", area, svg("title", {}, `${format.clock(slice.at)}\n${describe(slice)}`)));
  });
};

/** Finished runs, retries and failures, stacked. */
export const runsPlot = ({ slices, to }) => {
  const parts = [
    ["good", (slice) => slice.count - slice.failures],
    ["retry", (slice) => slice.retries],
    ["bad", (slice) => slice.failures],
  ];
  const top = roundTop(Math.max(2, ...slices.map((slice) => slice.count + slice.retries)));
  const { plot, y, step } = frame("Finished, repeated and failed task runs over time", slices, to, top, format.count);
  slices.forEach((slice, index) => {
    let below = 0;
    for (const [name, height] of parts) {
      const value = height(slice);
      if (value > 0) {
        const bar = { x: LEFT + index * step + 0.5, width: Math.max(0.5, step - 1), class: `bar-${name}` };
        plot.append(svg("rect", { ...bar, y: y(below + value), height: y(below) - y(below + value) }));
        below += value;
      }
    }
  });
  tooltips(plot, slices, step, (slice) => `${slice.count} finished, ${slice.failures} failed, ${slice.retries} retried`);
  return plot;
};

/** p50, p95 and p99 of one of the times; a slice without runs leaves a gap. */
export const timesPlot = (label, { slices, to }, field) => {
  const times = slices.map((slice) => slice[field]);
  const top = roundTop(Math.max(1, ...times.map((time) => time.p99 ?? 0)));
  const { plot, y, step } = frame(label, slices, to, top, format.duration);
  for (const name of ["p99", "p95", "p50"]) {
    const points = times.map((time, index) => [LEFT + (index + 0.5) * step, time[name]]);
    plot.append(svg("path", { d: path(points, y), class: `line-${name}` }));
  }
  tooltips(plot, slices, step, (slice) => {
    const { p50, p95, p99 } = slice[field];
    return `p50 ${format.duration(p50)}, p95 ${format.duration(p95)}, p99 ${format.duration(p99)}`;
  });
  return plot;
};

/** The median run time of a row over the window; drawn through slices without runs, which a row has many of. */
export const sparkline = (values) => {
  const top = Math.max(...values.map((value) => value ?? 0), 0.001);
  const step = 96 / values.length;
  const y = (value) => 21 - (value / top) * 18;
  const points = values.map((value, index) => [(index + 0.5) * step, value]).filter(([, value]) => value !== null);
  const label = `Median run time over the window, at most ${format.duration(top)}`;
  return svg(
    "svg",
    { viewBox: "0 0 96 24", class: "spark", role: "img", "aria-label": label },
    svg("title", {}, label),
    svg("path", { d: path(points, y), class: "line-p50" }),
  );
};

/** Draw through the known points; one that stands alone becomes a dash, so that it can be seen. */
const path = (points, y) =>
  points
    .map(([x, value], index) => {
      if (value === null) return "";
      const before = index > 0 && points[index - 1][1] !== null;
      const after = index + 1 < points.length && points[index + 1][1] !== null;
      const place = `${x.toFixed(1)} ${y(value).toFixed(1)}`;
      return before ? `L${place}` : `M${place}${after ? "" : "h2"}`;
    })
    .join("");
