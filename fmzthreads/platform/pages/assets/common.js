"use strict";
// What every page needs: keys, addresses that are shown whole, and parts that are shown anew.
(() => {
  // What was unfolded stays so.
  window.fmzPart = (box, fresh) => {
    const open = [...box.querySelectorAll("details")].map((one) => one.open);
    fresh.querySelectorAll("details").forEach((one, n) => { one.open = Boolean(open[n]); });
    const tops = [...box.querySelectorAll(".scroll")].map((one) => one.scrollTop);
    box.replaceChildren(...fresh.childNodes);
    box.querySelectorAll(".scroll").forEach((one, n) => { one.scrollTop = tops[n] || 0; });
  };
  // What was just done is said once, and not again when the page is loaded again.
  const here = new URL(location.href);
  if (here.searchParams.has("said")) {
    here.searchParams.delete("said");
    history.replaceState(history.state, "", here);
  }
  for (const one of document.querySelectorAll("input[data-absolute]")) {
    one.value = new URL(one.value, location.href).href;
    one.addEventListener("focus", () => one.select());
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
    if (event.key === "/") {
      const search = document.querySelector("input[type=search]");
      if (search) {
        event.preventDefault();
        search.focus();
      }
    }
  });
})();
