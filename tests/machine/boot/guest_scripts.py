"""What the guests of boots run: INIT, with one of the scripts in it. They end at the first command that fails, and
"guest: ..." is a complaint."""

INIT = """#!/bin/sh
/bin/busybox mkdir -p /proc /sys /dev /mnt /bin /tmp
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
for module in $(cat /modules/order 2>/dev/null); do
    insmod /modules/$module || echo "guest: no $module"
done
cpus=$(grep -c ^processor /proc/cpuinfo)
[ $cpus = @CPUS@ ] || echo "guest: $cpus CPUs"
set -e
@SCRIPT@
echo guest: all is well
poweroff -f
"""

# What every case does: processes, files, signals and time, for a moment.
WORK = """
for i in 1 2 3 4 5 6 7 8; do (echo $i | sha256sum >/tmp/$i) & done; wait
[ $(cat /tmp/[1-8] | sort -u | wc -l) = 8 ]
sleep 0.2
dd if=/dev/urandom of=/tmp/a bs=1M count=2 2>/dev/null; gzip -c /tmp/a | gunzip | cmp - /tmp/a
"""

# Programs that check themselves. Of both modes of memory tagging at once the CPU is to make the asymmetric one.
PROGRAMS = """
for cpu in /sys/devices/system/cpu/cpu*/mte_tcf_preferred; do [ ! -e $cpu ] || echo asymm >$cpu; done
for program in @PROGRAMS@; do $program || { echo "guest: $program failed"; poweroff -f; }; done
"""

# Without -machine mte=on the kernel finds no memory tagging.
NO_TAGS = """
grep -q ^Features /proc/cpuinfo
! grep -qw mte /proc/cpuinfo
"""

DISK = """
[ "$(cat /sys/block/vda/size)" = 32768 ]
mount -t ext4 /dev/vda /mnt
[ "$(cat /mnt/hello)" = "from the host" ]
sha256sum /mnt/noise | cut -c1-64 >/mnt/sum
dd if=/dev/zero of=/mnt/zeros bs=64k count=20 2>/dev/null
umount /mnt
"""

# What PORTS has in front of DISK: both ports, what is behind them, and messages from there.
PORTS = """
[ "$(cat /sys/bus/pci/devices/0000:00:03.0/class /sys/bus/pci/devices/0000:00:03.1/class | uniq)" = 0x060400 ]
[ -d /sys/bus/pci/devices/0000:00:03.1/0000:02:00.0/virtio* ]
grep -E "virtio.*req.*|virtio.*requests" /proc/interrupts | grep -q MSI
""" + DISK

# A disk, a CD, and a drive without one.
SCSI = """
[ "$(cat /sys/block/sda/size)" = 32768 ]
[ "$(cat /sys/block/sda/device/vendor /sys/block/sda/device/model | tr -s ' ')" = "$(printf 'QEMU \\nQEMU HARDDISK ')" ]
[ "$(tail -c +5 /sys/block/sda/device/vpd_pg80)" = abc ]
[ "$(cat /sys/block/sda/queue/discard_max_bytes)" != 0 ]
[ "$(cat /sys/block/sda/queue/write_cache)" = "write back" ]
mount -t ext4 -o discard /dev/sda /mnt
[ "$(cat /mnt/hello)" = "from the host" ]
sha256sum /mnt/noise | cut -c1-64 >/mnt/sum
dd if=/dev/zero of=/mnt/zeros bs=64k count=20 2>/dev/null
sync; rm /mnt/zeros; fstrim /mnt
umount /mnt
mount -t ext4 -o ro /dev/sr0 /mnt
[ "$(cat /mnt/hello)" = "from a CD" ]
(sleep 0.3; echo take the CD out) &
sleep 1
[ "$(cat /mnt/hello)" = "from a CD" ]
umount /mnt
(sleep 0.3; echo change the CD) &
sleep 2 # who has it open locks it, and then it is not changed
until mount -t ext4 -o ro /dev/sr0 /mnt 2>/dev/null && [ "$(cat /mnt/hello)" = "from another CD" ]; do
    umount /mnt 2>/dev/null || true; sleep 0.2
done
[ "$(cat /sys/block/sr0/size)" = 24576 ]
umount /mnt
(sleep 0.3; echo take the other CD out) &
sleep 2
while dd if=/dev/sr0 of=/dev/null bs=4k count=1 2>/tmp/error; do sleep 0.2; done
grep "No medium found" /tmp/error
grep -q "drive name:.*sr1.*sr0" /proc/sys/dev/cdrom/info
dd if=/dev/sr1 of=/dev/null 2>/tmp/error || grep "No medium found" /tmp/error >/tmp/missing
[ -s /tmp/missing ]
"""

NETWORK = """
ip link set lo up
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0
ip route add default via 10.0.2.2
wget -q -O /tmp/page http://10.0.2.2:@PORT@/page
[ "$(sha256sum </tmp/page | cut -c1-64)" = @SUM@ ]
"""

# What another machine on the same network has; it serves until it is killed.
LINK = """
ip link set eth0 up
ip addr add 10.9.0.1/24 dev eth0
until wget -q -O /tmp/page http://10.9.0.2/page; do sleep 0.2; done
wget -q -O /tmp/sum http://10.9.0.2/sum
[ "$(sha256sum </tmp/page | cut -c1-64)" = "$(cat /tmp/sum)" ]
ping -c 1 -s 1400 10.9.0.2
"""

