// FMZ's threading objects. A thread runs functions by their text in a context of its own; what is handed over is copied.
function fmzThreads(global, fmzServe, methods, fmzObject, fmzLatin1) {
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

  // Functions cross as their text, shared objects and exchanges as their number, everything else as a copy.
  function fmzPacked(value) {
    if (typeof value === "function") return { __fmz_function: String(value) };
    if (value !== null && typeof value === "object") {
      if (value.__made) return { __fmz_made: value.__made };
      if (global.exchanges.includes(value)) return { __fmz_exchange: global.exchanges.indexOf(value) };
      if (value instanceof ArrayBuffer) return { __fmz_bytes: fmzLatin1(new Uint8Array(value)) };
      if (ArrayBuffer.isView(value)) return { __fmz_bytes: fmzLatin1(value) };
      if (typeof value.toJSON === "function") return value.toJSON();
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
    if (value.__fmz_made !== undefined) return fmzObject(value.__fmz_made);
    if (value.__fmz_exchange !== undefined) return global.exchanges[value.__fmz_exchange];
    if (value.__fmz_bytes !== undefined) return Uint8Array.from(value.__fmz_bytes, (c) => c.charCodeAt(0)).buffer;
    if (value.__fmz_thread !== undefined) return fmzHandle(value.__fmz_thread[0], value.__fmz_thread[1]);
    if (Array.isArray(value)) return value.map(fmzUnpacked);
    for (const key of Object.keys(value)) value[key] = fmzUnpacked(value[key]);
    return value;
  }

  const threading = {};
  function fmzModule(name, args) {
    const given = ["module", 0, name];
    for (const value of args) given.push(fmzPacked(value));
    return fmzUnpacked(fmzServe(given));
  }
  for (const name of ["Thread", "Lock", "Condition", "Event", "Dict", "getThread", "mainThread", "currentThread", "pending"]) {
    threading[name] = function fmzApi() {
      return fmzModule(name, arguments);
    };
  }
  // The old name returns the address only.
  threading.Serve = function fmzApi() {
    return fmzModule("Serve", arguments);
  };
  global.__Serve = function fmzApi() {
    const server = fmzModule("Serve", arguments);
    return server && server.addr();
  };
  global.threading = threading;
  // The names of before threading, by the number of a thread.
  const old = {
    __Thread: (...given) => threading.Thread(...given).id(),
    __threadPeekMessage: (timeout) => threading.currentThread().peekMessage(timeout),
    __threadPostMessage: (id, message) => threading.getThread(id).postMessage(message),
    __threadJoin: (id, timeout) => threading.getThread(id).join(timeout),
    __threadTerminate: (id) => threading.getThread(id).terminate(),
    __threadGetData: (id, key) => threading.getThread(id).getData(key),
    __threadSetData: (id, key, value) => threading.getThread(id).setData(key, value),
    __threadId: () => threading.currentThread().id(),
    __threadPending: () => threading.pending(),
  };
  Object.assign(global, old);
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
