"use strict";
// The page of a robot: live by server-sent events, buttons of the status bar, tabs, charts.
(() => {
  const about = document.getElementById("robot"), base = about.dataset.base, root = document.documentElement;
  const bar = document.getElementById("status-bar"), figures = document.getElementById("figures"), pulse = document.getElementById("pulse");
  const isLive = about.dataset.live === "yes";

  // What can be done depends on whether it runs.
  const when = (status) => {
    const runs = status === 1 || status === 2;
    for (const one of document.querySelectorAll("[data-when]")) one.hidden = (one.dataset.when === "running") !== runs;
  };
  when(Number(about.dataset.status));

  const part = async (path) => {
    const reply = await fetch(path, { credentials: "same-origin" });
    return reply.ok ? new DOMParser().parseFromString(await reply.text(), "text/html") : null;
  };
  const facts = async () => {
    const fresh = await part(base + "/facts");
    if (fresh) document.getElementById("facts").replaceChildren(...fresh.body.childNodes);
  };
  const orders = async () => {
    const fresh = await part(base + "/orders");
    if (fresh && !document.getElementById("orders-part").contains(document.activeElement)) window.fmzPart(document.getElementById("orders-part"), fresh.body);
  };

  // Tabs of the status bar; the chosen one stays chosen when the status is shown anew.
  let tab = 0;
  const choose = (box, place, focus) => {
    tab = place;
    const heads = [...box.querySelectorAll("[role=tab]")], bodies = [...box.querySelectorAll("[role=tabpanel]")];
    const at = Math.min(Math.max(place, 0), heads.length - 1);
    heads.forEach((one, n) => {
      one.setAttribute("aria-selected", String(n === at));
      one.tabIndex = n === at ? 0 : -1;
      bodies[n].hidden = n !== at;
    });
    if (focus) heads[at].focus();
  };
  bar.addEventListener("keydown", (event) => {
    const head = event.target.closest("[role=tab]");
    if (!head || (event.key !== "ArrowLeft" && event.key !== "ArrowRight")) return;
    const box = head.closest("[data-tabs]"), heads = [...box.querySelectorAll("[role=tab]")];
    choose(box, (heads.indexOf(head) + (event.key === "ArrowRight" ? 1 : heads.length - 1)) % heads.length, true);
  });

  // Buttons send their command; those with fields ask first.
  const send = async (text) => {
    const reply = await fetch(base + "/command", { method: "POST", body: new URLSearchParams({ command: text, script: "yes" }), credentials: "same-origin" });
    const taken = reply.ok && (await reply.json()).accepted;
    root.dataset.sent = taken ? text : "refused";
  };
  const dialog = document.getElementById("ask");
  const fieldFor = (field, number) => {
    const box = document.createElement("div"), label = document.createElement("label");
    box.className = "field";
    box.dataset.name = field.name;
    if (field.filter) box.dataset.filter = field.filter;
    label.textContent = field.label || field.description || field.name || field.type;
    let control;
    if (field.options.length || field.type === "selected") {
      control = document.createElement("select");
      control.multiple = field.multiple;
      field.options.forEach((option, place) => {
        const one = document.createElement("option");
        one.textContent = option.name;
        one.value = place;
        one.dataset.value = JSON.stringify(option.value);
        const wanted = Array.isArray(field.default) ? field.default : [field.default];
        one.selected = wanted.some((value) => value === option.value || value === option.name);
        control.append(one);
      });
    } else {
      control = document.createElement("input");
      control.type = field.type === "number" ? "number" : field.type === "boolean" ? "checkbox" : "text";
      if (field.type === "boolean") control.checked = Boolean(field.default) && field.default !== "false";
      else if (field.default !== null && field.default !== undefined) control.value = String(field.default);
      if (control.type === "number") control.step = field.step === null ? "any" : String(field.step);
      for (const limit of ["min", "max"]) if (control.type === "number" && field[limit] !== null) control[limit] = String(field[limit]);
    }
    control.id = "ask-" + number;
    control.required = field.required && control.type !== "checkbox";
    control.disabled = field.disabled;
    label.htmlFor = control.id;
    box.append(label, control);
    return { field, control, box };
  };
  const valueOf = ({ field, control }) => {
    if (control.tagName === "SELECT") {
      const chosen = [...control.selectedOptions].map((one) => JSON.parse(one.dataset.value));
      return field.multiple ? chosen : chosen.length ? chosen[0] : null;
    }
    if (control.type === "checkbox") return control.checked;
    if (control.type === "number") return control.value === "" ? null : Number(control.value);
    return control.value;
  };
  const ask = (button) => {
    const fields = JSON.parse(button.dataset.fields).map(fieldFor), box = dialog.querySelector(".fields");
    dialog.querySelector("h3").textContent = button.textContent;
    dialog.querySelector("p").textContent = button.title;
    box.replaceChildren(...fields.map((one) => one.box));
    window.fmzFilters.watch(box);
    dialog.onclose = () => {
      if (dialog.returnValue !== "send") return;
      const command = button.dataset.command;
      if (button.dataset.grouped) send(command + ":" + JSON.stringify(Object.fromEntries(fields.map((one) => [one.field.name, valueOf(one)]))));
      else {
        const value = valueOf(fields[0]);
        send(command + ":" + (typeof value === "object" && value !== null ? JSON.stringify(value) : value === null ? "" : String(value)));
      }
    };
    dialog.returnValue = "";
    dialog.showModal();
  };
  document.addEventListener("click", (event) => {
    const head = event.target.closest("[role=tab]");
    if (head) choose(head.closest("[data-tabs]"), [...head.parentElement.children].indexOf(head), false);
    const button = event.target.closest("[data-command]");
    if (button && !button.disabled) {
      if (button.dataset.fields) ask(button);
      else send(button.dataset.command);
    }
    const load = event.target.closest("[data-load]");
    if (load) part(load.dataset.load).then((fresh) => { if (fresh) document.getElementById(load.dataset.into).replaceChildren(...fresh.body.childNodes); });
  });
  const command = document.getElementById("command");
  if (command) command.addEventListener("submit", (event) => {
    event.preventDefault();
    send(command.command.value);
    command.command.value = "";
  });

  // Charts are drawn anew when they have changed, one request at a time.
  let since = "", drawing = false, wanted = false;
  const draw = async () => {
    if (drawing) {
      wanted = true;
      return;
    }
    drawing = true;
    do {
      wanted = false;
      const reply = await fetch(figures.dataset.source + "?since=" + encodeURIComponent(since), { credentials: "same-origin" });
      if (!reply.ok) break;
      const found = await reply.json();
      since = found.since;
      if (found.figures !== null) await show(found.figures);
    } while (wanted);
    drawing = false;
    root.dataset.charts = "ready";
  };
  // Plotly's script is large: it is loaded when there is something to draw, and holds nothing else up.
  let loading = null;
  const loaded = () => {
    loading = loading || new Promise((resolve) => {
      const script = document.createElement("script");
      script.src = figures.dataset.script;
      script.onload = script.onerror = resolve;
      document.head.append(script);
    });
    return loading;
  };
  const show = async (many) => {
    if (many.length) await loaded();
    if (!many.length || !window.Plotly) {
      figures.replaceChildren();
      figures.className = "note";
      figures.textContent = many.length ? figures.dataset.missing : figures.dataset.empty;
      figures.dataset.keys = "";
      return;
    }
    const keys = many.map((one) => one.key).join(" ");
    if (figures.dataset.keys !== keys) {
      figures.dataset.keys = keys;
      figures.className = "";
      figures.replaceChildren(...many.flatMap((one) => {
        const made = [];
        if (one.title) {
          const title = document.createElement("h3");
          title.className = "chart-title";
          title.textContent = one.title;
          made.push(title);
        }
        const box = document.createElement("div");
        box.className = "chart";
        box.id = "figure-" + one.key;
        box.style.height = one.height + "px";
        made.push(box);
        return made;
      }));
    }
    for (const one of many) {
      const element = document.getElementById("figure-" + one.key);
      try {
        await window.fmzFigures.draw(one, element);
      } catch (error) {
        console.error(one.key, error);
      }
    }
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { since = ""; draw(); });

  const follow = () => {
    const source = new EventSource(base + "/live?after=" + window.fmzLog.state.newest);
    const on = (name, take) => source.addEventListener(name, (event) => take(JSON.parse(event.data)));
    const beat = (alive) => {
      pulse.className = "pulse " + (alive ? "on" : "off");
      pulse.textContent = alive ? pulse.dataset.on : pulse.dataset.off;
    };
    source.onopen = () => beat(true);
    source.onerror = () => beat(false); // the browser tries again by itself, and names the last line that it has
    on("log", (rows) => {
      window.fmzLog.add(rows);
      if (rows.some((row) => row[2] < 3)) orders();
    });
    on("status", (html) => {
      if (bar.contains(document.activeElement) && document.activeElement.matches("input, select")) return;
      const focus = document.activeElement && bar.contains(document.activeElement) ? document.activeElement.id : "";
      bar.replaceChildren(...new DOMParser().parseFromString(html, "text/html").body.childNodes);
      for (const box of bar.querySelectorAll("[data-tabs]")) choose(box, tab, false);
      if (focus && document.getElementById(focus)) document.getElementById(focus).focus();
    });
    on("state", ([status]) => {
      when(status);
      facts();
      root.dataset.state = status;
    });
    on("charts", () => draw());
    on("problem", (text) => { pulse.className = "pulse off"; pulse.textContent = text; });
    addEventListener("pagehide", () => source.close());
  };
  window.fmzLog.load(0).then(() => {
    if (isLive) follow();
    else draw();
  });
  if (isLive) {
    setInterval(() => { if (!document.hidden) facts(); }, 5000);
    setInterval(() => { if (!document.hidden) orders(); }, 15000); // balances come without a line in the log
  }
})();
