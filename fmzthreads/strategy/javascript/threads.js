// FMZ's threading objects. A thread runs functions by their text in a context of its own; what is handed over is copied.
function fmzThreads(global, fmzServe, methods) {
  "use strict";

  function fmzHandle(kind, id) {
    const made = { __thread_kind: kind, __thread_id: id };
    const names = methods[kind];
    for (const name of names) {
      made[name] = function fmzApi() {
        const given = [kind, id, name];
        for (const value of arguments) given.push(fmzPacked(value));
        return fmzUnpacked(fmzServe(given));
      };
    }
    return made;
  }

  // Functions cross as their text, shared objects as their number, everything else as a copy.
  function fmzPacked(value) {
    if (typeof value === "function") return { __fmz_function: String(value) };
    if (value !== null && typeof value === "object") {
      if (value.__thread_kind) return { __fmz_thread: [value.__thread_kind, value.__thread_id] };
      if (Array.isArray(value)) return value.map(fmzPacked);
      const copy = {};
      for (const key of Object.keys(value)) copy[key] = fmzPacked(value[key]);
      return copy;
    }
    return value;
  }

  function fmzUnpacked(value) {
    if (value === null || typeof value !== "object" || value instanceof ArrayBuffer) return value;
    if (value.__fmz_function !== undefined) return global.eval("(" + value.__fmz_function + ")");
    if (value.__fmz_thread !== undefined) return fmzHandle(value.__fmz_thread[0], value.__fmz_thread[1]);
    if (Array.isArray(value)) return value.map(fmzUnpacked);
    for (const key of Object.keys(value)) value[key] = fmzUnpacked(value[key]);
    return value;
  }

  const threading = {};
  for (const name of ["Thread", "Lock", "Condition", "Event", "Dict", "getThread", "mainThread", "currentThread", "pending"]) {
    threading[name] = function fmzApi() {
      const given = ["module", 0, name];
      for (const value of arguments) given.push(fmzPacked(value));
      return fmzUnpacked(fmzServe(given));
    };
  }
  threading.Serve = global.__Serve = function fmzApi() {
    throw new Error("threading.Serve: FMZ has it; fmzthreads does not have it yet");
  };
  global.threading = threading;
  // What a new thread runs: [function text, arguments] in order; its result is the last one's.
  global.__fmz_run = function fmzRun(text) {
    let result;
    for (const item of fmzUnpacked(JSON.parse(text))) {
      const [first, ...given] = item;
      result = typeof first === "function" ? first.apply(null, given) : global.eval(first);
    }
    return JSON.stringify(fmzPacked(result)) ?? "null";
  };
}
