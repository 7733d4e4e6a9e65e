#!/usr/bin/env bash
# Fetches another libvirt than the system's, of a pinned version, into a folder of its own: libvirtd, virtlogd and virsh,
# without root and without touching the system's, from Debian's packages, which `debian-packages.sh` unpacks. They do for
# qemu:///session of who starts them.
#
#   scripts/fetch-libvirt.sh 12.9 FOLDER
#   npm run test:qemu -- --libvirt FOLDER libvirt
set -euo pipefail
source "$(dirname "$0")/debian-packages.sh"

[ $# = 2 ] || fail "usage: scripts/fetch-libvirt.sh 11.3|12.9 FOLDER"
case $1 in
  11.3)
    suites=(trixie)
    version=11.3.0-3+deb13u3
    packages=(
      "libvirt0 $version 6a1226638353d6914ff4fdf6db693a5aff4b8fb450c7e642cfb92abb73a1c294"
      "libvirt-daemon $version 3c5af005cf57064370871a91e225e9fdca4cd80c5ffa7fe730e11a3246c4d0fd"
      "libvirt-daemon-log $version f092a30edcbabd66674f055687cc2473c509098c081fafc303a7c3c2305bab53"
      "libvirt-daemon-driver-qemu $version 371c1a30a128539508cb8417ecb68177d26bb9cb9a86c3c3a82bea12cf393c96"
      "libvirt-clients $version 5b5fa9fc49f3202130213c055cbbf7575605a6b852652d6e872d762c5de207d4"
    )
    ;;
  12.9)
    suites=(trixie trixie-backports)
    version=12.9.0-1~bpo13+1
    packages=(
      "libvirt0 $version c7840660231ebc35cb5a0ff655cf0f795ff1bc06c1e1ff680538983c62ceb22e"
      "libvirt-daemon $version 90c01fda8958d2c3102acc3fdc3876b406b9943931882c5c03556a45d0040815"
      "libvirt-daemon-log $version b27bcedf3b5f0df6606bc1b9e7b2e375a7086601c99c1f16f56d7e87ac13e74e"
      "libvirt-daemon-driver-qemu $version 80ee4a6d518ee20fe4715ea92a6c60a62fd81cd775964e30d15ac974578e2a2e"
      "libvirt-clients $version d1d0a8f3883ceac2135442af213008638170c75f2b6c0bf57b9b0bd7161a26a1"
    )
    ;;
  *) fail "version $1: must be 11.3 or 12.9" ;;
esac
folder=$2
[ ! -e "$folder" ] || fail "$folder is there already"

# QEMU is another script's, and the rest is for a libvirt of the system.
without=(qemu-kvm systemd systemd-container debconf logrotate dmidecode iproute2 kmod polkitd sensible-utils adduser gettext-base)
unpack_packages
make_program virtlogd usr/sbin/virtlogd
make_program virsh usr/bin/virsh
# Where its descriptions of CPUs are is compiled in: now it is beside where the daemon runs.
replace_path "usr/lib/x86_64-linux-gnu/$(readlink "$work/root/usr/lib/x86_64-linux-gnu/libvirt.so.0")" \
  /usr/share/libvirt/cpu_map usr/share/libvirt/cpu_map/
make_program libvirtd usr/sbin/libvirtd '' \
  'export LIBVIRT_DRIVER_DIR="$here/usr/lib/x86_64-linux-gnu/libvirt/connection-driver"; cd "$here"'
move_root "$folder"
echo "libvirt $("$folder/virsh" --version)"
