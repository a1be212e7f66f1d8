"use strict";
// Forms that go on by themselves when a choice is made, and rows that are added and taken away.
(() => {
  for (const form of document.querySelectorAll("[data-submit-on-change]")) form.addEventListener("change", () => form.requestSubmit());
  document.addEventListener("click", (event) => {
    const add = event.target.closest("[data-add-row]");
    if (add) {
      const rows = document.getElementById(add.dataset.addRow);
      const row = rows.lastElementChild.cloneNode(true);
      rows.append(row);
      row.querySelector("select, input").focus();
    }
    const remove = event.target.closest("[data-remove-row]");
    if (remove && remove.parentElement.parentElement.children.length > 1) remove.parentElement.remove();
  });
})();
