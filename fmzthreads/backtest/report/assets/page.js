"use strict";
(() => {
  const doc = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const state = { failed: 0, drawn: 0 };
  const tell = (ready) => Object.assign(root.dataset, { drawn: state.drawn, failed: state.failed, ready });

  // The theme: what the system asks for, until the button says otherwise.
  const button = document.getElementById("theme");
  const setTheme = (dark) => {
    root.classList.toggle("dark", dark);
    button.textContent = dark ? "Light" : "Dark";
  };
  setTheme(matchMedia("(prefers-color-scheme: dark)").matches);
  button.addEventListener("click", () => {
    setTheme(!root.classList.contains("dark"));
    drawAll();
  });

  const drawAll = () => {
    if (typeof Plotly === "undefined") {
      tell("yes");
      return;
    }
    state.drawn = 0;
    root.dataset.seen = "no";
    tell("no");
    // What is on the screen comes first: the page can be read while the rest is drawn.
    const isSeen = (figure) => {
      const place = document.getElementById("figure-" + figure.key).getBoundingClientRect();
      return place.bottom > 0 && place.top < window.innerHeight;
    };
    const seen = doc.figures.filter(isSeen);
    const queue = [...seen, ...doc.figures.filter((figure) => !seen.includes(figure))];
    const begun = queue.length;
    const next = () => {
      if (begun - queue.length >= seen.length) root.dataset.seen = "yes";
      const figure = queue.shift();
      if (!figure) {
        tell("yes");
        return;
      }
      Promise.resolve().then(() => window.fmzFigures.draw(figure, document.getElementById("figure-" + figure.key))).then(() => { state.drawn += 1; }, (error) => {
        state.failed += 1;
        console.error(figure.key, error);
        document.getElementById("figure-" + figure.key).textContent = "This chart cannot be drawn.";
      }).then(() => setTimeout(next, 0));
    };
    next();
  };

  // The log: rows are made of text nodes only.
  const view = document.getElementById("log-view");
  const showLog = () => {
    const log = doc.log, page = 300;
    const counts = log.kinds.map((_, kind) => log.rows.filter((row) => row[1] === kind).length);
    const shown = new Set(counts.flatMap((count, kind) => (count ? [kind] : [])));
    let word = "", limit = page;
    const make = (tag, name, text) => {
      const one = document.createElement(tag);
      if (name) one.className = name;
      if (text !== undefined) one.textContent = text;
      return one;
    };
    const digits = (number) => String(Number(Number(number).toPrecision(10)));
    const filters = make("div", "filters");
    log.kinds.forEach((name, kind) => {
      if (!counts[kind]) return;
      const label = make("label"), box = make("input");
      box.type = "checkbox";
      box.checked = true;
      box.addEventListener("change", () => {
        if (box.checked) shown.add(kind);
        else shown.delete(kind);
        fill();
      });
      label.append(box, name + " " + counts[kind]);
      filters.append(label);
    });
    const search = make("input");
    search.type = "search";
    search.placeholder = "Search";
    search.setAttribute("aria-label", "Search the log");
    search.addEventListener("input", () => {
      word = search.value.toLowerCase();
      limit = page;
      fill();
    });
    filters.append(search);
    const scroll = make("div", "scroll tall"), table = make("table", "log"), head = make("tr"), body = make("tbody");
    for (const name of ["Time (UTC)", "Kind", "Exchange", "Symbol", "Price", "Amount", "Text"]) head.append(make("th", name === "Price" || name === "Amount" ? "number" : "", name));
    const top = make("thead");
    top.append(head);
    table.append(top, body);
    scroll.append(table);
    const note = make("p", "note"), more = make("button", "", "Show more");
    more.type = "button";
    more.addEventListener("click", () => {
      limit += page;
      fill();
    });
    const fill = () => {
      const found = log.rows.filter((row) => shown.has(row[1]) && (!word || (row[6] + " " + row[7] + " " + row[8] + " " + row[2]).toLowerCase().includes(word)));
      body.replaceChildren();
      for (const [time, kind, exchange, order, price, amount, text, symbol, direction, color] of found.slice(-limit).reverse()) {
        const row = make("tr"), badge = make("td");
        badge.append(make("span", "kind kind-" + Number(kind), log.kinds[kind] || String(kind)));
        const words = make("td", "text", text);
        if (color) words.style.color = color;
        const placed = kind < 2;
        row.append(
          make("td", "", new Date(time).toISOString().slice(0, 19).replace("T", " ")), badge, make("td", "", exchange),
          make("td", "", direction ? symbol + " " + direction : symbol),
          make("td", "number", placed ? (price === 0 ? "market" : digits(price)) : kind === 4 ? digits(price) : ""),
          make("td", "number", placed ? digits(amount) : kind === 2 ? "order " + order : ""), words);
        body.append(row);
      }
      note.textContent = Math.min(limit, found.length) + " of " + found.length + " matching rows, newest first; the log has " + log.total + ".";
      more.hidden = found.length <= limit;
    };
    view.append(filters, scroll, note, more);
    fill();
  };
  if (view) showLog();
  drawAll();
})();
