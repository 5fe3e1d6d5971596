#!/bin/sh
# x-server start [--accel none|glamor] [ARGUMENT...]: starts X on a virtual terminal of its own and
# returns when it answers; the arguments are the X server's (-background none). Without acceleration
# unless told so: nothing executes 3D commands, and what glamor draws stays black.
# x-server wait TITLE...: returns when windows of these titles are on the screen.
# x-server stop: ends it and returns when it is gone.
# Its log is /var/log/Xorg.0.log, what it prints /var/log/Xorg.out. DISPLAY is :0.
state=/run/x-server
log=/var/log/Xorg.0.log

fail() { echo "x-server: $*" >&2; exit 1; }

# Alive, and not a process that ended and that nobody waited for.
alive() { [ -e "/proc/$(cat $state/pid 2>/dev/null)/exe" ]; }

# wait_until SECONDS COMMAND...
wait_until() {
    tries=$(($1 * 10))
    shift
    while [ $tries -gt 0 ]; do
        "$@" && return
        sleep 0.1
        tries=$((tries - 1))
    done
    return 1
}

settled() { [ -s $state/display ] || ! alive; }
gone() { ! alive; }

start() {
    accel=none
    if [ "$1" = --accel ]; then
        accel=$2
        shift 2
    fi
    case $accel in none | glamor) ;; *) fail "there is none and glamor, not '$accel'" ;; esac
    alive && fail "X is running already"
    rm -rf $state
    mkdir -p $state /var/log /var/lib/xkb
    cat >$state/xorg.conf <<END
Section "ServerFlags"
    Option "AutoAddDevices" "off"
    Option "AutoAddGPU" "off"
EndSection
Section "Files"
    FontPath "/usr/share/fonts/X11/misc"
    FontPath "built-ins"
EndSection
Section "Device"
    Identifier "gpu"
    Driver "modesetting"
    Option "kmsdev" "/dev/dri/card0"
    Option "AccelMethod" "$accel"
EndSection
END
    : >$state/display
    /usr/lib/xorg/Xorg :0 vt7 -config $state/xorg.conf -logfile $log -noreset \
        -displayfd 3 "$@" \
        </dev/null >/var/log/Xorg.out 2>&1 3>$state/display &
    echo $! >$state/pid
    if ! wait_until 120 settled || ! alive; then
        tail -n 20 $log >&2
        fail "X did not start; see $log"
    fi
}

# The picture of a window that is not there, or not shown, cannot be had.
shown() { xwd -silent -name "$1" >/dev/null 2>&1; }

wait_for() {
    for title in "$@"; do
        wait_until 60 shown "$title" || fail "there is no window '$title'"
    done
}

stop() {
    alive || fail "X is not running"
    kill "$(cat $state/pid)"
    if ! wait_until 60 gone; then
        kill -KILL "$(cat $state/pid)"
        fail "X did not end by itself within 60 s"
    fi
}

command=$1
[ $# -gt 0 ] && shift
case $command in
start) start "$@" ;;
wait) wait_for "$@" ;;
stop) stop ;;
*) fail "say start, wait or stop" ;;
esac
