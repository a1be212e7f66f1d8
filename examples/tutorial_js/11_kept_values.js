// What survives a restart: _G keeps values by name, DBExec is the strategy's own database.
function main() {
    _G("runs", (_G("runs") || 0) + 1)
    Log("this is run", _G("runs"), "of robot", _G() > 0)
    DBExec("CREATE TABLE IF NOT EXISTS prices (time INTEGER, price REAL)")
    DBExec("INSERT INTO prices VALUES (?, ?)", Unix(), _C(exchange.GetTicker).Last)
    var rows = DBExec("SELECT count(*) AS n, min(price) AS low FROM prices")
    Log(rows.columns, "rows", rows.values[0][0])
    _G("note", {list: [1, 2], text: "kept"})
    Log(_G("NOTE"))
    _G("note", null)
    Log("deleted:", _G("note"))
}
