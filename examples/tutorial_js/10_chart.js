// A chart in Highcharts' form: a line for the price and one for its average, a point a turn; the last point of equal time is replaced.
var config = {
    __isStock: true,
    tooltip: {xDateFormat: "%Y-%m-%d %H:%M:%S, %A"},
    title: {text: "price and average"},
    xAxis: {type: "datetime"},
    series: [{name: "price", type: "line", data: []}, {name: "average", type: "line", data: []}]
}

function main() {
    var chart = Chart(config)
    chart.reset()
    var prices = []
    for (var turn = 0; turn < 6; turn++) {
        prices.push(_C(exchange.GetTicker).Last)
        var time = new Date().getTime()
        var latest = prices.slice(-3)
        chart.add(0, [time, prices[prices.length - 1]])
        chart.add([1, [time, _N(_.reduce(latest, function(a, b) { return a + b }) / latest.length, 2)]])
        Sleep(300)
    }
    chart.add(0, [new Date().getTime(), prices[0]], -1)
    config.title.text = "price, and average of three"
    chart.update(config)
    Log("drawn", prices.length, "prices")
}
