"use strict";
(() => {
  const doc = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;

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

  // The charts: those on the screen first, then the others while the browser is idle, the nearest to the screen first. Between two
  // charts the browser paints and answers the user.
  const state = { round: 0, busy: false, running: 0, drawn: 0, failed: 0, waiting: new Set() };
  const placeOf = (figure) => document.getElementById("figure-" + figure.key);
  const tell = (more) => Object.assign(root.dataset, { drawn: state.drawn, failed: state.failed, ...more });
  const afterFrame = (then) => {
    if (document.hidden) setTimeout(then, 0);
    else requestAnimationFrame(() => setTimeout(then, 0));
  };
  const whenIdle = (then) => (window.requestIdleCallback ? requestIdleCallback(then, { timeout: 200 }) : afterFrame(then));

  const distance = (figure) => {
    const place = placeOf(figure).getBoundingClientRect();
    return Math.max(0, place.top - window.innerHeight, -place.bottom);
  };
  const nearest = () => {
    let found = null, least = Infinity;
    for (const figure of state.waiting) {
      const far = distance(figure);
      if (far < least) [found, least] = [figure, far];
    }
    return [found, least];
  };

  const draw = (figure) => {
    const round = state.round;
    state.waiting.delete(figure);
    state.running += 1;
    return new Promise((done) => done(window.fmzFigures.draw(figure, placeOf(figure)))).then(() => "drawn", (error) => {
      console.error(figure.key, error);
      placeOf(figure).textContent = "This chart cannot be drawn.";
      return "failed";
    }).then((end) => {
      state.running -= 1;
      if (round !== state.round) return; // it is drawn again, in the other theme
      state[end] += 1;
      tell({});
    });
  };

  const next = () => {
    const [figure, far] = nearest();
    if (far === 0) {
      draw(figure).then(() => afterFrame(next));
      return;
    }
    if (root.dataset.seen !== "yes") {
      performance.mark("seen");
      tell({ seen: "yes" });
    }
    if (figure) {
      whenIdle(() => {
        const [chosen] = nearest(); // the user may have scrolled, or printed
        (chosen ? draw(chosen) : Promise.resolve()).then(next); // the browser is idle again when it has painted, and answered the user
      });
      return;
    }
    if (state.running) { // printing draws many at once
      afterFrame(next);
      return;
    }
    state.busy = false;
    performance.mark("ready");
    tell({ ready: "yes" });
  };

  const drawAll = () => {
    const charts = typeof Plotly !== "undefined";
    Object.assign(state, { round: state.round + 1, drawn: 0, failed: 0, waiting: new Set(charts ? doc.figures : []) });
    tell({ seen: "no", ready: "no" });
    if (state.busy) return;
    state.busy = true;
    next();
  };
  addEventListener("beforeprint", () => [...state.waiting].forEach(draw));

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
    const scroll = make("div", log.rows.length > 30 ? "scroll tall long" : "scroll tall"), table = make("table", "log"), head = make("tr"), body = make("tbody");
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
      for (const [time, kind, exchange, order, price, amount, text, symbol, direction, color, pictures] of found.slice(-limit).reverse()) {
        const row = make("tr"), badge = make("td");
        badge.append(make("span", "kind kind-" + Number(kind), log.kinds[kind] || String(kind)));
        const words = make("td", "text", text);
        if (color) words.style.color = `color-mix(in srgb, ${color} 70%, currentcolor)`; // yellow on white can be read, as in the status
        for (const source of pictures || []) words.append(Object.assign(make("img"), { src: source, alt: "" }));
        const placed = kind < 2;
        row.append(
          make("td", "", new Date(time).toISOString().slice(0, 19).replace("T", " ")), badge, make("td", "", exchange),
          make("td", "", direction ? symbol + " " + direction : symbol),
          make("td", "number", placed ? (price === 0 ? "market" : digits(price)) : kind === 4 ? digits(price) : ""),
          make("td", "number", placed ? digits(amount) : kind === 2 ? "order " + order : ""), words);
        body.append(row);
      }
      note.textContent = Math.min(limit, found.length) + " of " + found.length + " matching rows, newest first; the log has " + log.total + (log.total > log.rows.length ? ", of which the page holds the newest " + log.rows.length + "." : ".");
      more.hidden = found.length <= limit;
    };
    view.append(filters, scroll, note, more);
    fill();
  };
  if (view) showLog();
  drawAll();
})();
