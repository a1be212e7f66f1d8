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

  const layoutOf = (figure, element, color) => {
    const narrow = element.clientWidth < 560;
    const axis = { gridcolor: color("@line"), zerolinecolor: color("@line"), linecolor: color("@line"), tickcolor: color("@line"), automargin: true };
    const layout = {
      height: figure.height, autosize: true, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      colorway: ["accent", "amber", "teal", "violet", "up", "down", "bench"].map((name) => color("@" + name)),
      font: { family: getComputedStyle(document.body).fontFamily, size: narrow ? 11 : 12, color: color("@muted") },
      margin: { l: 8, r: 8, t: 30, b: 8 }, hovermode: "x", dragmode: narrow ? false : "zoom",
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

  const draw = (figure, element) => {
    const color = colors();
    const config = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d"], displayModeBar: false, scrollZoom: false };
    return Plotly.react(element, painted(figure.data, color, ""), layoutOf(figure, element, color), config).then(() => {
      if (figure.scale_switch && !element.querySelector(".switch")) addSwitch(figure, element);
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
