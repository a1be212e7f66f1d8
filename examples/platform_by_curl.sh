#!/bin/sh
# A robot's life over the extended API, by curl: create, list, log, command, stop, restart, stop, delete.
#
#   URL=http://127.0.0.1:8080/api/v1 ACCESS_KEY=... SECRET_KEY=... sh examples/platform_by_curl.sh STRATEGY_ID EXCHANGE_PID PAIR
#
# The same script works with FMZ's own site (URL=https://www.fmz.com/api/v1). A call is signed by the MD5 of
# version|method|args|nonce|secretKey; the nonce is the time in milliseconds, and grows with each call of a key.
set -eu
: "${URL:?the address of the API}" "${ACCESS_KEY:?the access key}" "${SECRET_KEY:?the secret key}"
strategy=${1:-1} pid=${2:-1} pair=${3:-BTC_USDT}
nonce=$(($(date +%s) * 1000))

md5() {
    if command -v md5sum >/dev/null; then md5sum | cut -d ' ' -f 1; else /sbin/md5 -q; fi
}

# call METHOD ARGS: leaves the reply in $reply.
call() {
    nonce=$((nonce + 1))
    sign=$(printf '%s' "1.0|$1|$2|$nonce|$SECRET_KEY" | md5)
    reply=$(curl -sS --max-time 60 "$URL" --data-urlencode version=1.0 --data-urlencode "access_key=$ACCESS_KEY" \
        --data-urlencode "method=$1" --data-urlencode "args=$2" --data-urlencode "nonce=$nonce" --data-urlencode "sign=$sign")
}

show() {
    echo "== $1 $2"
    call "$1" "$2"
    echo "$reply"
}

# field NAME: the number of a field in the reply.
field() {
    printf '%s' "$reply" | sed -n "s/.*\"$1\": *\(-*[0-9]*\).*/\1/p"
}

# wait_for STATUS...: until the robot has one of these status codes (1 running, 2 stopping, 3 exited, 4 stopped, 5 error).
wait_for() {
    for _ in $(seq 300); do
        call GetRobotDetail "[$robot]"
        case " $* " in *" $(field status) "*) return ;; esac
        sleep 0.2
    done
    echo "expected one of the states $*, got: $reply" >&2
    exit 1
}

# The newest 50 lines of the log, 10 points of the profit curve, 1000 bytes of the status bar.
pages="0, 0, 0, 50, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 1000"

show NewRobot "[{\"name\": \"by curl\", \"strategy\": $strategy, \"args\": [[\"amount\", 3]], \"exchanges\": [{\"pid\": $pid, \"pair\": \"$pair\"}]}]"
robot=$(field result)
wait_for 1
show GetRobotList '{"offset": 0, "length": 10}'
for _ in $(seq 300); do # a robot takes a second or two until its first line
    call GetRobotLogs "[$robot, $pages]"
    case $reply in *'"logs": [{"Total": 0,'*) ;; *) break ;; esac
    sleep 0.2
done
sleep 1
show GetRobotLogs "[$robot, $pages]"
show CommandRobot "[$robot, \"hello:curl\"]"
show StopRobot "[$robot]"
wait_for 3 4
show RestartRobot "[$robot]"
wait_for 1
show StopRobot "[$robot]"
wait_for 3 4
show DeleteRobot "[$robot, true]"
