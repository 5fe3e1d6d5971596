# X with two clocks and a terminal; docs/x.png is its picture. What must be on it: rows.rs.
date -s '2001-02-03 09:10:00' >/dev/null
x-server start -retro || exit 1
xclock -title day -digital -norender -fn 10x20 -strftime '%A, %d %B %Y' -geometry +690+60 &
xclock -title hour -geometry 276x276+690+150 &
xterm -T terminal -fn 10x20 -geometry 58x18+60+60 -e sh -c '
    echo "$ uname -sr"; uname -sr
    echo "$ cat /sys/class/drm/card*-HDMI-A-1/status"; cat /sys/class/drm/card*-HDMI-A-1/status
    echo "$ head -n 2 /var/log/Xorg.0.log"; head -n 2 /var/log/Xorg.0.log
    echo "$ xclock &"
    echo "Drawn by X, scanned out by gen8emu"
    sleep 600' &
x-server wait day hour terminal
