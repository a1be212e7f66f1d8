"use strict";
// Draws a figure of data and layout, as the report and the platform make them, in the colours of the page's theme.
window.fmzFigures = (() => {
  const root = document.documentElement;

  // Colours "@name" are those of the theme; "@name-soft" and "@name-faint" let the ground through.
  const colors = () => {
    const style = getComputedStyle(root);
    return (name) => {
      const [base, weight] = name.slice(1).split("-");
      const value = style.getPropertyValue("--" + base).trim();
      return weight ? value + (weight === "soft" ? "40" : "22") : value;
    };
  };
  const painted = (value, color, key) => {
    if (Array.isArray(value)) {
      return value.length && (typeof value[0] === "number" || value[0] === null) ? value : value.map((one) => painted(one, color, key));
    }
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, painted(one, color, name)]));
    }
    const isColor = key === "color" || key === "fillcolor";
    return isColor && typeof value === "string" && value[0] === "@" ? color(value) : value;
  };

  // Where labels need more than their margin, plotly lays the whole chart out a second time. So margins are as large as labels need as a rule.
  const marginsOf = (figure, narrow) => {
    const shown = figure.data.filter((trace) => trace.showlegend !== false).length;
    return { l: narrow ? 58 : 72, r: 8, t: shown > 1 ? 38 : 30, b: 48 };
  };

  const layoutOf = (figure, element, color) => {
    const narrow = element.clientWidth < 560;
    const axis = { gridcolor: color("@line"), zerolinecolor: color("@line"), linecolor: color("@line"), tickcolor: color("@line"), automargin: true };
    const layout = {
      height: figure.height, autosize: true, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      colorway: ["accent", "amber", "teal", "violet", "up", "down", "bench"].map((name) => color("@" + name)),
      font: { family: getComputedStyle(document.body).fontFamily, size: narrow ? 11 : 12, color: color("@muted") },
      margin: marginsOf(figure, narrow), hovermode: "x", dragmode: narrow ? false : "zoom",
      hoverlabel: { bgcolor: color("@card"), bordercolor: color("@line"), font: { color: color("@ink") }, namelength: 40 },
      legend: { orientation: "h", traceorder: "normal", x: 0, y: 1, yanchor: "bottom", xanchor: "left", font: { color: color("@ink") } },
      ...painted(figure.layout, color, ""),
    };
    for (const name of Object.keys(layout)) {
      if (/^[xy]axis\d*$/.test(name)) layout[name] = { ...axis, ...layout[name] };
    }
    if (narrow) {
      for (const name of Object.keys(layout)) {
        if (/^yaxis\d*$/.test(name)) layout[name] = { ...layout[name], nticks: 5 };
        if (/^xaxis\d*$/.test(name)) layout[name] = { ...layout[name], nticks: 5 };
      }
    }
    if (narrow && figure.scale_switch) {
      // The legend takes two rows there: the switch stands above it.
      layout.margin = { ...layout.margin, t: layout.margin.t + 44 };
      layout.height += 44;
    }
    if (figure.log) layout.yaxis = { ...layout.yaxis, type: "log" };
    return layout;
  };

  // Of marks that cover one another one is drawn, and when the user zooms in, those of that part are chosen anew: each mark is an
  // element that the browser styles and lays out, so that thousands of them take seconds.
  const MANY_MARKS = 150, MARK_PX = 4;
  const PER_POINT = ["x", "y", "text"];
  const isDense = (trace) => trace.mode === "markers" && trace.x.length > MANY_MARKS && typeof trace.x[0] === "number"
    && !Object.values(trace.marker || {}).some(Array.isArray)
    && Object.entries(trace).every(([name, value]) => !Array.isArray(value) || PER_POINT.includes(name));

  const extent = (values) => values.reduce(([low, high], value) => (value === null ? [low, high] : [Math.min(low, value), Math.max(high, value)]), [Infinity, -Infinity]);
  const numberOf = (value) => (typeof value === "string" ? Date.parse(value.length > 10 ? value.replace(" ", "T") + "Z" : value) : value);
  const shownRange = (trace, letter, layout) => {
    const axis = layout[(trace[letter + "axis"] || letter).replace(letter, letter + "axis")];
    if (!axis || !axis.range || axis.autorange !== false || axis.type === "log") return extent(trace[letter]);
    const ends = axis.range.map(numberOf);
    return [Math.min(...ends), Math.max(...ends)];
  };
  const sparse = (trace, element, figure, layout) => {
    const [left, right] = shownRange(trace, "x", layout), [low, high] = shownRange(trace, "y", layout);
    const columns = element.clientWidth / MARK_PX / (right - left || 1), rows = figure.height / MARK_PX / (high - low || 1);
    const taken = new Set(), kept = [];
    trace.x.forEach((x, place) => {
      if (x < left || x > right) return;
      const cell = Math.floor((x - left) * columns) + ":" + Math.floor((trace.y[place] - low) * rows);
      if (taken.has(cell)) return;
      taken.add(cell);
      kept.push(place);
    });
    const arrays = PER_POINT.filter((name) => Array.isArray(trace[name]));
    return Object.fromEntries(arrays.map((name) => [name, kept.map((place) => trace[name][place])]));
  };
  const refine = (figure, element) => {
    const places = figure.data.flatMap((trace, place) => (isDense(trace) ? [place] : []));
    const many = places.map((place) => sparse(figure.data[place], element, figure, element.layout));
    Plotly.restyle(element, Object.fromEntries(PER_POINT.map((name) => [name, many.map((one) => one[name])])), places);
  };

  // All charts follow the window's width; one listener does it for all of them.
  const drawn = new Set();
  let resizing = false;
  addEventListener("resize", () => {
    if (resizing) return;
    resizing = true;
    requestAnimationFrame(() => {
      resizing = false;
      for (const element of drawn) {
        if (!element.isConnected || !element.classList.contains("js-plotly-plot")) drawn.delete(element);
        else if (element.clientWidth) Plotly.Plots.resize(element);
      }
    });
  });

  const draw = (figure, element) => {
    const color = colors();
    const config = { displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d"], displayModeBar: false, scrollZoom: false };
    const data = figure.data.map((trace) => (isDense(trace) ? { ...trace, ...sparse(trace, element, figure, {}) } : trace));
    const isFirst = !element.classList.contains("js-plotly-plot");
    const layout = layoutOf(figure, element, color);
    element.style.height = layout.height + "px"; // the switch of a narrow chart needs more
    return Plotly.react(element, painted(data, color, ""), layout, config).then(() => {
      drawn.add(element);
      if (figure.scale_switch && !element.querySelector(".switch")) addSwitch(figure, element);
      if (!isFirst || !figure.data.some(isDense)) return;
      element.on("plotly_relayout", (change) => {
        if (Object.keys(change).some((name) => /^[xy]axis\d*\.(range|autorange)/.test(name))) refine(figure, element);
      });
    });
  };

  const addSwitch = (figure, element) => {
    const box = document.createElement("div");
    box.className = "switch";
    const buttons = ["Linear", "Log"].map((text) => {
      const one = document.createElement("button");
      one.type = "button";
      one.textContent = text;
      one.addEventListener("click", () => {
        figure.log = text === "Log";
        mark();
        draw(figure, element);
      });
      box.append(one);
      return one;
    });
    const mark = () => buttons.forEach((one, place) => one.setAttribute("aria-pressed", String(Boolean(figure.log) === (place === 1))));
    mark();
    element.append(box);
  };

  return { draw };
})();
