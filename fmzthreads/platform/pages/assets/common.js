"use strict";
// What every page needs: keys, and addresses that are shown whole.
(() => {
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
