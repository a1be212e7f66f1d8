"use strict";
// Shows fields whose filter holds: names, numbers, texts, comparisons, &&, || and !; nothing else, and no eval.
(() => {
  const TOKEN = /\s*(?:(\d+(?:\.\d+)?)|"([^"]*)"|'([^']*)'|(===|!==|==|!=|<=|>=|&&|\|\||[<>!()=-])|([A-Za-z_$\u0080-\uffff][\w$\u0080-\uffff]*))/y;
  const tokens = (text) => {
    const found = [];
    TOKEN.lastIndex = 0;
    while (TOKEN.lastIndex < text.trimEnd().length) {
      const one = TOKEN.exec(text);
      if (!one) throw new Error("not a filter");
      found.push(one[1] !== undefined ? { value: Number(one[1]) } : one[2] !== undefined ? { value: one[2] } : one[3] !== undefined ? { value: one[3] } : one[4] ? { sign: one[4] } : { name: one[5] });
    }
    return found;
  };
  const same = (a, b) => a === b || (typeof a === "boolean" && typeof b === "number" && Number(a) === b) || (typeof b === "boolean" && typeof a === "number" && Number(b) === a);
  const COMPARE = { "==": same, "===": same, "=": same, "!=": (a, b) => !same(a, b), "!==": (a, b) => !same(a, b),
    "<": (a, b) => typeof a === typeof b && a < b, "<=": (a, b) => typeof a === typeof b && a <= b, ">": (a, b) => typeof a === typeof b && a > b, ">=": (a, b) => typeof a === typeof b && a >= b };
  const holds = (text, values) => {
    const all = tokens(text);
    let place = 0;
    const next = () => all[place];
    const takes = (sign) => next() && next().sign === sign && (place += 1);
    const atom = () => {
      const one = all[place++];
      if (!one) throw new Error("not a filter");
      if (one.sign === "(") {
        const value = either();
        if (!takes(")")) throw new Error("not a filter");
        return value;
      }
      if (one.sign === "!") return !atom();
      if (one.sign === "-") return -atom();
      if ("value" in one) return one.value;
      if (one.name === "true" || one.name === "false") return one.name === "true";
      if (one.name === "null") return null;
      if (one.name && values.has(one.name)) return values.get(one.name);
      throw new Error("not a filter");
    };
    const compared = () => {
      let left = atom();
      while (next() && next().sign in COMPARE) {
        const sign = all[place++].sign, right = atom();
        if (!COMPARE[sign](left, right)) {
          left = false;
          continue;
        }
        left = next() && next().sign in COMPARE ? right : true;
      }
      return left;
    };
    const both = () => {
      let left = compared();
      while (takes("&&")) {
        const right = compared();
        left = left && right;
      }
      return left;
    };
    const either = () => {
      let left = both();
      while (takes("||")) {
        const right = both();
        left = left || right;
      }
      return left;
    };
    const value = either();
    if (place !== all.length) throw new Error("not a filter");
    return Boolean(Array.isArray(value) ? value.length : value);
  };
  const valueOf = (field) => {
    const control = field.querySelector("input:not([type=color]), select, textarea");
    if (!control) return null;
    if (control.type === "checkbox") return control.checked;
    if (control.tagName === "SELECT") {
      const chosen = [...control.selectedOptions].filter((one) => one.dataset.value !== undefined).map((one) => JSON.parse(one.dataset.value));
      return control.multiple ? chosen : chosen.length ? chosen[0] : null;
    }
    if (control.type === "number" || control.type === "range") return control.value === "" ? null : Number(control.value);
    return control.value;
  };
  // Hides what is filtered out. A filter that cannot be read shows its field.
  const apply = (root) => {
    const fields = [...root.querySelectorAll("[data-name]")];
    const values = new Map(fields.map((one) => [one.dataset.name, valueOf(one)]));
    for (const one of fields) {
      if (!one.dataset.filter) continue;
      let shown = true;
      try {
        shown = holds(one.dataset.filter, values);
      } catch {
        shown = true;
      }
      one.hidden = !shown;
      // A field that is not shown keeps its value, but must not stop the form.
      for (const control of one.querySelectorAll("[required], [data-required]")) {
        control.dataset.required = "yes";
        control.required = shown;
      }
    }
  };
  const watch = (root) => {
    root.addEventListener("input", () => apply(root));
    root.addEventListener("change", () => apply(root));
    apply(root);
  };
  window.fmzFilters = { holds, apply, watch };
  for (const one of document.querySelectorAll("[data-parameters]")) watch(one);
  document.addEventListener("input", (event) => {
    const control = event.target;
    if (control.type === "range" && control.nextElementSibling && control.nextElementSibling.tagName === "OUTPUT") control.nextElementSibling.textContent = control.value;
    if (control.dataset.mirror) document.getElementById(control.dataset.mirror).value = control.value;
  });
})();
