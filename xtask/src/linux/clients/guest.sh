# Runs Debian's GPU clients, one after the other, and tells the host what each said. The lines
# below that start with `client` are made from the table in `cases.rs`.
export PATH="$PATH:/usr/libexec/igt-gpu-tools/benchmarks"

tell() { echo "<6>gen8emu: client $*" >/dev/kmsg; }

# client NUMBER LIMIT BEFORE BESIDE COMMAND FILTER: runs COMMAND for at most LIMIT seconds, after
# BEFORE and while BESIDE runs. What it says goes to the host through FILTER.
client() {
    tell "$1 starts"
    [ -z "$3" ] || sh -c "$3" >/tmp/before 2>&1 </dev/null
    load=
    if [ -n "$4" ]; then
        sh -c "exec $4" >/dev/null 2>&1 </dev/null &
        load=$!
        sleep 1
    fi
    timeout "$2" sh -c "exec $5" >/tmp/said 2>&1 </dev/null
    status=$?
    if [ -n "$load" ]; then
        kill "$load"
        wait "$load"
    fi
    # The kernel cuts its messages at about 1000 bytes.
    sh -c "$6" </tmp/said | cut -c 1-900 >/tmp/told
    while IFS= read -r line; do tell "$1 | $line"; done </tmp/told
    tell "$1 exit $status"
}

