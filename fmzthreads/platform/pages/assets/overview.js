"use strict";
// Reads the overview again every few seconds, unless somebody is using it just now.
(() => {
  const part = document.getElementById("overview");
  const busy = () => document.hidden || document.querySelector(":popover-open") || part.contains(document.activeElement) && document.activeElement.matches("button, input");
  const again = async () => {
    if (!busy()) {
      try {
        const reply = await fetch(part.dataset.refresh, { credentials: "same-origin", redirect: "error" });
        if (reply.status === 401) {
          location.reload();
          return;
        }
        if (reply.ok) {
          const fresh = new DOMParser().parseFromString(await reply.text(), "text/html");
          if (!busy()) window.fmzPart(part, fresh.body);
        }
        part.classList.toggle("stale", !reply.ok);
      } catch {
        part.classList.add("stale"); // the platform is away; the ages on the page say how old it is
      }
    }
    setTimeout(again, 3000);
  };
  setTimeout(again, 3000);
})();