LINK_PEER = """
ip link set eth0 up
ip addr add 10.9.0.2/24 dev eth0
mkdir /www
dd if=/dev/urandom of=/www/page bs=64k count=48 2>/dev/null
sha256sum </www/page | cut -c1-64 >/www/sum
httpd -f -h /www
"""

# Somebody outside changes the balloon.
BALLOON = """
total() { grep MemTotal: /proc/meminfo | tr -dc 0-9; }
(sleep 0.3; echo take memory) &
until [ $(total) -lt 340000 ]; do sleep 0.1; done
(sleep 0.3; echo give memory) &
until [ $(total) -gt 400000 ]; do sleep 0.1; done
dd if=/dev/zero of=/tmp/a bs=1M count=200 2>/dev/null
""" + WORK

HOTPLUG = """
online=/sys/devices/system/cpu/cpu1/online
for i in 1 2 3; do
    echo 0 >$online; [ $(grep -c ^processor /proc/cpuinfo) = 1 ]
    echo 1 >$online; [ $(grep -c ^processor /proc/cpuinfo) = 2 ]
done
""" + WORK

# Devices behind root ports, and a disk on a SCSI bus, come; two of them go at the same time, since drivers wait five
# seconds before they let go, and one more before they switch the light off; another comes in the place of one.
PCI_HOTPLUG = """
say() { (sleep 0.3; echo $1) & }
is() { until [ "$(cat $1 2>/dev/null)" = "$2" ]; do sleep 0.1; done; }
is_gone() { while [ -e $1 ]; do sleep 0.1; done; }
say "plug the disk in"; is /sys/block/vda/size 32768
mount -t ext4 -o ro /dev/vda /mnt; [ "$(cat /mnt/hello)" = "from the host" ]; umount /mnt
say "plug the network in"; is /sys/class/net/eth0/address 52:54:00:12:34:57
ifconfig eth0 10.0.2.15 up; ping -c 1 10.0.2.2 >/dev/null
say "pull the cable"; is /sys/class/net/eth0/carrier 0
say "put it in again"; is /sys/class/net/eth0/carrier 1
say "take both out"; is_gone /sys/block/vda; is_gone /sys/class/net/eth0; sleep 2
say "plug the disk in again"; is /sys/block/vda/serial second
say "save the machine"; sleep 1
say "load it again"; sleep 1
cmp /dev/vda /dev/vda
say "plug the SCSI disk in"; is /sys/block/sda/size 32768
[ "$(cat /sys/class/scsi_device/*/device/type)" = 0 ]
say "take the SCSI disk out"; is_gone /sys/block/sda
say "change nothing"; sleep 1
[ -e /sys/block/vda ]
"""

# Tables instead of a tree: all are there, and the devices that they name.
ACPI = """
for table in APIC DBG2 DSDT FACP GTDT IORT MCFG PPTT SPCR; do [ -s /sys/firmware/acpi/tables/$table ]; done
[ ! -e /proc/device-tree/cpus ]
for id in ACPI0007 ACPI0013 ARMH0011 LNRO0005 PNP0A08 PNP0C0C PNP0C0F QEMU0002; do
    [ -e /sys/bus/acpi/devices/$id:00 ]
done
[ -e /sys/bus/virtio/drivers/virtio_net/virtio* ]
[ "$(dd if=/dev/hwrng bs=16 count=1 2>/dev/null | wc -c)" = 16 ]
hwclock -u -r
[ "$(cat /sys/class/dmi/id/product_serial)" = "ds=nocloud,x" ]
"""

# Somebody reads the event.
POWER_KEY = """
for input in /sys/class/input/event*; do
    [ "$(cat $input/device/name)" = "@KEY@" ] && key=/dev/input/$(basename $input)
done
(sleep 0.5; echo press the power key) &
dd if=$key of=/tmp/event bs=24 count=1 2>/dev/null
[ "$(hexdump -s 16 -n 4 -e '2/2 "%d "' /tmp/event)" = "1 116" ]
"""
SERIAL = """
echo hello >/dev/ttyAMA1
"""

# The disk tells the first boot from the second.
REBOOT = """
if [ "$(dd if=/dev/vda bs=5 count=1 2>/dev/null)" != again ]; then
    printf again | dd of=/dev/vda conv=notrunc 2>/dev/null; sync
    reboot -f; sleep 60
fi
""" + WORK

# The kernel patches its functions, all of them and single ones, while all CPUs run them.
TRACING = """
mount -t tracefs t /sys/kernel/tracing
cd /sys/kernel/tracing
for tracer in function function_graph; do
    echo $tracer >current_tracer
    for i in 1 2 3 4; do (echo $i | sha256sum >/dev/null) & done; wait
    [ $(grep -c . trace) -gt 1000 ]
    echo nop >current_tracer
done
echo 'p:entry do_sys_openat2' >kprobe_events
echo 'r:return do_sys_openat2 $retval' >>kprobe_events
echo 'p:middle do_sys_openat2+0x10' >>kprobe_events
for probe in entry return middle; do echo 1 >events/kprobes/$probe/enable; done
for i in $(seq 60); do cat /proc/version >/dev/null & done; wait
for probe in entry return middle; do
    echo 0 >events/kprobes/$probe/enable
    [ $(grep -c "$probe:" trace) -ge 60 ]
done
echo >kprobe_events
cd /
"""
