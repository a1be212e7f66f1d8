"use strict";
// Follows a backtest that runs, and shows its page anew at the end.
(() => {
  const box = document.querySelector("[data-progress]");
  if (!box) return;
  const bar = box.querySelector("progress"), share = document.getElementById("share");
  const look = async () => {
    try {
      const reply = await fetch(box.dataset.progress, { credentials: "same-origin" });
      if (reply.ok) {
        const facts = await reply.json();
        bar.value = facts.share_done;
        share.textContent = Math.round(100 * facts.share_done) + " %";
        if (facts.state !== "running" && facts.state !== "waiting") {
          location.reload();
          return;
        }
      }
    } catch { /* the platform is away for a moment */ }
    setTimeout(look, 700);
  };
  setTimeout(look, 500);
})();
