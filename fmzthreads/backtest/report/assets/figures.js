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

  // Of many marks plotly draws one, and one element shows it at the places of all: an element each would be styled and laid out by the
  // browser one by one, which takes seconds for thousands. What hovering and the legend do is plotly's, as with all marks.
  const MANY_MARKS = 150;
  const PER_POINT = ["x", "y", "text"];
  const isDense = (trace) => trace.mode === "markers" && trace.x.length > MANY_MARKS && typeof trace.x[0] === "number"
    && !Object.values(trace.marker || {}).some(Array.isArray)
    && Object.entries(trace).every(([name, value]) => !Array.isArray(value) || PER_POINT.includes(name));

  const axisOf = (trace, letter, layout) => layout[(trace[letter + "axis"] || letter).replace(letter, letter + "axis")];
  const HALF_PX = 2, MARK_PX = 20;
  const pathOf = (trace, layout) => {
    const across = axisOf(trace, "x", layout), down = axisOf(trace, "y", layout), taken = new Set(), steps = [];
    const isSeen = (px, axis) => px > -MARK_PX && px < axis._length + MARK_PX;
    trace.x.forEach((time, place) => {
      if (trace.y[place] === null) return;
      const [x, y] = [across.c2p(time), down.c2p(trace.y[place])].map((px) => Math.round(px * HALF_PX) / HALF_PX);
      if (!isSeen(x, across) || !isSeen(y, down)) return;
      const step = x + "," + y; // of marks on the same half of a pixel, one is seen
      if (taken.has(step)) return;
      taken.add(step);
      steps.push(step);
    });
    return steps.length ? "M" + steps.join("L") : "";
  };
  const svg = (tag, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };
  const drawMarks = (figure, element) => {
    figure.data.forEach((trace, place) => {
      if (!isDense(trace)) return;
      const { uid } = element._fullData[place], id = `marks-${figure.key}-${uid}`;
      const points = element.querySelector(`.trace${uid} .points`); // none where the legend hides the trace
      const one = points && points.querySelector(".point");
      points?.querySelector(".marks")?.remove();
      if (!one) return; // none of them is in view
      const mark = svg("marker", { id, markerUnits: "userSpaceOnUse", overflow: "visible" }), group = svg("g", { class: "marks" });
      const shape = one.cloneNode();
      shape.removeAttribute("transform");
      shape.removeAttribute("class");
      mark.append(shape);
      const places = svg("path", { d: pathOf(trace, element._fullLayout) });
      Object.assign(places.style, { fill: "none", stroke: "none", pointerEvents: "none", marker: `url("#${id}")` });
      group.append(mark, places);
      points.append(group);
    });
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
    const data = painted(figure.data, color, "").map((trace) => (isDense(trace) ? { ...trace, marker: { ...trace.marker, maxdisplayed: 1 } } : trace));
    const isFirst = !element.classList.contains("js-plotly-plot");
    const layout = layoutOf(figure, element, color);
    element.style.height = layout.height + "px"; // the switch of a narrow chart needs more
    return Plotly.react(element, data, layout, config).then(() => {
      drawn.add(element);
      if (figure.scale_switch && !element.querySelector(".switch")) addSwitch(figure, element);
      if (!figure.data.some(isDense)) return;
      drawMarks(figure, element);
      if (!isFirst) return;
      for (const event of ["afterplot", "relayout", "restyle"]) element.on("plotly_" + event, () => drawMarks(figure, element));
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
