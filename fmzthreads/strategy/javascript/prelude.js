// FMZ's names for a strategy in JavaScript, over native functions. A native function is described by its name among the globals and the most arguments that it takes, -1 for any number.
//
// Arguments cross as numbers, booleans, texts and null; what else there is crosses as JSON behind a mark, since texts end at a null character on their way. Results come back as they are, but texts with
// a letter before them: s a text, j JSON of a text, b bytes, o an object with methods, u undefined, e an error, t what is thrown as a text.
(function fmzPrelude(setup) {
  "use strict";
  const global = globalThis;
  const stringify = JSON.stringify;
  const parse = JSON.parse;
  const slice = Array.prototype.slice;

  function fmzArgument(value) {
    switch (typeof value) {
      case "number":
      case "boolean":
        return value;
      case "string":
        if (!value.isWellFormed() || value.charCodeAt(0) === 1 || value.includes("\0")) return String("\x01j" + stringify(value));
        // The native function cannot take a text that the engine still holds in pieces; String() joins them.
        return String(value);
      case "undefined":
        return null;
      case "bigint":
        return "\x01i" + value;
      case "function":
        throw new TypeError("a function cannot be given here");
    }
    if (value === null) return null;
    if (value instanceof ArrayBuffer) value = new Uint8Array(value);
    if (ArrayBuffer.isView(value)) return String("\x01b" + stringify(fmzLatin1(value)));
    return String("\x01j" + stringify(value, fmzPlain));
  }

  function fmzPlain(key, value) {
    return typeof value === "bigint" ? value.toString() : value;
  }

  function fmzLatin1(view) {
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    let text = "";
    for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode.apply(null, bytes.subarray(i, i + 8192));
    return text;
  }

  function fmzText(result) {
    const rest = result.slice(1);
    switch (result[0]) {
      case "s":
        return rest;
      case "j":
        return parse(rest);
      case "u":
        return undefined;
      case "b": {
        const bytes = new Uint8Array(rest.length);
        for (let i = 0; i < rest.length; i++) bytes[i] = rest.charCodeAt(i);
        return bytes.buffer;
      }
      case "o":
        return fmzObject(parse(rest));
      case "t":
        throw rest;
      default:
        throw new Error(rest);
    }
  }

  function fmzCall(call, args) {
    let count = args.length;
    while (count && args[count - 1] === undefined) count--;
    const given = [];
    for (let i = 0; i < count; i++) given.push(fmzArgument(args[i]));
    const result = call.apply(null, given);
    return typeof result === "string" ? fmzText(result) : result;
  }

  // Takes a native function out of the globals.
  function fmzNative(description) {
    const call = global[description[0]];
    delete global[description[0]];
    return call;
  }

  const onObject = fmzNative(setup.own.object);

  // What Log and the tails of order calls show of a value.
  function fmzShown(value) {
    if (typeof value === "string") return value;
    if (value === undefined || value === null) return "null";
    if (value instanceof Error) return String(value);
    if (typeof value === "object") {
      const text = stringify(value, fmzPlain);
      return text === undefined ? String(value) : text;
    }
    return String(value);
  }

  // The arguments object costs as much as a call, so that functions of few arguments do without.
  function fmzFunction(description, texts) {
    const call = fmzNative(description);
    if (texts !== undefined) {
      // From this place on, arguments are texts for the log.
      return function fmzApi() {
        const given = slice.call(arguments, 0, texts);
        for (let i = texts; i < arguments.length; i++) given.push(fmzShown(arguments[i]));
        return fmzCall(call, given);
      };
    }
    switch (description[1]) {
      case 0:
        return function fmzApi() {
          const result = call();
          return typeof result === "string" ? fmzText(result) : result;
        };
      case 1:
        return function fmzApi(first) {
          const result = first === undefined ? call() : call(typeof first === "number" ? first : fmzArgument(first));
          return typeof result === "string" ? fmzText(result) : result;
        };
      case 2:
        return function fmzApi(first, second) {
          const result = second !== undefined ? call(fmzArgument(first), fmzArgument(second)) : first === undefined ? call() : call(fmzArgument(first));
          return typeof result === "string" ? fmzText(result) : result;
        };
    }
    return function fmzApi() {
      return fmzCall(call, arguments);
    };
  }

  const TEXTS = {
    Log: 0, LogStatus: 0, LogError: 0, Panic: 0, LogProfit: 1, "exchange.Buy": 2, "exchange.Sell": 2, "exchange.CancelOrder": 1,
    "exchange.CreateOrder": 4, "exchange.CreateConditionOrder": 4, "exchange.Log": 3,
  };

  function fmzMethod(id, name) {
    return function fmzApi() {
      return fmzCall(onObject, [id, name, ...arguments]);
    };
  }

  // The methods of KLineChart take their optional arguments in an object at the end.
  function fmzDrawing(id, name) {
    return function fmzApi() {
      const given = slice.call(arguments);
      const last = given[given.length - 1];
      const options = given.length > 1 && last !== null && typeof last === "object" && !Array.isArray(last) ? given.pop() : {};
      return fmzCall(onObject, [id, "__keywords__", name, options, ...given]);
    };
  }

  function fmzObject(description) {
    const [id, kind, methods] = description;
    const made = {};
    for (const name of methods) made[name] = kind === "kline" && !["begin", "close", "reset", "signal"].includes(name) ? fmzDrawing(id, name) : fmzMethod(id, name);
    if (kind === "chart") {
      made.del = function fmzApi() {
        throw new Error("Chart.del: FMZ has it; fmzthreads does not have it: call update with the series that stay");
      };
    }
    return Object.defineProperty(made, "__made", { value: kind === "connection" ? description : null });
  }

  function fmzExchange(methods) {
    const made = {};
    for (const name of Object.keys(methods)) if (name !== "Go") made[name] = fmzFunction(methods[name], TEXTS["exchange." + name]);
    const go = methods.Go && fmzNative(methods.Go);
    made.Go = function fmzApi(method) {
      const texts = TEXTS["exchange." + method];
      if (texts === undefined) return fmzCall(go, arguments);
      return fmzCall(go, slice.call(arguments).map((value, i) => (i > texts ? fmzShown(value) : value)));
    };
    return Object.defineProperty(made, "toString", { value: () => made.GetName() });
  }

  // TA: a number for each bar, NaN where there is none yet. Numbers cross as arguments, which costs a tenth of JSON.
  const CLOSES = ["MA", "SMA", "EMA", "MACD", "BOLL", "RSI"];
  const MOST_ARGUMENTS = 60000;

  function fmzSeries(name, records) {
    const given = [records.length, 1];
    if (!records.length || typeof records[0] !== "object" || records[0] === null) {
      for (const value of records) given.push(value === undefined || value !== value ? null : value);
    } else if (CLOSES.includes(name)) {
      for (const bar of records) given.push(bar.Close);
    } else {
      given[1] = 6;
      for (const bar of records) given.push(bar.Open, bar.High, bar.Low, bar.Close, bar.Volume, bar.OpenInterest ?? 0);
    }
    return given.length > MOST_ARGUMENTS ? [String(stringify(given.slice(2))), given[1]] : given;
  }

  // Bars cross as columns.
  function fmzColumns(value) {
    if (!Array.isArray(value) || !value.length || typeof value[0] !== "object" || value[0] === null) return value;
    const columns = {};
    for (const name of ["Open", "High", "Low", "Close", "Volume"]) columns[name] = value.map((bar) => bar[name]);
    return columns;
  }

  const TA = {};
  for (const name of Object.keys(setup.indicators)) {
    const call = fmzNative(setup.indicators[name]);
    TA[name] = function fmzApi(records) {
      if (!Array.isArray(records)) throw new TypeError("TA." + name + " needs records or numbers, got " + fmzShown(records));
      const given = fmzSeries(name, records);
      for (let i = 1; i < arguments.length; i++) given.push(fmzArgument(arguments[i]));
      const result = call.apply(null, given);
      return typeof result === "string" ? fmzText(result) : result;
    };
  }

  const talibCall = fmzNative(setup.talib);
  const talib = new Proxy(
    {},
    {
      get(target, name) {
        if (typeof name !== "string") return undefined;
        return (target[name] ??= function fmzApi() {
          return fmzCall(talibCall, [name, ...slice.call(arguments).map(fmzColumns)]);
        });
      },
    },
  );

  const dateText = fmzNative(setup.functions._D);
  const store = fmzNative(setup.functions._G);
  for (const name of Object.keys(setup.functions)) global[name] = fmzFunction(setup.functions[name], TEXTS[name]);
  for (const name of setup.missing) {
    global[name] = function fmzApi() {
      throw new Error(name + ": FMZ has it; fmzthreads does not have it in JavaScript");
    };
  }
  Object.assign(global, setup.constants);

  // Calls until the result is true, as FMZ's JavaScript does: null, false, 0 and "" are asked for again.
  let retryDelay = 3000;
  global._C = function fmzRetry(call) {
    if (typeof call !== "function") throw new TypeError("_C needs a function, such as exchange.GetTicker");
    const given = slice.call(arguments, 1);
    for (;;) {
      const result = call.apply(this, given);
      if (result) return result;
      global.Sleep(retryDelay);
    }
  };
  global._CDelay = function fmzApi(ms) {
    if (ms > 0) retryDelay = ms;
  };
  global._D = function fmzApi(ms, format) {
    if (ms instanceof Date) ms = ms.getTime();
    const given = [ms === undefined || ms === null ? null : ms / 1000];
    if (format !== undefined) given.push(fmzFormat(format, ms ?? Date.now()));
    return fmzCall(dateText, given);
  };
  // yyyy-MM-dd hh:mm:ss as FMZ's JavaScript writes it, each part once; %Y and the like go through as they are.
  function fmzFormat(format, ms) {
    if (format.includes("%")) return format;
    const parts = [["yyyy", "%Y"], ["yy", "%y"], ["MM", "%m"], ["dd", "%d"], ["hh", "%H"], ["HH", "%H"], ["mm", "%M"], ["SSS", null], ["ss", "%S"]];
    for (const [part, code] of parts) format = format.replace(part, () => code ?? String(Math.trunc(ms) % 1000).padStart(3, "0"));
    return format;
  }
  global._G = function fmzApi(key, value) {
    return fmzCall(store, arguments.length > 1 && value === undefined ? [key, null] : arguments);
  };

  global.TA = TA;
  global.talib = talib;
  global.exchanges = setup.exchanges.map(fmzExchange);
  global.exchange = global.exchanges.length ? global.exchanges[0] : null;
  global.$ = {};

  const print = fmzNative(setup.own.print);
  // Whole numbers that a number cannot hold become texts, so that ids keep their digits; a reviver sees the texts.
  const LONG = /\d{16}/;
  function fmzLong(value, source) {
    return typeof value === "number" && /^-?\d{16,}$/.test(source) && String(BigInt(value)) !== source ? source : value;
  }
  JSON.parse = function fmzParse(text, reviver) {
    if (!LONG.test(text)) return parse(text, reviver);
    return parse(text, function fmzRevive(key, value, context) {
      const kept = fmzLong(value, context.source);
      return typeof reviver === "function" ? reviver.call(this, key, kept, context) : kept;
    });
  };

  function fmzPrinter(stream) {
    return function fmzApi() {
      print(stream, fmzArgument(slice.call(arguments).map(fmzShown).join(" ")));
    };
  }
  global.console = { log: fmzPrinter("out"), info: fmzPrinter("out"), debug: fmzPrinter("out"), warn: fmzPrinter("err"), error: fmzPrinter("err") };
  global.require = function fmzApi(name) {
    throw new Error("require(" + stringify(name) + ") is not there: a strategy is one file, with templates beside it");
  };

  const now = fmzNative(setup.own.now);
  // The templates' destroy functions; a template of its own name would hide this one.
  global.__fmz_destroy = (call) => global.__fmz_destroy.all.push(call);
  global.__fmz_destroy.all = [];

  // What came of an async function that was called from outside.
  let outcome;
  global.__fmz_settle = function fmzSettle(value) {
    outcome = value instanceof Promise ? {} : null;
    if (outcome) value.then(() => (outcome = null), (error) => (outcome = { error }));
  };
  global.__fmz_outcome = function fmzOutcome() {
    if (!outcome) return;
    if ("error" in outcome) throw outcome.error;
    throw new Error("an async function waits for something that never happens");
  };

  // Timers run while an async function waits; there is nothing else that turns to them.
  const timers = new Map();
  let timerCount = 0;
  global.setTimeout = function fmzApi(call, ms, ...given) {
    if (typeof call !== "function") throw new TypeError("setTimeout needs a function");
    timers.set(++timerCount, { due: Date.now() + Math.max(Number(ms) || 0, 0), call, given });
    return timerCount;
  };
  global.clearTimeout = function fmzApi(id) {
    timers.delete(id);
  };
  global.sleepAsync = function fmzApi(ms) {
    return new Promise((resolve) => global.setTimeout(resolve, ms));
  };
  // Waits for the next timer while the function waits, and calls it; false when there is nothing to wait for.
  global.__fmz_timer = function fmzTimer() {
    if (!outcome || "error" in outcome || !timers.size) return false;
    let next;
    for (const entry of timers) if (next === undefined || entry[1].due < next[1].due) next = entry;
    const [id, timer] = next;
    const left = timer.due - Date.now();
    if (left > 0) global.Sleep(left);
    timers.delete(id);
    timer.call.apply(undefined, timer.given);
    return true;
  };

  // The web's fetch, as far as FMZ declares it, over HttpQuery.
  global.fetch = function fmzApi(url, init) {
    return new Promise((resolve, reject) => {
      const { method, body, headers } = init ?? {};
      const given = headers instanceof Map ? Object.fromEntries(headers) : headers;
      const options = { debug: true };
      for (const [name, value] of Object.entries({ method, body, headers: given })) if (value !== undefined) options[name] = value;
      const reply = global.HttpQuery(String(url), options);
      if (!reply || !reply.StatusCode) {
        reject(new TypeError((reply && reply.Error) || "fetch failed: " + url));
        return;
      }
      const names = Object.entries(reply.Header ?? {}).map(([name, values]) => [name.toLowerCase(), [].concat(values).join(", ")]);
      resolve({
        ok: reply.StatusCode >= 200 && reply.StatusCode < 300, status: reply.StatusCode, statusText: "", headers: new Map(names),
        text: async () => reply.Body, json: async () => JSON.parse(reply.Body),
      });
    });
  };

  // RegExp.$1 and the like, which QuickJS does not have: those of the last match. Called for a script that names them, since every match is
  // looked at then.
  global.__fmz_last_match = function fmzLastMatch() {
    const exec = RegExp.prototype.exec;
    let last = [""];
    RegExp.prototype.exec = function fmzApi(text) {
      const found = exec.call(this, text);
      if (found !== null) last = found;
      return found;
    };
    const parts = {
      lastMatch: () => last[0], "$&": () => last[0], lastParen: () => (last.length > 1 ? last[last.length - 1] ?? "" : ""),
      input: () => last.input ?? "", $_: () => last.input ?? "", leftContext: () => (last.input ?? "").slice(0, last.index),
      rightContext: () => (last.input ?? "").slice(last.index + last[0].length),
    };
    for (let i = 1; i < 10; i++) parts["$" + i] = () => last[i] ?? "";
    for (const name of Object.keys(parts)) Object.defineProperty(RegExp, name, { get: parts[name], configurable: true });
    global.__fmz_last_match = () => undefined;
  };

  // In a backtest, dates and chance are the strategy's own.
  if (setup.virtual) {
    const Real = Date;
    global.Date = class Date extends Real {
      constructor(...given) {
        if (given.length) super(...given);
        else super(now());
      }
      static now() {
        return now();
      }
    };
    const plain = global.Date;
    global.Date = new Proxy(plain, { apply: () => new plain().toString() });
    plain.prototype.constructor = global.Date;
    let state = BigInt(setup.seed) & 0xffffffffffffffffn;
    // SplitMix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators").
    Math.random = function random() {
      state = (state + 0x9e3779b97f4a7c15n) & 0xffffffffffffffffn;
      let z = state;
      z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & 0xffffffffffffffffn;
      z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & 0xffffffffffffffffn;
      return Number((z ^ (z >> 31n)) >> 11n) / 9007199254740992;
    };
  }

  const threads = fmzNative(setup.own.threading);
  fmzThreads(global, (given) => fmzCall(threads, given), setup.threading, fmzObject, fmzLatin1);
});
