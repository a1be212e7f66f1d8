// Digests and signatures; the keys of the account stand in for themselves, so that they are in no strategy.
function main() {
    Log(Encode("md5", "string", "hex", "hello world"), MD5("hello world"))
    Log(Encode("sha256", "raw", "hex", "example", "raw", "123"))
    var signed = exchange.Encode("sha256", "string", "hex", "symbol=BTCUSDT&timestamp=1", "string", "{{secretkey}}")
    Log("a signature of", signed.length, "digits", signed == exchange.HMAC("sha256", "hex", "symbol=BTCUSDT&timestamp=1", "{{secretkey}}"))
}
