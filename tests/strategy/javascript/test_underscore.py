"""The part of underscore that strategies use: a table of results."""

from __future__ import annotations

from typing import Any

import pytest

TABLE = [
    ("_.map([1, 2], function(x, i) { return x * 10 + i })", "[10,21]"),
    ("_.map({a: 1, b: 2}, function(v, k) { return k + v })", '["a1","b2"]'),
    ("_.map([{n: {m: 1}}], ['n', 'm'])", "[1]"),
    ("_.reduce([1, 2, 3], function(a, b) { return a + b })", "6"),
    ("_.reduce([1, 2, 3], function(a, b) { return a + b }, '')", '"123"'),
    ("_.reduceRight([[0], [1]], function(a, b) { return a.concat(b) }, [])", "[1,0]"),
    ("_.find([1, 2, 3], function(x) { return x > 1 })", "2"),
    ("_.find([{a: 1}, {a: 2, b: 3}], {a: 2})", '{"a":2,"b":3}'),
    ("_.filter([1, 2, 3, 4], function(x) { return x % 2 == 0 })", "[2,4]"),
    ("_.reject([1, 2, 3], function(x) { return x == 2 })", "[1,3]"),
    ("_.every([true, 1]) && !_.every([1, 0]) && _.some([0, 2]) && !_.some([])", "true"),
    ("_.contains([1, 2], 2) && _.contains({a: 5}, 5) && !_.contains([1, 2], 1, 1)", "true"),
    ("_.where([{a: 1, b: 1}, {a: 2}], {a: 1})", '[{"a":1,"b":1}]'),
    ("_.findWhere([{a: 1}, {a: 2, b: 1}], {a: 2})", '{"a":2,"b":1}'),
    ("_.pluck([{a: 1}, {a: 2}], 'a')", "[1,2]"),
    ("_.invoke([[3, 1], [2, 1]], 'sort')", "[[1,3],[1,2]]"),
    ("_.max([3, 9, 2])", "9"),
    ("_.max([{a: 1}, {a: 5}], function(x) { return x.a })", '{"a":5}'),
    ("[_.max([]), _.min([])].map(String)", '["-Infinity","Infinity"]'),
    ("_.min([3, 1, 2])", "1"),
    ("_.sortBy([{a: 3}, {a: 1}, {a: 2}], 'a')", '[{"a":1},{"a":2},{"a":3}]'),
    ("_.sortBy([1, 2, 3], function(x) { return -x })", "[3,2,1]"),
    ("_.groupBy([1.2, 1.5, 2.1], Math.floor)", '{"1":[1.2,1.5],"2":[2.1]}'),
    ("_.indexBy([{k: 'a', v: 1}], 'k')", '{"a":{"k":"a","v":1}}'),
    ("_.countBy([1, 2, 3], function(x) { return x % 2 ? 'odd' : 'even' })", '{"odd":2,"even":1}'),
    ("_.partition([1, 2, 3], function(x) { return x > 1 })", "[[2,3],[1]]"),
    ("[_.size({a: 1, b: 2}), _.size([1]), _.size(null), _.size('abc')]", "[2,1,0,3]"),
    ("_.shuffle([1, 2, 3]).sort()", "[1,2,3]"),
    ("_.sample([4, 4])", "4"),
    ("[_.first([1, 2]), _.first([1, 2, 3], 2), _.last([1, 2]), _.last([1, 2, 3], 2)]", "[1,[1,2],2,[2,3]]"),
    ("[_.initial([1, 2, 3]), _.rest([1, 2, 3]), _.rest([1, 2, 3], 2)]", "[[1,2],[2,3],[3]]"),
    ("_.compact([0, 1, '', null, 2])", "[1,2]"),
    ("[_.flatten([1, [2, [3]]]), _.flatten([1, [2, [3]]], true)]", "[[1,2,3],[1,2,[3]]]"),
    ("_.without([1, 2, 1, 3], 1)", "[2,3]"),
    ("_.union([1, 2], [2, 3])", "[1,2,3]"),
    ("_.intersection([1, 2, 2, 3], [2, 3, 4])", "[2,3]"),
    ("_.difference([1, 2, 3], [2], [3])", "[1]"),
    ("_.uniq([1, 2, 1])", "[1,2]"),
    ("_.uniq([{a: 1}, {a: 1, b: 2}], 'a')", '[{"a":1}]'),
    ("_.zip([1, 2], ['a', 'b'])", '[[1,"a"],[2,"b"]]'),
    ("_.object(['a', 'b'], [1, 2])", '{"a":1,"b":2}'),
    ("_.object([['a', 1]])", '{"a":1}'),
    ("_.chunk([1, 2, 3], 2)", "[[1,2],[3]]"),
    ("[_.indexOf([1, 2], 2), _.lastIndexOf([1, 2, 1], 1), _.findIndex([1, 2], function(x) { return x == 2 })]", "[1,2,1]"),
    ("_.sortedIndex([10, 20, 30], 25)", "2"),
    ("[_.range(3), _.range(1, 4), _.range(0, 10, 5), _.range(3, 0, -1), _.range(0)]", "[[0,1,2],[1,2,3],[0,5],[3,2,1],[]]"),
    ("_.mapObject({a: 1}, function(v, k) { return k + v })", '{"a":"a1"}'),
    ("[_.keys({a: 1}), _.values({a: 1}), _.pairs({a: 1}), _.invert({a: 'b'})]", '[["a"],[1],[["a",1]],{"b":"a"}]'),
    ("_.extend({a: 1}, {b: 2}, {a: 3})", '{"a":3,"b":2}'),
    ("[_.pick({a: 1, b: 2}, 'a'), _.omit({a: 1, b: 2}, 'a')]", '[{"a":1},{"b":2}]'),
    ("_.pick({a: 1, b: 'x'}, function(v) { return _.isNumber(v) })", '{"a":1}'),
    ("_.defaults({a: 1}, {a: 2, b: 3})", '{"a":1,"b":3}'),
    ("_.has({a: {b: 1}}, 'a') && _.has({a: {b: 1}}, ['a', 'b']) && !_.has({}, 'toString')", "true"),
    ("_.isEqual({a: [1, {b: 2}]}, {a: [1, {b: 2}]}) && !_.isEqual({a: 1}, {a: 1, b: 2}) && _.isEqual(NaN, NaN)", "true"),
    ("[_.isEmpty({}), _.isEmpty([1]), _.isEmpty(''), _.isEmpty(null)]", "[true,false,true,true]"),
    ("[_.isNaN(NaN), _.isNaN(undefined), _.isNull(null), _.isUndefined(undefined), _.isFunction(main), _.isArray([])]",
     "[true,false,true,true,true,true]"),
    ("[_.isFinite('3'), _.isFinite(null), _.isFinite(NaN), _.isString('a'), _.isObject([]), _.isObject(1)]",
     "[true,false,false,true,true,false]"),
    ("_.partial(function(a, b, c) { return [a, b, c] }, 1, _, 3)(2)", "[1,2,3]"),
    ("_.bind(function(x) { return this.k + x }, {k: 1}, 2)()", "3"),
    ("(function() { var n = 0, f = _.once(function() { return ++n }); f(); return f() })()", "1"),
    ("_.compose(function(x) { return x + '!' }, function(x) { return x * 2 })(4)", '"8!"'),
    ("_.times(3, function(i) { return i * i })", "[0,1,4]"),
    ("_.chain([3, 1, 2]).sortBy().map(function(x) { return x * 2 }).value()", "[2,4,6]"),
    ("_([1, 2]).map(function(x) { return x + 1 })", "[2,3]"),
    ("_.chain([1]).push(2).concat([3]).value()", "[1,2,3]"),
    ("_.escape('<a & \"b\">')", '"&lt;a &amp; &quot;b&quot;&gt;"'),
    ("_.memoize(function(x) { return x + 1 })(2)", "3"),
    ("_.clone({a: 1})", '{"a":1}'),
    ("_.property('a')({a: 4})", "4"),
    ("_.result({a: function() { return 5 }}, 'a')", "5"),
    ("(function() { var s = ''; _.each({a: 1, b: 2}, function(v, k) { s += k + v }); return s })()", '"a1b2"'),
    ("(function() { var s = 0; _.each([1, 2], function(v) { s += v * this.f }, {f: 10}); return s })()", "30"),
]  # fmt: skip


@pytest.fixture(scope="module")
def results() -> list[str]:
    """All results, from one context."""
    quickjs = pytest.importorskip("quickjs")
    from importlib import resources

    context = quickjs.Context()
    context.eval(
        resources.files("fmzthreads.strategy.javascript").joinpath("underscore.js").read_text(encoding="utf-8")
    )
    context.eval("function main() {}")
    return [context.eval(f"String(JSON.stringify({code}))") for code, _ in TABLE]


@pytest.mark.parametrize("row", range(len(TABLE)), ids=lambda n: TABLE[n][0][:50])
def test_results(results: list[Any], row: int) -> None:
    assert results[row] == TABLE[row][1]


def test_what_needs_timers_says_so(logged: Any) -> None:
    pytest.importorskip("quickjs")
    assert logged("try { _.debounce(main) } catch (e) { Log(e.message) }") == [
        "_.debounce needs timers, which a strategy does not have"
    ]
