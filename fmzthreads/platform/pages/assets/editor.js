"use strict";
// A text with line numbers beside it; Tab indents, Escape and Tab leaves.
(() => {
  const box = document.querySelector("[data-editor]");
  if (!box) return;
  const text = box.querySelector("textarea"), numbers = box.querySelector(".numbers");
  let count = 0, leaves = false, saved = text.value;
  const renumber = () => {
    const now = text.value.split("\n").length;
    if (now !== count) {
      count = now;
      numbers.textContent = Array.from({ length: now }, (_, place) => place + 1).join("\n") + "\n";
    }
    numbers.style.maxHeight = text.clientHeight + "px";
    numbers.scrollTop = text.scrollTop;
  };
  text.addEventListener("input", renumber);
  text.addEventListener("scroll", () => { numbers.scrollTop = text.scrollTop; });
  text.addEventListener("keydown", (event) => {
    if (event.key === "Escape") leaves = true;
    else if (event.key === "Tab" && !event.shiftKey && !leaves && !text.readOnly) {
      event.preventDefault();
      text.setRangeText("    ", text.selectionStart, text.selectionEnd, "end");
      renumber();
    } else leaves = false;
  });
  text.form.addEventListener("submit", () => { saved = text.value; });
  addEventListener("beforeunload", (event) => { if (text.value !== saved) event.preventDefault(); });
  addEventListener("resize", renumber);
  renumber();
})();
