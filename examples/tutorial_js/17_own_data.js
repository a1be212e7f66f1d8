// Data of one's own beside the prices: SetData keeps rows of [ms, value], GetData gives the newest row whose time has come.
function main() {
    var now = new Date().getTime()
    var length = exchange.SetData("mood", [[now - 60000, "calm"], [now - 1000, {level: 2}], [now + 3600000, "not yet"]])
    Log("kept", length, "characters")
    var found = exchange.GetData("mood")
    Log("at", now - found.Time, "ms before:", found.Data)
    Log("of another name:", exchange.GetData("none"))
}
