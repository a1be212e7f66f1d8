// FMZ's names for a strategy in JavaScript, over one native function: __fmz_native(object, name, ...arguments).
//
// Arguments cross as numbers, booleans, texts and null; what else there is crosses as JSON behind a mark, since texts end at a null character on their way. Results come back alike, texts with a letter
// before them: s a text, j JSON, b bytes, o an object, u undefined, e an error. Object 0 stands for the global functions.
(function fmzPrelude(native, setup) {
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

  function fmzResult(result) {
    if (typeof result !== "string") return result;
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

  function fmzCall(object, name, args) {
    let count = args.length;
    while (count && args[count - 1] === undefined) count--;
    switch (count) {
      case 0:
        return fmzResult(native(object, name));
      case 1:
        return fmzResult(native(object, name, fmzArgument(args[0])));
      case 2:
        return fmzResult(native(object, name, fmzArgument(args[0]), fmzArgument(args[1])));
    }
    const given = [object, name];
    for (let i = 0; i < count; i++) given.push(fmzArgument(args[i]));
    return fmzResult(native.apply(null, given));
  }

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

  function fmzFunction(object, name, texts) {
    if (texts === undefined) {
      return function fmzApi() {
        return fmzCall(object, name, arguments);
      };
    }
    // From this place on, arguments are texts for the log.
    return function fmzApi() {
      const given = slice.call(arguments, 0, texts);
      for (let i = texts; i < arguments.length; i++) given.push(fmzShown(arguments[i]));
      return fmzCall(object, name, given);
    };
  }

  const TEXTS = {
    Log: 0, LogStatus: 0, LogError: 0, Panic: 0, LogProfit: 1, "exchange.Buy": 2, "exchange.Sell": 2, "exchange.CancelOrder": 1,
    "exchange.CreateOrder": 4, "exchange.CreateConditionOrder": 4, "exchange.Log": 3,
  };

  // The methods of KLineChart take their optional arguments in an object at the end.
  function fmzDrawing(object, name) {
    return function fmzApi() {
      const given = slice.call(arguments);
      const last = given[given.length - 1];
      const options = given.length > 1 && last !== null && typeof last === "object" && !Array.isArray(last) ? given.pop() : {};
      return fmzCall(object, "__keywords__", [name, options, ...given]);
    };
  }

  function fmzObject(description) {
    const [id, kind, methods, fields] = description;
    const made = Object.assign({}, fields);
    for (const name of methods) {
      if (kind === "exchange") made[name] = fmzFunction(id, name, TEXTS["exchange." + name]);
      else if (kind === "kline" && !["begin", "close", "reset", "signal"].includes(name)) made[name] = fmzDrawing(id, name);
      else made[name] = fmzFunction(id, name);
    }
    if (kind === "exchange") {
      made.Go = function fmzApi(method) {
        const given = slice.call(arguments);
        const texts = TEXTS["exchange." + method];
        return fmzCall(id, "Go", texts === undefined ? given : given.map((value, i) => (i > texts ? fmzShown(value) : value)));
      };
      made.toString = () => made.GetName();
    }
    return Object.defineProperty(made, "__id", { value: id });
  }

  // TA: a number for each bar, NaN where there is none yet.
  const CLOSES = ["MA", "SMA", "EMA", "MACD", "BOLL", "RSI"];

  function fmzColumns(name, records) {
    if (!Array.isArray(records) || !records.length || typeof records[0] !== "object") return records;
    if (CLOSES.includes(name)) return records.map((bar) => bar.Close);
    return records.map((bar) => ({ Time: bar.Time, Open: bar.Open, High: bar.High, Low: bar.Low, Close: bar.Close, Volume: bar.Volume }));
  }

  function fmzGaps(value) {
    if (Array.isArray(value)) return value.map(fmzGaps);
    return value === null ? NaN : value;
  }

  const TA = {};
  for (const name of setup.indicators) {
    TA[name] = function fmzApi(records) {
      const given = slice.call(arguments);
      given[0] = fmzColumns(name, records);
      return fmzGaps(fmzCall(setup.ta, name, given));
    };
  }

  const talib = new Proxy(
    {},
    {
      get(target, name) {
        if (typeof name !== "string") return undefined;
        return (target[name] ??= function fmzApi() {
          const given = slice.call(arguments);
          given[0] = Array.isArray(given[0]) && typeof given[0][0] === "object" ? fmzColumns("", given[0]) : given[0];
          return fmzGaps(fmzCall(0, "__talib__", [name, ...given]));
        });
      },
    },
  );

  for (const name of setup.functions) global[name] = fmzFunction(0, name, TEXTS[name]);
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
    const given = [ms === undefined || ms === null ? null : (ms instanceof Date ? ms.getTime() : ms) / 1000];
    if (format !== undefined) given.push(fmzFormat(format));
    return fmzCall(0, "_D", given);
  };
  // yyyy-MM-dd hh:mm:ss as FMZ's JavaScript writes it; %Y and the like go through as they are.
  function fmzFormat(format) {
    if (format.includes("%")) return format;
    const parts = { yyyy: "%Y", MM: "%m", dd: "%d", hh: "%H", HH: "%H", mm: "%M", ss: "%S" };
    return format.replace(/yyyy|MM|dd|hh|HH|mm|ss/g, (part) => parts[part]);
  }
  const store = fmzFunction(0, "_G");
  global._G = function fmzApi(key, value) {
    if (arguments.length > 1 && value === undefined) return store(key, null);
    return store.apply(null, arguments);
  };

  global.TA = TA;
  global.talib = talib;
  global.exchanges = setup.exchanges.map(fmzObject);
  global.exchange = global.exchanges.length ? global.exchanges[0] : null;
  global.$ = {};

  function fmzPrinter(stream) {
    return function fmzApi() {
      native(0, "__print__", stream, fmzArgument(slice.call(arguments).map(fmzShown).join(" ")));
    };
  }
  global.console = { log: fmzPrinter("out"), info: fmzPrinter("out"), debug: fmzPrinter("out"), warn: fmzPrinter("err"), error: fmzPrinter("err") };
  global.require = function fmzApi(name) {
    throw new Error("require(" + stringify(name) + ") is not there: a strategy is one file, with templates beside it");
  };

  // In a backtest, dates and chance are the strategy's own.
  if (setup.virtual) {
    const Real = Date;
    const now = () => native(0, "__now_ms__");
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

  fmzThreads(global, fmzCall, fmzResult, fmzArgument, setup);
  return fmzObject;
});
