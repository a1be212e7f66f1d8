"use strict";
// The log of a robot: a table of text nodes only, with a filter, older lines on request, and new ones as they come.
window.fmzLog = (() => {
  const table = document.getElementById("log-table"), body = table.tBodies[0];
  const form = document.getElementById("log-filters"), note = document.getElementById("log-note"), more = document.getElementById("log-more");
  const kinds = table.dataset.shown.split("|"), known = document.getElementById("log-exchanges");
  const state = { newest: 0, oldest: 0, ready: false, exchanges: new Set() };
  const MOST = 3000;
  const make = (tag, name, text) => {
    const one = document.createElement(tag);
    if (name) one.className = name;
    if (text !== undefined) one.textContent = text;
    return one;
  };
  const digits = (number) => String(Number(Number(number).toPrecision(12)));
  const moment = (ms) => (ms > 0 && ms < 8e15 ? new Date(ms).toISOString().replace("T", " ").slice(0, 19) : "–");
  const chosen = () => [...form.querySelectorAll(".pill input:checked")].map((one) => Number(one.value));
  const wants = (row) => {
    const some = chosen(), exchange = form.exchange.value, word = form.word.value.toLowerCase();
    return (!some.length || some.includes(row[2])) && (!exchange || row[3] === exchange) && (!word || row[7].toLowerCase().includes(word));
  };
  const rowOf = ([id, time, kind, exchange, order, price, amount, text, symbol, color, pushed]) => {
    const row = make("tr"), badge = make("td"), words = make("td", "text", (pushed ? "@ " : "") + text);
    row.dataset.id = id;
    badge.append(make("span", "kind kind-" + Number(kind), kinds[kind] || String(kind)));
    if (/^#[0-9a-fA-F]{6}$/.test(color)) words.style.color = `color-mix(in srgb, ${color} 70%, currentcolor)`; // a strategy's yellow can be read on white too
    const placed = kind < 2;
    row.append(make("td", "time", moment(time)), badge, make("td", "", exchange), make("td", "", symbol),
      make("td", "number", placed ? (price <= 0 ? table.dataset.market : digits(price)) : kind === 4 ? digits(price) : ""),
      make("td", "number", placed ? digits(amount) : kind === 2 && order ? table.dataset.order + " " + order : ""), words);
    if (exchange && !state.exchanges.has(exchange)) {
      state.exchanges.add(exchange);
      const option = make("option");
      option.value = exchange;
      known.append(option);
    }
    return row;
  };
  const told = () => { note.textContent = body.rows.length ? "" : note.dataset.empty; };
  const asked = () => {
    const query = new URLSearchParams({ kinds: chosen().join(","), exchange: form.exchange.value, word: form.word.value });
    form.kinds.value = chosen().join(",");
    return query;
  };
  let turn = 0;
  const load = async (before) => {
    const mine = ++turn, query = asked();
    if (before) query.set("before", before);
    const reply = await fetch(table.dataset.source + "?" + query, { credentials: "same-origin" });
    if (mine !== turn) return;
    if (!reply.ok) {
      note.textContent = (await reply.text()).includes("<") ? String(reply.status) : await reply.text();
      state.ready = true;
      return;
    }
    const found = await reply.json();
    if (mine !== turn) return;
    if (!before) body.replaceChildren();
    body.append(...found.rows.map(rowOf));
    const last = found.next || (found.rows.length ? found.rows[found.rows.length - 1][0] : 0);
    state.oldest = last || state.oldest;
    if (!before && found.rows.length) state.newest = Math.max(state.newest, found.rows[0][0]);
    more.hidden = !found.more;
    told();
    state.ready = true;
    document.documentElement.dataset.log = "ready";
  };
  // New lines, oldest first, as the stream brings them; those that are there already are left out.
  const add = (rows) => {
    for (const row of rows) {
      if (row[0] <= state.newest) continue;
      state.newest = row[0];
      if (!wants(row)) continue;
      const made = rowOf(row);
      made.classList.add("fresh");
      body.prepend(made);
    }
    while (body.rows.length > MOST) body.lastElementChild.remove();
    told();
  };
  let timer = 0;
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => load(0), 200);
  });
  form.addEventListener("submit", (event) => { if (event.submitter === null || !event.submitter) event.preventDefault(); asked(); });
  more.addEventListener("click", () => load(state.oldest));
  return { load, add, state };
})();
