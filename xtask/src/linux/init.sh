#!/bin/busybox sh
# First program of the guest: loads i915, runs checks and payload, powers off.
# What the host must know goes through the kernel's log: it has a serial port of its own, and its
# lines are never torn by what a program prints.
/bin/busybox mkdir -p /proc /sys /dev /tmp /run /root /etc /sbin /usr/bin /usr/sbin /gen8emu/bin
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
# We take busybox's tools; the payload those of the overlay where it has some.
/bin/busybox --install -s /gen8emu/bin
/bin/busybox --install -s /bin 2>/dev/null
export PATH=/gen8emu/bin:/bin HOME=/root TERM="${TERM:-linux}"
mount -t debugfs debugfs /sys/kernel/debug
mount -t tracefs tracefs /sys/kernel/tracing
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t tmpfs -o mode=755 tmpfs /run
# As other systems have it; the kernel's own limit is 4096.
ulimit -Hn 524288

say() { echo "<6>gen8emu: $*" >/dev/kmsg; }

# Streams the kernel's tracepoints of i915 to the host.
start_agent() {
    # What of these the kernel has built in is no module.
    for module in virtio_pci virtio_console; do
        modprobe "$module" 2>/dev/null
    done
    gen8-agent start $(cat /gen8emu/agent) 2>/tmp/agent || say "warning no agent: $(cat /tmp/agent)"
}

load_i915() {
    [ -e /sys/bus/pci/devices/0000:00:02.0 ] && say "gpu $(cat /sys/bus/pci/devices/0000:00:02.0/device)"
    if [ -e "/lib/modules/$(uname -r)/i915.ko" ]; then
        say "loading i915"
        # The agent traces i915 from its first breath on: the module is there before it takes the GPU.
        [ -e /gen8emu/agent ] && echo 0 >/sys/bus/pci/drivers_autoprobe
        modprobe i915
        loaded=$?
        if [ -e /gen8emu/agent ]; then
            echo 1 >/sys/bus/pci/drivers_autoprobe
            start_agent
            echo 0000:00:02.0 >/sys/bus/pci/drivers/i915/bind
        fi
        say "modprobe $loaded"
    elif [ -d /lib/modules ] && [ ! -d "/lib/modules/$(uname -r)" ]; then
        say "warning the modules given are not of kernel $(uname -r)"
    fi
    if [ -e /gen8emu/agent ] && [ ! -d "/lib/modules/$(uname -r)" ]; then
        # i915 is built in, and has the GPU already.
        echo 0000:00:02.0 >/sys/bus/pci/drivers/i915/unbind
        start_agent
        echo 0000:00:02.0 >/sys/bus/pci/drivers/i915/bind
    fi
    for node in /dev/dri/card* /dev/dri/renderD*; do
        [ -e "$node" ] && say "node $node"
    done
    for engine in /sys/class/drm/card*/engine/*/name; do
        [ -e "$engine" ] && say "engine $(cat "$engine")"
    done
    interrupt=$(grep i915 /proc/interrupts) && say "interrupt" $interrupt
}

# Warnings of the graphics drivers, ranked so by the kernel itself.
say_warnings() {
    dmesg -r | grep -E '^<[0-4]>' | grep -E 'i915|drm' >/tmp/warnings
    while read -r line; do say "warning $line"; done </tmp/warnings
}

# A disk of programs becomes the payload's root: not to be written, but for what is empty at first.
mount_user_land() {
    # What of these the kernel has built in is no module.
    for module in virtio_pci virtio_blk crc32c_generic ext4; do
        modprobe "$module" 2>/dev/null
    done
    mkdir /userland
    mount -t ext4 -o ro /dev/vda /userland || say "warning there is no disk to mount"
    for directory in dev proc sys gen8emu lib/modules; do
        mount -o rbind "/$directory" "/userland/$directory"
    done
    mount -o bind /tmp /userland/tmp
    for directory in var run root; do
        mount -t tmpfs -o mode=755 tmpfs "/userland/$directory"
    done
    export DISPLAY=:0
}

say "kernel $(uname -r)"
[ -e /gen8emu/i915 ] && load_i915
[ -e /gen8emu/user-land ] && mount_user_land
cd /
export PATH=/bin:/sbin:/usr/bin:/usr/sbin:/usr/local/bin:/gen8emu/bin
if [ -e /gen8emu/checks ]; then
    gen8-checks $(cat /gen8emu/checks) </dev/null
    say "checks $?"
fi
# The environment is for the user's programs only, as is the user land.
with_environment() {
    [ -e /gen8emu/environment ] && . /gen8emu/environment
    if [ -d /userland ]; then
        chroot /userland "$@"
    else
        "$@"
    fi
}
if [ -e /gen8emu/payload ]; then
    say "payload starts"
    (with_environment sh /gen8emu/payload) </dev/null
    say "payload $?"
elif [ -e /gen8emu/interactive ]; then
    (with_environment setsid cttyhack sh)
fi
export PATH=/gen8emu/bin:/bin
[ -e /gen8emu/agent ] && say "views $(gen8-agent settle end 2>&1)"
say_warnings
say "tainted $(cat /proc/sys/kernel/tainted)"
# Where the driver has died this waits for ever; the host then ends the guest.
for wedged in /sys/kernel/debug/dri/*/i915_wedged; do
    [ -e "$wedged" ] && say "wedged $(cat "$wedged")"
done
say "done"
sync
poweroff -f
