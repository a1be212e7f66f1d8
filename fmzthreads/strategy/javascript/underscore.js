// The part of underscore that FMZ's strategies use, over the language's own methods. Names and results follow underscorejs.org.
(function fmzUnderscore() {
  "use strict";
  const isFunction = (value) => typeof value === "function";
  const isObject = (value) => (typeof value === "object" && value !== null) || isFunction(value);
  const isArrayLike = (value) => value !== null && value !== undefined && !isFunction(value) && Number.isInteger(value.length) && value.length >= 0;
  const keys = (object) => (isObject(object) ? Object.keys(object) : []);
  const values = (object) => (typeof object === "string" ? [...object] : isArrayLike(object) ? Array.from(object) : keys(object).map((key) => object[key]));
  const pairs = (object) => keys(object).map((key) => [key, object[key]]);
  const entries = (object) => (isArrayLike(object) ? values(object).map((value, i) => [i, value]) : pairs(object));
  const matches = (wanted) => (object) => object !== null && object !== undefined && keys(wanted).every((key) => object[key] === wanted[key]);
  const get = (object, path) => [].concat(path).reduce((found, key) => (found === null || found === undefined ? undefined : found[key]), object);

  function by(wanted, self) {
    if (wanted === undefined || wanted === null) return (value) => value;
    if (isFunction(wanted)) return self === undefined ? wanted : wanted.bind(self);
    if (isObject(wanted) && !Array.isArray(wanted)) return matches(wanted);
    return (object) => get(object, wanted);
  }

  function compare(a, b) {
    if (a === b) return 0;
    if (a === undefined) return 1;
    if (b === undefined) return -1;
    return a > b ? 1 : a < b ? -1 : 0;
  }

  function isEqual(a, b) {
    if (Object.is(a, b) || a === b) return !(a === 0 && b === 0) || 1 / a === 1 / b;
    if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
    if (Object.prototype.toString.call(a) !== Object.prototype.toString.call(b)) return false;
    if (a instanceof Date) return +a === +b;
    if (a instanceof RegExp) return String(a) === String(b);
    const names = Object.keys(a);
    return names.length === Object.keys(b).length && names.every((name) => Object.hasOwn(b, name) && isEqual(a[name], b[name]));
  }

  function extreme(object, wanted, self, sign) {
    const key = by(wanted, self);
    let best = -sign * Infinity;
    let score = -sign * Infinity;
    for (const [i, value] of entries(object)) {
      const found = key(value, i, object);
      if (found !== null && sign * found > sign * score) [best, score] = [value, found];
    }
    return best;
  }

  function grouped(object, wanted, self, put) {
    const result = {};
    const key = by(wanted, self);
    for (const [i, value] of entries(object)) put(result, key(value, i, object), value);
    return result;
  }

  function flatten(array, depth) {
    return values(array).flat(depth === true ? 1 : depth === undefined || depth === false ? Infinity : depth);
  }

  function unique(array, sorted, wanted) {
    const key = by(isFunction(sorted) || typeof sorted === "string" ? sorted : wanted);
    const seen = new Set();
    return values(array).filter((value, i) => {
      const found = key(value, i, array);
      if (seen.has(found)) return false;
      return seen.add(found);
    });
  }

  function debounceLike(name) {
    return () => {
      throw new Error("_." + name + " needs timers, which a strategy does not have");
    };
  }

  const _ = {
    each(object, call, self) {
      for (const [i, value] of entries(object)) call.call(self, value, i, object);
      return object;
    },
    map: (object, wanted, self) => entries(object).map(([i, value]) => by(wanted, self)(value, i, object)),
    reduce(object, call, ...initial) {
      const rows = entries(object);
      let memo = initial.length ? initial[0] : rows.length ? rows.shift()[1] : undefined;
      for (const [i, value] of rows) memo = call(memo, value, i, object);
      return memo;
    },
    reduceRight(object, call, ...initial) {
      const rows = entries(object).reverse();
      let memo = initial.length ? initial[0] : rows.length ? rows.shift()[1] : undefined;
      for (const [i, value] of rows) memo = call(memo, value, i, object);
      return memo;
    },
    find(object, wanted, self) {
      const found = entries(object).find(([i, value]) => by(wanted, self)(value, i, object));
      return found && found[1];
    },
    filter: (object, wanted, self) => entries(object).filter(([i, value]) => by(wanted, self)(value, i, object)).map((row) => row[1]),
    reject: (object, wanted, self) => entries(object).filter(([i, value]) => !by(wanted, self)(value, i, object)).map((row) => row[1]),
    every: (object, wanted, self) => entries(object).every(([i, value]) => by(wanted, self)(value, i, object)),
    some: (object, wanted, self) => entries(object).some(([i, value]) => by(wanted, self)(value, i, object)),
    contains: (object, value, from) => values(object).slice(from || 0).some((one) => one === value || (one !== one && value !== value)),
    where: (object, wanted) => values(object).filter(matches(wanted)),
    findWhere: (object, wanted) => values(object).find(matches(wanted)),
    pluck: (object, name) => values(object).map((value) => get(value, name)),
    invoke: (object, name, ...given) => values(object).map((value) => (isFunction(name) ? name.apply(value, given) : value[name](...given))),
    max: (object, wanted, self) => extreme(object, wanted, self, 1),
    min: (object, wanted, self) => extreme(object, wanted, self, -1),
    sortBy(object, wanted, self) {
      const key = by(wanted, self);
      return entries(object)
        .map(([i, value]) => [key(value, i, object), value])
        .sort((a, b) => compare(a[0], b[0]))
        .map((row) => row[1]);
    },
    groupBy: (object, wanted, self) => grouped(object, wanted, self, (result, key, value) => (Object.hasOwn(result, key) ? result[key].push(value) : (result[key] = [value]))),
    indexBy: (object, wanted, self) => grouped(object, wanted, self, (result, key, value) => (result[key] = value)),
    countBy: (object, wanted, self) => grouped(object, wanted, self, (result, key) => (result[key] = (Object.hasOwn(result, key) ? result[key] : 0) + 1)),
    partition(object, wanted) {
      const result = [[], []];
      for (const [i, value] of entries(object)) result[by(wanted)(value, i, object) ? 0 : 1].push(value);
      return result;
    },
    toArray: (object) => values(object),
    size: (object) => (object === null || object === undefined ? 0 : isArrayLike(object) ? object.length : keys(object).length),
    shuffle(object) {
      const result = values(object);
      for (let i = result.length - 1; i > 0; i--) {
        const j = Math.floor(Math.random() * (i + 1));
        [result[i], result[j]] = [result[j], result[i]];
      }
      return result;
    },
    sample: (object, count) => (count === undefined ? _.shuffle(object)[0] : _.shuffle(object).slice(0, Math.max(0, count))),
    first: (array, count) => (count === undefined ? array && array[0] : values(array).slice(0, Math.max(0, count))),
    initial: (array, count) => values(array).slice(0, Math.max(0, array.length - (count === undefined ? 1 : count))),
    last: (array, count) => (count === undefined ? array && array[array.length - 1] : values(array).slice(Math.max(0, array.length - count))),
    rest: (array, count) => values(array).slice(count === undefined ? 1 : count),
    compact: (array) => values(array).filter(Boolean),
    flatten,
    without: (array, ...others) => values(array).filter((value) => !others.includes(value)),
    union: (...arrays) => unique(arrays.flatMap(values)),
    intersection: (first, ...others) => unique(first).filter((value) => others.every((other) => values(other).includes(value))),
    difference: (array, ...others) => values(array).filter((value) => !others.flatMap(values).includes(value)),
    uniq: unique,
    zip: (...arrays) => _.range(Math.max(0, ...arrays.map((array) => array.length))).map((i) => arrays.map((array) => array[i])),
    unzip: (array) => _.zip(...values(array)),
    object: (names, found) => Object.fromEntries(found ? values(names).map((name, i) => [name, found[i]]) : values(names)),
    chunk: (array, count) => (count >= 1 ? _.range(0, array.length, count).map((i) => array.slice(i, i + count)) : []),
    indexOf: (array, value, from) => (array ? (typeof from === "number" ? values(array).indexOf(value, from) : values(array).indexOf(value)) : -1),
    lastIndexOf: (array, value) => (array ? values(array).lastIndexOf(value) : -1),
    findIndex: (array, wanted, self) => values(array).findIndex((value, i) => by(wanted, self)(value, i, array)),
    findLastIndex: (array, wanted, self) => values(array).findLastIndex((value, i) => by(wanted, self)(value, i, array)),
    sortedIndex(array, value, wanted) {
      const key = by(wanted);
      const found = array.findIndex((one) => !(key(one) < key(value)));
      return found < 0 ? array.length : found;
    },
    range(start, stop, step) {
      if (stop === undefined || stop === null) [start, stop] = [0, start || 0];
      step = step || (stop < start ? -1 : 1);
      return Array.from({ length: Math.max(0, Math.ceil((stop - start) / step)) }, (_unused, i) => start + i * step);
    },
    keys,
    allKeys(object) {
      const found = [];
      for (const key in Object(object)) found.push(key);
      return found;
    },
    values,
    mapObject: (object, wanted, self) => Object.fromEntries(pairs(object).map(([key, value]) => [key, by(wanted, self)(value, key, object)])),
    pairs,
    invert: (object) => Object.fromEntries(pairs(object).map(([key, value]) => [value, key])),
    functions: (object) => _.allKeys(object).filter((key) => isFunction(object[key])).sort(),
    findKey: (object, wanted, self) => keys(object).find((key) => by(wanted, self)(object[key], key, object)),
    extend: (object, ...others) => (others.forEach((other) => _.allKeys(other).forEach((key) => (object[key] = other[key]))), object),
    extendOwn: (object, ...others) => Object.assign(object, ...others),
    pick(object, ...names) {
      if (isFunction(names[0])) return Object.fromEntries(Object.entries(object).filter(([key, value]) => names[0](value, key, object)));
      return Object.fromEntries(names.flat(Infinity).filter((name) => name in Object(object)).map((name) => [name, object[name]]));
    },
    omit(object, ...names) {
      const wanted = isFunction(names[0]) ? (key, value) => names[0](value, key, object) : (key) => names.flat(Infinity).map(String).includes(key);
      return Object.fromEntries(Object.entries(object).filter(([key, value]) => !wanted(key, value)));
    },
    defaults: (object, ...others) => (others.forEach((other) => _.allKeys(other).forEach((key) => object[key] === undefined && (object[key] = other[key]))), object),
    clone: (object) => (!isObject(object) ? object : Array.isArray(object) ? object.slice() : { ...object }),
    tap: (object, call) => (call(object), object),
    has: (object, path) => [].concat(path).every((key) => object !== null && object !== undefined && Object.hasOwn(Object(object), key) && ((object = object[key]), true)),
    get: (object, path, missing) => (get(object, path) === undefined ? missing : get(object, path)),
    property: (path) => (object) => get(object, path),
    propertyOf: (object) => (path) => get(object, path),
    matcher: matches,
    matches,
    isMatch: (object, wanted) => matches(wanted)(object),
    isEqual,
    isEmpty: (object) => object === null || object === undefined || _.size(object) === 0,
    isArray: Array.isArray,
    isObject,
    isFunction,
    isString: (value) => typeof value === "string" || value instanceof String,
    isNumber: (value) => typeof value === "number" || value instanceof Number,
    isFinite: (value) => typeof value !== "symbol" && value !== null && value !== "" && isFinite(value) && !isNaN(parseFloat(value)),
    isBoolean: (value) => value === true || value === false || value instanceof Boolean,
    isDate: (value) => value instanceof Date,
    isRegExp: (value) => value instanceof RegExp,
    isError: (value) => value instanceof Error,
    isNaN: (value) => _.isNumber(value) && isNaN(value),
    isNull: (value) => value === null,
    isUndefined: (value) => value === undefined,
    bind: (call, self, ...given) => call.bind(self, ...given),
    partial: (call, ...given) => function partial(...more) {
      const waiting = more.slice();
      const placed = given.map((value) => (value === globalThis._ ? waiting.shift() : value));
      return call.apply(this, [...placed, ...waiting]);
    },
    memoize(call, hash) {
      const kept = {};
      return function memoized(...given) {
        const key = String(hash ? hash.apply(this, given) : given[0]);
        if (!Object.hasOwn(kept, key)) kept[key] = call.apply(this, given);
        return kept[key];
      };
    },
    once(call) {
      let result, done;
      return function once() {
        if (!done) [done, result] = [true, call.apply(this, arguments)];
        return result;
      };
    },
    after: (count, call) => function after() {
      if (--count < 1) return call.apply(this, arguments);
    },
    before(count, call) {
      let result;
      return function before() {
        if (--count > 0) result = call.apply(this, arguments);
        return result;
      };
    },
    wrap: (call, around) => _.partial(around, call),
    negate: (call) => function negated() {
      return !call.apply(this, arguments);
    },
    compose: (...calls) => function composed() {
      let i = calls.length - 1;
      let result = calls[i].apply(this, arguments);
      while (i--) result = calls[i].call(this, result);
      return result;
    },
    delay: debounceLike("delay"),
    defer: debounceLike("defer"),
    throttle: debounceLike("throttle"),
    debounce: debounceLike("debounce"),
    identity: (value) => value,
    constant: (value) => () => value,
    noop: () => {},
    times: (count, call, self) => _.range(Math.max(0, count)).map((i) => call.call(self, i)),
    random: (low, high) => (high === undefined || high === null ? Math.floor(Math.random() * (low + 1)) : low + Math.floor(Math.random() * (high - low + 1))),
    now: () => Date.now(),
    uniqueId: (prefix) => (prefix === undefined ? "" : prefix) + ++_.uniqueId.count,
    escape: (text) => (text === null || text === undefined ? "" : String(text).replace(/[&<>"'`]/g, (mark) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;", "`": "&#x60;" })[mark])),
    result: (object, path, missing) => {
      const found = get(object, path);
      return found === undefined ? (isFunction(missing) ? missing.call(object) : missing) : isFunction(found) ? found.call(object) : found;
    },
    noConflict: () => _,
  };
  _.uniqueId.count = 0;
  Object.assign(_, {
    forEach: _.each, collect: _.map, foldl: _.reduce, inject: _.reduce, foldr: _.reduceRight, detect: _.find, select: _.filter, all: _.every, any: _.some,
    include: _.contains, includes: _.contains, head: _.first, take: _.first, tail: _.rest, drop: _.rest, unique, assign: _.extendOwn, methods: _.functions,
    transpose: _.unzip,
  });

  // _(list).map(...) and _.chain(list).map(...).value()
  class Wrapped {
    constructor(value, chained) {
      this._wrapped = value;
      this._chained = chained;
    }
    value() {
      return this._wrapped;
    }
    chain() {
      return new Wrapped(this._wrapped, true);
    }
    toString() {
      return String(this._wrapped);
    }
    toJSON() {
      return this._wrapped;
    }
  }
  for (const name of Object.keys(_)) {
    Wrapped.prototype[name] ??= function method(...given) {
      const result = _[name](this._wrapped, ...given);
      return this._chained ? new Wrapped(result, true) : result;
    };
  }
  for (const name of ["push", "pop", "shift", "unshift", "reverse", "sort", "splice", "concat", "join", "slice"]) {
    Wrapped.prototype[name] = function method(...given) {
      const result = Array.prototype[name].apply(this._wrapped, given);
      const shown = ["concat", "join", "slice"].includes(name) ? result : this._wrapped;
      return this._chained ? new Wrapped(shown, true) : shown;
    };
  }
  const wrap = (value) => (value instanceof Wrapped ? value : new Wrapped(value, false));
  globalThis._ = Object.assign(wrap, _, { chain: (value) => new Wrapped(value, true) });
})();
